"""How promptly `/` follows its reader, in a real browser: a key to the word's analysis, the switch, a step.

Out: medians, printed by `maskscope bench --page`. Without a browser or playwright the section says so.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.workers.load import served
from app.workers.response_times import Promptness, Skipped, promptness

WORD_GOAL_MS, SWITCH_GOAL_MS, STEP_GOAL_MS = 150.0, 50.0, 100.0
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
    """The medians of LATENCIES."""
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
            for time in range(TIMES):
                latency.do(page, time)
                page.wait_for_function("count => window.times.length > count", arg=time)
                page.wait_for_timeout(300)  # a reader's pause: neighbours arrive meanwhile
            yield promptness(latency.name, page.evaluate("window.times"), latency.goal_ms)
            page.close()
        browser.close()
