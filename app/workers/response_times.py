"""How promptly something is there: the next step on the page, the server's end, a runner's look for commands.

The page is opened in a real browser; without one, or without playwright, the section says so.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import httpx

from app.races.worker import Commands
from app.workers.load import RACE_RECIPE, served

STEP_GOAL_MS, END_GOAL_MS, LOOK_GOAL_MS = 100.0, 4000.0, 0.05
STEPS, ENDS, LOOKS = 12, 3, 1000

NEXT_STEP_MS = """() => { window.times = []; let asked;
document.addEventListener("change", () => asked = performance.now(), true);
document.addEventListener("htmx:after:swap", () => requestAnimationFrame(() =>
    window.times.push(performance.now() - asked))); }"""
"""Milliseconds from the change of a step to the frame that shows it."""


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


def _promptness(name: str, milliseconds: list[float], goal_ms: float) -> Promptness:
    return Promptness(name, len(milliseconds), median(milliseconds), max(milliseconds), goal_ms)


def next_step() -> Iterator[Promptness | Skipped]:
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
    with served() as address, sync_playwright() as playwright:
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
            with served() as address:
                client = readers.enter_context(httpx.Client(base_url=address, timeout=60))
                race = client.post("/api/v1/races", json={"recipe": RACE_RECIPE}).json()
                lines = readers.enter_context(client.stream("GET", race["events"])).iter_lines()
                while next(lines) != "event: step":
                    pass
                started = time.perf_counter()
            milliseconds.append(1e3 * (time.perf_counter() - started))
    yield _promptness("SIGTERM to the server's end, while a race is followed", milliseconds, END_GOAL_MS)


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
    return _promptness("a runner's look for commands between two steps", milliseconds, LOOK_GOAL_MS)
