"""A `maskscope serve` of its own on loopback, and a load on it: answers a second, how long one waits, a race's time.

Its clients share the other core, so their cost is in the figures.
"""

import asyncio
import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

import httpx

from app.workers.processes import command_line
from model.experiments.benchmarks.training import times_of
from model.masks.policies import RIGHT
from model.training.recipes import DEFAULT_RECIPE, RECIPES

CLIENTS = 32
REQUESTS_EACH = 40
RACE_RECIPE, RACE_ROUNDS = "reverse4", 3
RACE_GOAL = 1.6


@dataclass(frozen=True)
class Load:
    """Requests per second and percentiles of the time to the last byte, in milliseconds."""

    name: str
    requests: int
    errors: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    def line(self) -> str:
        return (
            f"{self.name:62} {self.per_second:7.0f} per second   p50 {self.p50_ms:.0f} ms   "
            f"p95 {self.p95_ms:.0f} ms   p99 {self.p99_ms:.0f} ms   {self.errors} errors of {self.requests}"
        )


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


def load_server() -> Iterator[Load]:
    with served() as address:
        yield asyncio.run(_load(address, f"POST /api/v1/analyze, {CLIENTS} clients", _analyze))
        yield asyncio.run(_load(address, f"POST /api/v1/generate streamed, {CLIENTS} clients", _stream))


def race_against_plain_loops() -> RaceTime:
    """A race of both policies on a warm server, against a script that runs both plain loops one after the other."""
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
def served() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        command_line("serve", "--port", str(port)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
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


async def _load(address: str, name: str, ask: Callable[[httpx.AsyncClient, str], Awaitable[bool]]) -> Load:
    prompts = RECIPES[DEFAULT_RECIPE].task.prompts(0, held_out=True)
    latencies: list[float] = []
    errors = 0

    async def client() -> None:
        nonlocal errors
        async with httpx.AsyncClient(base_url=address, timeout=60) as http:
            await ask(http, "hello")
            for prompt in itertools.islice(prompts, REQUESTS_EACH):
                started = time.perf_counter()
                errors += not await ask(http, prompt)
                latencies.append(1e3 * (time.perf_counter() - started))

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    seconds = time.perf_counter() - started
    cuts = quantiles(latencies, n=100)
    return Load(name, len(latencies), errors, len(latencies) / seconds, cuts[49], cuts[94], cuts[98])


async def _analyze(http: httpx.AsyncClient, prompt: str) -> bool:
    body = {"recipe": DEFAULT_RECIPE, "prompt": prompt, "policy": RIGHT.slug}
    return (await http.post("/api/v1/analyze", json=body)).status_code == 200


async def _stream(http: httpx.AsyncClient, prompt: str) -> bool:
    body = {"recipe": DEFAULT_RECIPE, "prompt": prompt, "policy": RIGHT.slug, "stream": True}
    response = await http.post("/api/v1/generate", json=body)
    return response.status_code == 200 and "event: done" in response.text
