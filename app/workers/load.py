"""A `maskscope serve` of its own on loopback: the answers a second to a crowd and to a school, a race's time.

Its clients share the other core, so their cost is in the figures.
"""

import errno
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from statistics import median
from urllib.parse import urlsplit

import httpx

from app.workers.crowd import Load, crowd_on
from app.workers.processes import command_line
from app.workers.tallies import Answers
from model.experiments.benchmarks.training import times_of

RACE_RECIPE, RACE_ROUNDS = "reverse4", 3
RACE_GOAL = 1.6
LOOPBACK = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True)
class RaceTime:
    """Seconds from the start to the end, process starts and measurements included; medians of alternating rounds."""

    name: str
    race_seconds: float
    plain_seconds: float
    ratio: float
    goal: float

    def line(self) -> str:
        return (
            f"{self.name:62} race {self.race_seconds:6.2f} s         both loops {self.plain_seconds:6.2f} s         "
            f"{times_of(self.ratio, self.goal)}"
        )


def load_server(at: str | None = None) -> Iterator[Load]:
    """What crowd.py asks, of a server of its own or of one that runs at an address."""
    if at is not None:
        yield from crowd_on(at)
        return
    with served() as address:
        yield from crowd_on(address)


def load_school(at: str | None, seconds: float) -> Iterator[Answers]:
    """What school.py plays, on a server of its own or on one that runs at an address of loopback.

    The clients are a process of their own, which always ends: each of their questions has a deadline.

    Raises:
        ConnectionError: nothing answers there.
        ChildProcessError: the clients failed; what they said is on standard error.
    """
    seed = time.time_ns() % 2**31  # other words each time: a server that runs may have kept the answers to some
    if at is not None and not _answers(at):
        raise ConnectionError(errno.ECONNREFUSED, "no Maskscope answers there", at)
    with served() if at is None else nullcontext(at) as address:
        command = [sys.executable, "-m", "app.workers.school", address, str(seconds), str(seed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
            assert clients.stdout is not None
            try:
                for line in clients.stdout:
                    yield Answers(**json.loads(line))
            except BaseException:
                clients.terminate()
                raise
        if clients.returncode:
            raise ChildProcessError(errno.ECHILD, "the clients failed", "app.workers.school")


def is_loopback(url: str) -> bool:
    """Whether it is `http://` with a port and one of 127.0.0.0/8, the addresses that clients take for their own."""
    try:
        place = urlsplit(url)
        return place.scheme == "http" and bool(place.port) and ip_address(place.hostname or "") in LOOPBACK
    except ValueError:
        return False


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=10).is_success
    except httpx.HTTPError:
        return False


def race_against_plain_loops() -> RaceTime:
    """A race of both policies on a warm server, against a script that runs both plain loops one after the other.

    The script imports torch each time, the server only for the first race.
    """
    script = f"from model.experiments.benchmarks.training import run_plain_loops; run_plain_loops({RACE_RECIPE!r})"
    ours, plain = [], []
    with served() as address:
        for _ in range(RACE_ROUNDS):
            started = time.perf_counter()
            race = httpx.post(f"{address}/api/v1/races", json={"recipe": RACE_RECIPE}).json()
            events = httpx.get(f"{address}{race['events']}", timeout=300).text
            assert "event: finished" in events, events[-500:]
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", script], check=True)
            plain.append(time.perf_counter() - started)
    race_seconds, plain_seconds = median(ours), median(plain)
    name = f"{RACE_RECIPE}, a race of both policies, from start to end"
    return RaceTime(name, race_seconds, plain_seconds, plain_seconds / race_seconds, RACE_GOAL)


@contextmanager
def served(**environment: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        command_line("serve", "--port", str(port)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | environment,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{address}/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()
