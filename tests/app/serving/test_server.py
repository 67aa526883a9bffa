"""app/serving/server.py as a process with 1,024 descriptors: what an attacker holds open shuts nobody out.

The server is the product with a race put into it whose log is ten megabytes long, and with short deadlines.
"""

import fcntl
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.serving.server import places_within
from app.settings import Settings

DESCRIPTORS = 1024
MEGABYTE = 1_000_000
ATTACKER, ANOTHER = "127.0.0.2", "127.0.0.3"
"""Visitors come from 127.0.0.1."""

ATTACKED = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}))
from app import cli, main
from app.races.orders import order_race
from app.races.sessions import Race, Races
from model.training.recipes import Variation

class RacesWithALongOne(Races):
    def __init__(self, settings):
        super().__init__(settings)
        order = order_race("reverse4", ("prompt-masked",), 0, None, Variation(), settings.race_max_cost)
        race = Race("long", order, 0.0)
        for step in range(10_000):
            race.log.append("step", {{"step": step, "padding": "x" * 1000}})
        race.status = "paused"
        race.last_seen = 1e12
        self._races["long"] = race

main.Races = RacesWithALongOne
cli.app(["serve", "--port", "0"])
"""


@pytest.fixture(scope="module", autouse=True)
def _descriptors() -> Iterator[None]:
    """This process holds the other ends of more sockets than it may have by itself on many machines."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096) if hard >= 0 else 4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def attacked(start_server: Any) -> Iterator[Any]:
    with start_server(program=ATTACKED, MASKSCOPE_SEND_TIMEOUT_SECONDS="2", MASKSCOPE_MAX_RACES="10") as server:
        yield server


def opened(server: Any, request: bytes = b"", buffer: int | None = None, address: str = ATTACKER) -> socket.socket:
    place = urlsplit(server.address)
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(60)
    connection.bind((address, 0))
    connection.connect((place.hostname, place.port))
    connection.sendall(request)
    return connection


@contextmanager
def held(server: Any, count: int, *given: Any, **named: Any) -> Iterator[list[socket.socket]]:
    """So many connections that send a request and read nothing."""
    with ExitStack() as stack:
        yield [stack.enter_context(opened(server, *given, **named)) for _ in range(count)]


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def visits(server: Any) -> list[int]:
    """What some visitors are answered, each on a connection of its own."""
    paths = ("/lesson", "/healthz", "/static/app.css", "/api/v1/recipes") * 2
    once = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=server.address, timeout=60, limits=once) as client, ThreadPoolExecutor(4) as visitors:
        return list(visitors.map(lambda path: client.get(path).status_code, paths))


def memory(server: Any) -> int:
    """Bytes that are resident."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def wait_until_closed(connections: list[socket.socket]) -> None:
    """Until the server has ended each of them, of which none is read."""
    waiting = {connection.fileno() for connection in connections}
    poll = select.poll()
    for connection in waiting:
        poll.register(connection, 0)  # what is always told: an error, or the end of both sides
    while waiting:
        for connection, _ in poll.poll():
            poll.unregister(connection)
            waiting.remove(connection)


@pytest.mark.parametrize(
    ("descriptors", "settings", "places"),
    [
        (1024, {}, 864),
        (1024, {"keeper_folder": Path("x")}, 432),
        (1024, {"keeper_address": "http://192.0.2.1:8000"}, 432),
        (100_000, {"keeper_folder": Path("x")}, 2048),
        (100, {}, 1),
    ],
)
def test_what_may_be_forwarded_has_a_descriptor_for_both_ways(
    descriptors: int, settings: dict[str, Any], places: int
) -> None:
    assert places_within(descriptors, Settings(**settings)) == places


KEEPER = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (170, 200))
from app import cli
cli.app(["serve", "--port", "0"])
"""
"""160 of these 200 are reserved: 20 are left for visitors, and 20 for what other processes forward."""


def asked(connection: socket.socket, sent: bytes) -> int:
    """The status that it is answered, once its headers have ended; 0 if it has been closed."""
    answer = b""
    try:
        connection.sendall(sent)
        while b"\r\n\r\n" not in answer and (piece := connection.recv(MEGABYTE)):
            answer += piece
    except (BrokenPipeError, ConnectionResetError):
        return 0
    return int(answer.split()[1]) if answer else 0


def test_a_process_that_keeps_races_asks_for_descriptors_for_both_and_gives_half_of_them_to_each(
    start_server: Any, tmp_path: Path
) -> None:
    patient = {f"MASKSCOPE_{name}_TIMEOUT_SECONDS": "300" for name in ("IDLE", "BODY")}
    keeper = {"MASKSCOPE_KEEPER_FOLDER": str(tmp_path), "MASKSCOPE_MAX_CONNECTIONS": "30"}
    head = b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    begun = b"POST /api/v1/races HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    begun += b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with start_server(program=KEEPER, **keeper, **patient) as server, ExitStack() as stack:
        visitors, forwarded = [], []
        for _ in range(35):  # each idles when the next one comes, and gives way to it where there is no more place
            visitors.append(stack.enter_context(opened(server)))
            assert asked(visitors[-1], head) == 200
        assert [asked(visitor, head) for visitor in visitors] == 15 * [0] + 20 * [200]
        for _ in range(20):  # none of them idles: the rest of its body is waited for
            forwarded.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            forwarded[-1].settimeout(60)
            forwarded[-1].connect(str(tmp_path / "keeper.sock"))
            assert asked(forwarded[-1], begun) == 100
        assert {asked(request, b"[]") for request in forwarded} == {422}


def test_more_idle_sockets_than_descriptors_shut_no_visitor_out_and_fill_no_log(attacked: Any) -> None:
    with held(attacked, 1100):
        assert set(visits(attacked)) == {200}
        assert set(visits(attacked)) == {200}
    assert len(attacked.log) < 20_000


def test_half_sent_requests_shut_no_visitor_out(attacked: Any) -> None:
    with held(attacked, 550, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "):
        body = b"POST /api/v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
        with held(attacked, 300, body):
            assert set(visits(attacked)) == {200}


def test_long_logs_that_nobody_reads_take_little_memory_and_give_it_back(attacked: Any) -> None:
    before = memory(attacked)
    with held(attacked, 256, get("/api/v1/races/long/events"), buffer=4096) as followers:
        assert set(visits(attacked)) == {200}
        most = memory(attacked)
        wait_until_closed(followers)
        assert set(visits(attacked)) == {200}
    assert most - before < 200 * MEGABYTE
    assert memory(attacked) - before < 100 * MEGABYTE


def test_tables_that_nobody_reads_take_little_memory_and_shut_nobody_out(attacked: Any) -> None:
    before = memory(attacked)
    with held(attacked, 300, get("/api/v1/ablation.csv"), buffer=4096) as readers:
        assert set(visits(attacked)) == {200}
        most = memory(attacked)
        wait_until_closed(readers)
    assert most - before < 200 * MEGABYTE


def test_followers_of_a_paused_race_from_two_addresses_shut_nobody_out(attacked: Any) -> None:
    news = get("/api/v1/races/long/events?after=10000")
    with held(attacked, 270, news) as followers, held(attacked, 270, news, address=ANOTHER):
        assert set(visits(attacked)) == {200}
        assert httpx.get(f"{attacked.address}/", timeout=60).status_code == 200
        assert all(follower.recv(15) == b"HTTP/1.1 200 OK" for follower in followers)


def test_followers_get_a_last_event_when_the_server_is_stopped(attacked: Any) -> None:
    """The last of those that share a server: it ends it."""
    with opened(attacked, get("/api/v1/races/long/events?after=10000")) as follower:
        while b"\r\n\r\n" not in follower.recv(MEGABYTE):
            pass
        attacked.process.terminate()
        rest = b""
        while piece := follower.recv(MEGABYTE):
            rest += piece
    assert b"event: finished" in rest
    assert b'"status":"stopped"' in rest
    assert rest.endswith(b"0\r\n\r\n")
    assert attacked.process.wait(timeout=60) == -signal.SIGTERM  # raised once more when all has ended


def test_a_log_that_nobody_reads_holds_no_request_up_and_no_end(tmp_path: Path) -> None:
    """Of the process that keeps races for others too, which listens twice."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)  # fifty lines
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    environment = {**os.environ, "MASKSCOPE_KEEPER_FOLDER": str(tmp_path)}
    process = subprocess.Popen(command, stdout=writing, stderr=writing, env=environment)
    os.close(writing)
    try:
        with open(reading) as log:
            address = next(found[1] for line in log if (found := re.search(r"running on (http://\S+)", line)))
            forwards = httpx.HTTPTransport(uds=str(tmp_path / "keeper.sock"), retries=5)
            with httpx.Client(transport=forwards, base_url=address, timeout=60) as worker:
                assert worker.get("/forwarded").status_code == 404
            with httpx.Client(base_url=address, timeout=60) as client:
                assert {client.get("/healthz").status_code for _ in range(300)} == {200}
                assert client.get("/%0AINFO:%20forged%E2%80%AE").status_code == 404
            process.terminate()
            assert process.wait(timeout=60) == -signal.SIGTERM
            told = log.read()
    finally:
        process.kill()
        process.wait()
    assert told.isascii()
    assert "GET /healthz" in told
    assert "/forwarded" not in told  # whoever forwards it has it in the log
    assert "\nINFO: forged" not in told
