"""The sections of `maskscope bench`: model/experiments/benchmarks/ on the default recipe, and a load on a real server.

The server runs in a process of its own on loopback; its clients share the other core, so their cost is in the figures.
"""

import asyncio
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

import httpx

from app.catalog import load_catalog
from app.races.worker import Commands
from app.settings import Settings
from model.experiments.benchmarks.inference import Comparison, compare_decoding, compare_gradients
from model.experiments.benchmarks.training import (
    GemmShare,
    Speed,
    compare_with_plain_loop,
    compare_with_trl,
    share_of_gemm,
)
from model.masks.policies import COMPARED_POLICIES
from model.network.gpt import GPT
from model.training.recipes import DEFAULT_RECIPE, RECIPES, Recipe

CLIENTS = 32
REQUESTS_EACH = 40
RACE_RECIPE, RACE_ROUNDS = "reverse4", 3
PLAIN_GOAL, TRL_GOAL, RACE_GOAL = 1.3, 4.0, 1.6
STEP_GOAL_MS, END_GOAL_MS, LOOK_GOAL_MS = 100.0, 4000.0, 0.05
STEPS, ENDS, LOOKS = 12, 3, 1000

NEXT_STEP_MS = """() => { window.times = []; let asked;
document.addEventListener("change", () => asked = performance.now(), true);
document.addEventListener("htmx:after:swap", () => requestAnimationFrame(() =>
    window.times.push(performance.now() - asked))); }"""
"""Milliseconds from the change of a step to the frame that shows it."""


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


def gradients() -> Iterator[Comparison]:
    yield from compare_gradients(*_default_model())


def decoding() -> Iterator[Comparison]:
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
        verdict = "met" if self.ratio >= self.goal else "MISSED"
        return (
            f"{self.name:62} race {self.race_seconds:6.2f} s         both loops {self.plain_seconds:6.2f} s         "
            f"{self.ratio:5.1f} times (goal {self.goal:g}: {verdict})"
        )


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


def training() -> Iterator[Speed | GemmShare | RaceTime | Promptness | Skipped]:
    for slug, goal in ((RACE_RECIPE, PLAIN_GOAL), (DEFAULT_RECIPE, None)):
        for policy in COMPARED_POLICIES:
            yield compare_with_plain_loop(RECIPES[slug], policy, goal)
        yield share_of_gemm(RECIPES[slug], "prompt-masked")
    for lean in (False, True):
        against_trl = compare_with_trl(RECIPES[RACE_RECIPE], "prompt-masked", TRL_GOAL, lean=lean)
        yield against_trl or Skipped(f"{RACE_RECIPE} against TRL", "pip install 'maskscope[trl]' brings it")
    yield _race()
    yield _look_for_commands()


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


def _promptness(name: str, milliseconds: list[float], goal_ms: float) -> Promptness:
    return Promptness(name, len(milliseconds), median(milliseconds), max(milliseconds), goal_ms)


def page() -> Iterator[Promptness | Skipped]:
    """From an arrow key to the next step on the page, in a real browser."""
    name = "an arrow key to the next step on the page"
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        yield Skipped(name, "pip install 'maskscope[test]' brings playwright, which it needs")
        return
    if chromium is None:
        yield Skipped(name, "no Chromium found (apt-get install chromium)")
        return
    with _served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page()
        shown.goto(f"{address}/?step=0")
        shown.evaluate(NEXT_STEP_MS)
        shown.locator("#step-0").focus()
        for count in range(1, STEPS + 1):
            shown.keyboard.press("ArrowRight")
            shown.wait_for_function("count => window.times.length === count", arg=count)
        milliseconds = shown.evaluate("window.times")
        browser.close()
    yield _promptness(name, milliseconds, STEP_GOAL_MS)


def ending() -> Iterator[Promptness]:
    """From a SIGTERM to the server's end, while a race is followed."""
    milliseconds = []
    for _ in range(ENDS):
        with ExitStack() as readers:
            with _served() as address:
                client = readers.enter_context(httpx.Client(base_url=address, timeout=60))
                race = client.post("/api/v1/races", json={"recipe": RACE_RECIPE}).json()
                lines = readers.enter_context(client.stream("GET", race["events"])).iter_lines()
                while next(lines) != "event: step":
                    pass
                started = time.perf_counter()
            milliseconds.append(1e3 * (time.perf_counter() - started))
    yield _promptness("SIGTERM to the server's end, while a race is followed", milliseconds, END_GOAL_MS)


def _look_for_commands() -> Promptness:
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
    return _promptness("a runner's look for commands between two steps", milliseconds, LOOK_GOAL_MS)


Result = Comparison | Load | Speed | GemmShare | RaceTime | Promptness | Skipped
SECTIONS: dict[str, Callable[[], Iterator[Result]]] = {
    "training": training,
    "gradients": gradients,
    "decoding": decoding,
    "server": server,
    "page": page,
    "ending": ending,
}


def _default_model() -> tuple[Recipe, GPT]:
    recipe = RECIPES[DEFAULT_RECIPE]
    model, _ = load_catalog(Settings().trained_folder).model(recipe, "prompt-masked", None)
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
    body = {"recipe": DEFAULT_RECIPE, "prompt": word, "policy": "prompt-masked"}
    return (await http.post("/api/v1/analyze", json=body)).status_code == 200


async def _stream(http: httpx.AsyncClient, word: str) -> bool:
    body = {"recipe": DEFAULT_RECIPE, "prompt": word, "policy": "prompt-masked", "stream": True}
    response = await http.post("/api/v1/generate", json=body)
    return response.status_code == 200 and "event: done" in response.text
