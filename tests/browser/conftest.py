"""Real Chromium on the served product. Any console error, page error or request to another host fails the test."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

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
SIZES = ((390, 844), (1280, 800), (1920, 1080))
"""A phone, a laptop, a projector."""
SCHEMES = ("light", "dark")
MISSING = "no Chromium found: the browser tests need Debian's package `chromium` (apt-get install chromium)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser: a failure under CI, a loud skip elsewhere."""
    if CHROMIUM or os.environ.get("CI") == "true":
        return
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason=MISSING))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not CHROMIUM:
        terminalreporter.section("THE BROWSER TESTS DID NOT RUN", red=True, bold=True)
        terminalreporter.write_line(MISSING)


@pytest.fixture(scope="module")  # while Playwright runs, no other event loop can: tests that need one may come next
def browser() -> Iterator[Browser]:
    assert CHROMIUM, MISSING
    expect.set_options(timeout=20_000)  # a bound for a busy machine, not a wait
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


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
def screenshots() -> Path:
    """The folder for pictures to look at, ignored by git."""
    folder = Path(__file__).resolve().parents[2] / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def open_page(browser: Browser, live_server: str) -> Iterator[Callable[..., Page]]:
    """Opens pages of the product: `open_page(path, **context_options)`. So many problems are expected."""
    problems: list[str] = []
    contexts = []

    def open_one(path: str = "/", *, expected_problems: int = 0, **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options}, base_url=live_server)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
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
            if not request.url.startswith(live_server):
                note(f"request to another host: {request.url}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: note(f"page error: {error}"))
        page.on("request", on_request)
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def axe_finds_nothing() -> Callable[[Page], None]:
    def run(page: Page) -> None:
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()

    return run


@pytest.fixture
def look_at(
    open_page: Callable[..., Page], screenshots: Path, axe_finds_nothing: Callable[[Page], None]
) -> Callable[..., None]:
    """`look_at(path, name)`: one visit on a phone, a laptop and a projector, light and dark, with a picture of each.

    Nothing scrolls sideways, and at `axe_widths` axe finds nothing. `before` is done to the page first.
    """

    def look(
        path: str,
        name: str,
        *,
        axe_widths: Sequence[int] = (1920,),
        before: Callable[[Page], None] = lambda page: None,
        expected_problems: int = 0,
    ) -> None:
        viewports = [{"width": width, "height": height} for width, height in SIZES]
        page = open_page(path, expected_problems=expected_problems, viewport=viewports[0], reduced_motion="reduce")
        before(page)
        for viewport in viewports:
            width = viewport["width"]
            page.set_viewport_size(viewport)
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png", full_page=True)
                assert page.evaluate("document.documentElement.scrollWidth") == width, f"{name} scrolls sideways"
                if width in axe_widths:
                    axe_finds_nothing(page)

    return look
