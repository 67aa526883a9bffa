"""The sections of `maskscope bench`: model/experiments/benchmarks/ on the default recipe, and a load on a real server.

The server runs in a process of its own on loopback; its clients share the other core, so their cost is in the figures.
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

from app.catalog import load_catalog
from app.settings import Settings
from model.experiments.benchmarks.inference import Speedup, compare_decoding, compare_gradients
from model.experiments.benchmarks.training import (
    GemmShare,
    Speed,
    compare_with_plain_loop,
    compare_with_trl,
    share_of_gemm,
    times_of,
)
from model.masks.policies import COMPARED_POLICIES, RIGHT
from model.network.gpt import GPT
from model.training.recipes import DEFAULT_RECIPE, RECIPES, Recipe

CLIENTS = 32
REQUESTS_EACH = 40
RACE_RECIPE, RACE_ROUNDS = "reverse4", 3
PLAIN_GOAL, TRL_GOAL, RACE_GOAL = 1.3, 4.0, 1.6


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


def gradients() -> Iterator[Speedup]:
    yield from compare_gradients(*_default_model())


def decoding() -> Iterator[Speedup]:
    yield from compare_decoding(*_default_model())


def server() -> Iterator[Load]:
    with _served() as address:
        yield asyncio.run(_load(address, f"POST /api/v1/analyze, {CLIENTS} clients", _analyze))
        yield asyncio.run(_load(address, f"POST /api/v1/generate streamed, {CLIENTS} clients", _stream))


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


@dataclass(frozen=True)
class Skipped:
    name: str
    reason: str

    def line(self) -> str:
        return f"{self.name:62} skipped: {self.reason}"


def training() -> Iterator[Speed | GemmShare | RaceTime | Skipped]:
    for slug, goal in ((RACE_RECIPE, PLAIN_GOAL), (DEFAULT_RECIPE, None)):
        for policy in COMPARED_POLICIES:
            yield compare_with_plain_loop(RECIPES[slug], policy, goal)
        yield share_of_gemm(RECIPES[slug], RIGHT.slug)
    for lean in (False, True):
        against_trl = compare_with_trl(RECIPES[RACE_RECIPE], RIGHT.slug, TRL_GOAL, lean=lean)
        yield against_trl or Skipped(f"{RACE_RECIPE} against TRL", "pip install 'maskscope[trl]' brings it")
    yield _race()


def _race() -> RaceTime:
    """A race of both policies on a warm server, against a script that runs both plain loops one after the other."""
    script = f"from model.experiments.benchmarks.training import run_plain_loops; run_plain_loops({RACE_RECIPE!r})"
    ours, plain = [], []
    with _served() as address:
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


Result = Speedup | Load | Speed | GemmShare | RaceTime | Skipped
SECTIONS: dict[str, Callable[[], Iterator[Result]]] = {
    "training": training,
    "gradients": gradients,
    "decoding": decoding,
    "server": server,
}


def _default_model() -> tuple[Recipe, GPT]:
    recipe = RECIPES[DEFAULT_RECIPE]
    model, _ = load_catalog(Settings().trained_folder).model(recipe, RIGHT.slug, None)
    return recipe, model


@contextmanager
def _served() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
    words = RECIPES[DEFAULT_RECIPE].task.words(0, held_out=True)
    latencies: list[float] = []
    errors = 0

    async def client() -> None:
        nonlocal errors
        async with httpx.AsyncClient(base_url=address, timeout=60) as http:
            await ask(http, "hello")
            for word in itertools.islice(words, REQUESTS_EACH):
                started = time.perf_counter()
                errors += not await ask(http, word)
                latencies.append(1e3 * (time.perf_counter() - started))

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    seconds = time.perf_counter() - started
    cuts = quantiles(latencies, n=100)
    return Load(name, len(latencies), errors, len(latencies) / seconds, cuts[49], cuts[94], cuts[98])


async def _analyze(http: httpx.AsyncClient, word: str) -> bool:
    body = {"recipe": DEFAULT_RECIPE, "prompt": word, "policy": RIGHT.slug}
    return (await http.post("/api/v1/analyze", json=body)).status_code == 200


async def _stream(http: httpx.AsyncClient, word: str) -> bool:
    body = {"recipe": DEFAULT_RECIPE, "prompt": word, "policy": RIGHT.slug, "stream": True}
    response = await http.post("/api/v1/generate", json=body)
    return response.status_code == 200 and "event: done" in response.text
