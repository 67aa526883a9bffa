"""How promptly something is there: the server's end, a runner's look for commands."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import httpx

from app.races.worker import Commands
from app.workers.load import RACE_RECIPE, served

END_GOAL_MS, LOOK_GOAL_MS = 4000.0, 0.05
ENDS, LOOKS = 3, 1000


@dataclass(frozen=True)
class Promptness:
    """Median and longest of so many times, in milliseconds, and the goal for the median."""

    name: str
    times: int
    median_ms: float
    longest_ms: float
    goal_ms: float

    def line(self) -> str:
        verdict = "met" if self.median_ms <= self.goal_ms else "MISSED"
        return (
            f"{self.name:62} median {self.median_ms:8.3f} ms   longest {self.longest_ms:8.3f} ms   "
            f"of {self.times} (goal {self.goal_ms:g} ms: {verdict})"
        )


@dataclass(frozen=True)
class Skipped:
    name: str
    reason: str

    def line(self) -> str:
        return f"{self.name:62} skipped: {self.reason}"


def promptness(name: str, milliseconds: list[float], goal_ms: float) -> Promptness:
    """Of so many times."""
    return Promptness(name, len(milliseconds), median(milliseconds), max(milliseconds), goal_ms)


def ending() -> Iterator[Promptness]:
    """From a SIGTERM to the server's end, while a race is followed."""
    milliseconds = []
    for _ in range(ENDS):
        with ExitStack() as readers:
            with served() as address:
                client = readers.enter_context(httpx.Client(base_url=address, timeout=60))
                race = client.post("/api/v1/races", json={"recipe": RACE_RECIPE}).json()
                lines = readers.enter_context(client.stream("GET", race["events"])).iter_lines()
                while next(lines) != "event: step":
                    pass
                started = time.perf_counter()
            milliseconds.append(1e3 * (time.perf_counter() - started))
    yield promptness("SIGTERM to the server's end, while a race is followed", milliseconds, END_GOAL_MS)


def look_for_commands() -> Promptness:
    """What a runner does between two steps, when it was told nothing."""
    reader, writer = os.pipe()
    commands = Commands(reader)
    os.write(writer, b"resume\n")
    milliseconds = []
    for _ in range(LOOKS):
        started = time.perf_counter()
        assert commands.gate_is_open()
        milliseconds.append(1e3 * (time.perf_counter() - started))
    os.close(reader)
    os.close(writer)
    return promptness("a runner's look for commands between two steps", milliseconds, LOOK_GOAL_MS)
