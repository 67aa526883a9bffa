"""Real Chromium on the served product. Any console error, page error or request to another host fails the test."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    ViewportSize,
    expect,
    sync_playwright,
)

FOLDER = Path(__file__).resolve().parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZES = ((390, 844), (1024, 768), (1280, 800), (1920, 1080))
"""A phone, a tablet, a laptop, a projector."""
SCHEMES = ("light", "dark")
MISSING = "no Chromium found: the browser tests need Debian's package `chromium` (apt-get install chromium)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a browser: a failure under CI, a loud skip elsewhere. With --pictures: only the tests that take some."""
    if config.getoption("--pictures"):
        items[:] = [item for item in items if "look_at" in item.fixturenames]  # type: ignore[attr-defined]
    if CHROMIUM or os.environ.get("CI") == "true":
        return
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason=MISSING))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not CHROMIUM:
        terminalreporter.section("THE BROWSER TESTS DID NOT RUN", red=True, bold=True)
        terminalreporter.write_line(MISSING)


class Visitors:
    """One Chromium for all files, and in it a window for each visitor that a test needs at once.

    A new window is the half second that most tests would spend, and a window without a tab closes: so each keeps an
    empty one, and a test gets a new tab in it. The product leaves nothing behind in a browser (`open_page` says so), so
    no test can tell which one was there before it.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._started: tuple[Playwright, Browser] | None = None
        self._windows: dict[tuple[int, bool], BrowserContext] = {}

    def window(self, visitor: int, java_script_enabled: bool) -> BrowserContext:
        if self._started is None:
            assert CHROMIUM, MISSING
            expect.set_options(timeout=20_000)  # a bound for a busy machine, not a wait
            playwright = sync_playwright().start()
            self._started = playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        key = visitor, java_script_enabled
        if key not in self._windows:
            window = self._started[1].new_context(
                base_url=self.address,
                viewport={"width": 1280, "height": 800},
                java_script_enabled=java_script_enabled,
            )
            window.set_default_timeout(20_000)
            window.new_page()
            self._windows[key] = window
        return self._windows[key]

    def close(self) -> None:
        if self._started is not None:
            self._windows.clear()
            playwright, browser = self._started
            self._started = None
            browser.close()
            playwright.stop()


VISITORS = pytest.StashKey[Visitors]()


@pytest.fixture(scope="session")
def visitors(request: pytest.FixtureRequest, live_server: str) -> Iterator[Visitors]:
    visitors = request.config.stash[VISITORS] = Visitors(live_server)
    yield visitors
    visitors.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """While Playwright runs, no other event loop can: it ends before a test that may need one."""
    yield
    if VISITORS in item.config.stash and nextitem is not None and FOLDER not in nextitem.path.parents:
        item.config.stash[VISITORS].close()


@pytest.fixture
def tab_to() -> Callable[[Page, str], None]:
    """`tab_to(page, selector)`: press Tab until what the selector names has the focus."""

    def press(page: Page, selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached with the Tab key")

    return press


@pytest.fixture
def take_picture(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """`take_picture(page, name)`: with --pictures, all of the page as screenshots/<name>.png, which git ignores."""
    folder = FOLDER.parents[1] / "screenshots"

    def take(page: Page, name: str) -> None:
        if request.config.getoption("--pictures"):
            page.screenshot(path=folder / f"{name}.png", full_page=True)

    return take


@pytest.fixture
def open_page(visitors: Visitors) -> Iterator[Callable[..., Page]]:
    """Opens pages of the product, each as one more visitor's: `open_page(path)`. So many problems are expected."""
    problems: list[str] = []
    pages: list[Page] = []

    def open_one(
        path: str = "/",
        *,
        expected_problems: int = 0,
        java_script_enabled: bool = True,
        viewport: ViewportSize | None = None,
        reduced_motion: Literal["reduce"] | None = None,
    ) -> Page:
        page = visitors.window(len(pages), java_script_enabled).new_page()
        pages.append(page)
        if viewport:
            page.set_viewport_size(viewport)
        if reduced_motion:
            page.emulate_media(reduced_motion=reduced_motion)
        tolerated = [expected_problems]

        def note(problem: str) -> None:
            if tolerated[0] > 0:
                tolerated[0] -= 1
            else:
                problems.append(problem)

        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                note(f"console: {message.text} {message.location}")

        def on_request(request: Request) -> None:
            if not request.url.startswith(visitors.address):
                note(f"request to another host: {request.url}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: note(f"page error: {error}"))
        page.on("request", on_request)
        page.goto(path)
        return page

    yield open_one
    left = [page.context.storage_state() for page in pages]
    for page in pages:
        page.close()
    assert problems == []
    assert left == [{"cookies": [], "origins": []}] * len(pages), "nothing stays in a browser"


@pytest.fixture
def axe_finds_nothing() -> Callable[[Page], None]:
    def run(page: Page) -> None:
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE_SCRIPT)
        found = page.evaluate(
            "axe.run({resultTypes: ['violations']}).then(results => ({violations: results.violations}))"
        )
        results = AxeResults(found)
        assert results.violations_count == 0, results.generate_report()

    return run


@pytest.fixture
def look_at(
    open_page: Callable[..., Page],
    take_picture: Callable[[Page, str], None],
    axe_finds_nothing: Callable[[Page], None],
) -> Callable[..., None]:
    """`look_at(path, name)`: one visit on a phone, a tablet, a laptop and a projector, light and dark.

    Nothing scrolls sideways, and at `axe_widths` axe finds nothing. `before` is done to the page first,
    `at_each_size` at each. With --pictures there is one of each; a scheme changes colours and moves nothing.
    """

    def look(
        path: str,
        name: str,
        *,
        axe_widths: Sequence[int] = (1920,),
        before: Callable[[Page], None] = lambda page: None,
        at_each_size: Callable[[Page], None] = lambda page: None,
        expected_problems: int = 0,
    ) -> None:
        viewports = [{"width": width, "height": height} for width, height in SIZES]
        page = open_page(path, expected_problems=expected_problems, viewport=viewports[0], reduced_motion="reduce")
        before(page)
        for viewport in viewports:
            width = viewport["width"]
            page.set_viewport_size(viewport)
            assert page.evaluate("document.documentElement.scrollWidth") == width, f"{name} scrolls sideways"
            at_each_size(page)
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                take_picture(page, f"{name}-{width}-{scheme}")
                if width in axe_widths:
                    axe_finds_nothing(page)

    return look
