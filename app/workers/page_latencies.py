"""How promptly pages follow their reader, in a real browser: a word, the switch, a step; a race to its first curves.

Out: medians, printed by `maskscope bench --page`. Without a browser or playwright the section says so.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.workers.load import served
from app.workers.response_times import Promptness, Skipped, promptness

WORD_GOAL_MS, SWITCH_GOAL_MS, STEP_GOAL_MS = 150.0, 50.0, 100.0
CURVES_GOAL_MS = 3000.0
RACES = 3
READING_MS = 15_000
"""A teacher reads the form of a race for so long, and workers get ready meanwhile."""
TIMES = 12
THROTTLED = 4
"""So many times slower than this machine is the processor that switches."""
WORDS = ("wind", "lake", "hello", "a", "castle", "mountain", "foundation", "live", "cat", "step", "zebra", "text")

WATCH = """attribute => { window.times = []; let asked, counted;
for (const kind of ["keydown", "input"]) document.addEventListener(kind, () => (asked = performance.now()), true);
const onScreen = from => requestAnimationFrame(() => setTimeout(() => window.times.push(performance.now() - from)));
new MutationObserver(() => { if (asked !== counted) onScreen((counted = asked)); })
  .observe(document.body, { subtree: true, attributes: true, attributeFilter: [attribute] }); }"""
"""Milliseconds from the last key until the frame after the attribute's change is done."""


BOTH_LINES = """() => [...document.querySelectorAll("#chart-exact_match polyline")]
  .filter(line => line.getAttribute("points").trim().includes(" ")).length >= 2"""


@dataclass(frozen=True)
class Latency:
    name: str
    address: str
    attribute: str
    """Changes when the page shows what was asked for."""
    do: Callable[[Any, int], None]
    """The time-th thing a reader does, on a page of Playwright's."""
    goal_ms: float
    slowdown: int = 1


LATENCIES = (
    Latency(
        "the last key of a word to its analysis",
        "/?prompt=live",
        "data-prompt",
        lambda page, time: page.locator("#prompt").fill(WORDS[time % len(WORDS)]),
        WORD_GOAL_MS,
    ),
    Latency(
        f"the switch, at {THROTTLED}x throttled CPU",
        "/?prompt=abcdefghij",
        "data-mask",
        lambda page, time: page.keyboard.press("m"),
        SWITCH_GOAL_MS,
        THROTTLED,
    ),
    Latency(
        "an arrow key to the next step",
        "/?prompt=live&step=0",
        "data-step",
        lambda page, time: page.locator("#step").press("ArrowRight"),
        STEP_GOAL_MS,
    ),
)


def page_latencies() -> Iterator[Promptness | Skipped]:
    """The medians of LATENCIES, and of the time to the first curves of a race."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        yield Skipped("the page", "pip install 'maskscope[test]' brings playwright, which it needs")
        return
    if chromium is None:
        yield Skipped("the page", "no Chromium found (apt-get install chromium)")
        return
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for latency in LATENCIES:
            page = browser.new_page()
            page.goto(address + latency.address)
            session = page.context.new_cdp_session(page)
            session.send("Emulation.setCPUThrottlingRate", {"rate": latency.slowdown})
            page.evaluate(WATCH, latency.attribute)
            for number in range(TIMES):
                latency.do(page, number)
                page.wait_for_function("count => window.times.length > count", arg=number)
                page.wait_for_timeout(300)  # a reader's pause: neighbours arrive meanwhile
            yield promptness(latency.name, page.evaluate("window.times"), latency.goal_ms)
            page.close()
        for reading_ms in (READING_MS, 0):
            yield first_curves(browser.new_page(base_url=address), reading_ms)
        browser.close()


def first_curves(page: Any, reading_ms: int) -> Promptness:
    """From the button that starts a race until both models have a line, measured twice each, on a page of Playwright's.

    A race that starts at once waits for its workers to import torch.
    """
    milliseconds = []
    for _ in range(RACES):
        page.goto("/race")
        page.wait_for_timeout(reading_ms)
        started = time.perf_counter()
        page.get_by_role("button", name="Start the race").click()
        page.wait_for_function(BOTH_LINES, timeout=60_000)
        milliseconds.append(1e3 * (time.perf_counter() - started))
        page.get_by_role("button", name="Stop").click()
        page.wait_for_selector("text=Stopped.", timeout=60_000)
    read = f"form read for {reading_ms / 1000:g} s" if reading_ms else "form not read"
    return promptness(f"a race's start to both first curves, {read}", milliseconds, CURVES_GOAL_MS)
