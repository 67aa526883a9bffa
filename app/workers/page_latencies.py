"""How promptly pages follow their reader, in a real browser: from what is done to the frame that shows it; races too.

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
REST_MS = 2_000
"""After a race: only once a second a server looks whether a race still needs the fork server."""
READING_MS = 15_000
"""A teacher reads the form of a race for so long, and what it needs is imported meanwhile."""
TIMES = 12
PAUSE_MS = 500
"""A reader's, in which what was done is shown and neighbours arrive."""
THROTTLED = 4
"""So many times slower than this machine is the processor that switches."""
WORDS = ("wind", "lake", "hello", "a", "castle", "mountain", "foundation", "live", "cat", "step", "zebra", "text")
GRADIENTS = ("share", "input_norm", "logit_norm", "parameter_norm")

WATCH = """([kind, attribute]) => { window.times = []; let done, counted;
document.addEventListener(kind, event => (done = event.timeStamp), true);
const painted = new MessageChannel();
painted.port1.onmessage = ({ data }) => window.times.push(performance.now() - data);
new MutationObserver(() => { if (done === counted) return;
  const from = counted = done;
  requestAnimationFrame(() => painted.port2.postMessage(from)); })
  .observe(document.body, { subtree: true, attributes: true, attributeFilter: [attribute] }); }"""
"""Milliseconds from the event, as the browser stamped it, until the frame that shows the change is painted.

A message posted before a frame is drawn arrives when it is drawn.
"""


BOTH_LINES = """() => [...document.querySelectorAll("#chart-exact_match polyline")]
  .filter(line => line.getAttribute("points").trim().includes(" ")).length >= 2"""


@dataclass(frozen=True)
class Latency:
    name: str
    address: str
    event: str
    """What the browser stamps when the reader does it."""
    attribute: str
    """Changes when the page shows what was asked for."""
    do: Callable[[Any, int], None]
    """The time-th thing a reader does, on a page of Playwright's."""
    goal_ms: float
    slowdown: int = 1


def _switched(name: str, attribute: str, event: str, do: Callable[[Any, int], None]) -> Latency:
    address = "/?prompt=abcdefghij"
    return Latency(f"{name}, {THROTTLED}x throttled", address, event, attribute, do, SWITCH_GOAL_MS, THROTTLED)


LATENCIES = (
    Latency(
        "the last key of a word to its analysis",
        "/?prompt=live",
        "input",
        "data-prompt",
        lambda page, time: page.locator("#prompt").fill(WORDS[time % len(WORDS)]),
        WORD_GOAL_MS,
    ),
    _switched("the switch", "data-mask", "keydown", lambda page, time: page.keyboard.press("m")),
    _switched(
        "another gradient",
        "data-gradient",
        "change",
        lambda page, time: page.select_option("#gradient", GRADIENTS[time % len(GRADIENTS)]),
    ),
    _switched(
        "another position",
        "class",
        "keydown",
        lambda page, time: page.locator("[name=position]:checked").press("ArrowRight"),
    ),
    _switched(
        "hovering",
        "class",
        "pointerover",
        lambda page, time: page.locator(f".reads td[data-at='{time % 10}']").hover(),
    ),
    Latency(
        "an arrow key to the next step",
        "/?prompt=live&step=0",
        "keydown",
        "data-step",
        lambda page, time: page.locator("#step").press("ArrowRight"),
        STEP_GOAL_MS,
    ),
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
"""The one that people use first: the last of them draws no window, and is lighter."""


def page_latencies() -> Iterator[Promptness | Skipped]:
    """The medians of LATENCIES, and of the time to the first curves of a race."""
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        yield Skipped("the page", "pip install 'maskscope[test]' brings playwright, which it needs")
        return
    if chromium is None:
        yield Skipped("the page", "no Chromium found (apt-get install chromium)")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        with served() as address:
            for latency in LATENCIES:
                yield promptness(latency.name, _measure(latency, address, browser), latency.goal_ms)
            yield first_curves(browser.new_page(base_url=address), READING_MS)
        with served(MASKSCOPE_RACE_READY_SECONDS="0") as address:
            yield first_curves(browser.new_page(base_url=address), 0)
        browser.close()


def first_curves(page: Any, reading_ms: int) -> Promptness:
    """From the button that starts a race until both models have a line, measured twice each, on a page of Playwright's.

    If the form was not read, the race waits until the fork server has imported torch.
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
        page.wait_for_timeout(REST_MS)
    read = f"form read for {reading_ms / 1000:g} s" if reading_ms else "form not read"
    return promptness(f"a race's start to both first curves, {read}", milliseconds, CURVES_GOAL_MS)


def _measure(latency: Latency, address: str, browser: Any) -> list[float]:
    """Milliseconds of each of TIMES. Nothing asks the page meanwhile: a poll would be work in the timed frame."""
    page = browser.new_page()
    page.goto(address + latency.address)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": latency.slowdown})
    page.evaluate(WATCH, [latency.event, latency.attribute])
    for number in range(TIMES):
        latency.do(page, number)
        page.wait_for_timeout(PAUSE_MS)
        while page.evaluate("window.times.length") <= number:
            page.wait_for_timeout(PAUSE_MS)
    times: list[float] = page.evaluate("window.times")
    page.close()
    return times
