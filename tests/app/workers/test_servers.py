"""app/workers/servers.py: several processes on one port are one server, and a killed one costs what it kept alone."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.workers.servers import listen
from tests.conftest import Server, StartServer

RACES = "/api/v1/races"


def children(server: Server) -> set[int]:
    found = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return set(map(int, found))


def sockets(pid: int) -> int:
    return sum(
        os.readlink(link).startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()
    )


def eventually(holds: Callable[[], bool]) -> None:
    """A new process takes as long as it takes; one that never comes fails."""
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def test_a_race_is_kept_by_one_process_and_reached_through_any(start_server: StartServer) -> None:
    with (
        start_server(MASKSCOPE_WORKERS="2", MASKSCOPE_MAX_REQUESTS="8") as server,
        httpx.Client(base_url=server.address, timeout=60, limits=httpx.Limits(max_keepalive_connections=0)) as client,
    ):  # each request on a connection of its own, so by whichever process it is dealt to
        body = {"recipe": "reverse4", "policies": ["unmasked"], "steps": 50, "width": 8}

        def counted() -> float:
            """How many requests the process that answers a new connection has counted: each counts its own."""
            metrics = client.get("/metrics").text
            return sum(map(float, re.findall(r"^maskscope_requests_total\S* (\S+)$", metrics, re.M)))

        counts: list[float] = []

        def both_answer() -> bool:
            """One process alone counts up."""
            with suppress(httpx.TransportError):
                counts.append(counted())
            return counts != sorted(set(counts))

        started: list[httpx.Response] = []

        def starts() -> bool:
            try:
                started.append(client.post(RACES, json=body))
            except httpx.TransportError:
                return False
            return started[-1].status_code == 201

        eventually(starts)
        eventually(both_answer)
        race = started[-1].json()
        busy = {pid: sockets(pid) for pid in children(server)}
        place = urlsplit(server.address)
        with ExitStack() as crowd:  # by halves, not all to whoever is quickest; fewer than 5 of 40 would be rare
            for _ in range(40):
                crowd.enter_context(socket.create_connection((place.hostname, place.port), timeout=60))
            eventually(lambda: all(sockets(pid) - had >= 5 for pid, had in busy.items()))
        for _ in range(8):
            assert client.get(race["address"]).json()["id"] == race["id"]
            assert race["id"] in client.get(race["page"]).text
            with client.stream("GET", race["events"]) as events:
                assert "event: started" in list(zip(events.iter_lines(), range(3), strict=False))[1][0]
        followed = client.post(RACES, json=body | {"steps": 10_000}).json()
        eventually(lambda: client.post(f"{followed['address']}/pause", params={"owner": followed["owner"]}).is_success)
        with ExitStack() as following:  # more of them than requests are allowed in flight, whoever answers
            for _ in range(24):
                events = following.enter_context(client.stream("GET", followed["events"]))
                assert events.status_code == 200
            for _ in range(8):
                told = client.get(followed["address"])
                assert (told.status_code, told.json()["followers"]) == (200, 24)
        before = children(server)

        def gone(killed: int) -> bool:
            return killed not in children(server)

        for killed in sorted(before):
            os.kill(killed, signal.SIGKILL)
            eventually(partial(gone, killed))  # its own connections are lost, new ones go to the other
            assert client.get("/").status_code == 200
            eventually(starts)
            counts.clear()
            eventually(both_answer)
        assert children(server).isdisjoint(before)


def test_what_a_process_answers_is_sent_at_once() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


TAKEN = """
import sys
from app.workers.servers import serve_with

serve_with(2, "127.0.0.1", int(sys.argv[1]), ("--help",))
"""


def test_a_port_is_taken_even_if_whoever_listens_there_would_share_it() -> None:
    """As a second server of several processes would: visitors of each would be dealt out to both."""
    with listen("127.0.0.1", 0) as another:
        command = [sys.executable, "-c", TAKEN, str(another.getsockname()[1])]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1].startswith("OSError: "), ended.stderr
    assert "Address already in use" in ended.stderr


SIGNALLED = """
import os, signal, subprocess, sys
from app.workers import servers

number, last, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]

class Signalled(subprocess.Popen):
    started = 0

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        Signalled.started += 1
        if command[0] == "true":
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        if Signalled.started == last:
            os.kill(os.getpid(), number)

servers.command_line = lambda *words: (*command, words[-1])
servers.subprocess.Popen = Signalled
print(servers.serve_with(2, "127.0.0.1", 0, ()))
"""
"""The signal comes as soon as the last of the processes that there will be has started, before it is known."""
LISTENS = """
import sys, time
from app.workers import servers
listening = servers.listen("127.0.0.1", int(sys.argv[1]))
time.sleep(100)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("last", "command"),
    [(2, (sys.executable, "-c", LISTENS)), (1, (sys.executable, "-c", LISTENS)), (1, ("true",))],
    ids=["at work", "starting", "just dead"],
)
def test_a_signal_ends_every_process_whenever_it_comes(number: int, last: int, command: tuple[str, ...]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(int(number)), str(last), *command],
        capture_output=True,  # to the end of what they write: until none of them is left
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "0\n"), ended.stderr


def test_what_the_first_process_finds_broken_is_said_once() -> None:
    program = (
        "import sys; from app.workers import servers; "
        "servers.command_line = lambda *words: (sys.executable, '-c', 'import sys; sys.exit(\"broken\")'); "
        "print(servers.serve_with(3, '127.0.0.1', 0, ()))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr.count("broken")) == ("1\n", 1), ended.stderr
