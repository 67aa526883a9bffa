"""Real Chromium on the served product. Any console error, page error or request to another host fails the test."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Playwright,
    Request,
    ViewportSize,
    expect,
    sync_playwright,
)

FOLDER = Path(__file__).resolve().parent
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The one that draws no window of its own takes a fifth less of the machine for the same pages."""
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu-compositing",
    "--js-flags=--no-opt,--min-semi-space-size=32",
)
"""The last: a script of ours runs for too short a time, and axe on too many pages, to be worth being optimized."""
SIZES = ((390, 844), (1024, 768), (1280, 800), (1920, 1080))
"""A phone, a tablet, a laptop, a projector."""
COLOUR_RULES = {"type": "rule", "values": ("color-contrast", "link-in-text-block")}
"""What axe judges by colours; a scheme moves nothing, so what its other rules found in another one still holds."""
KINDS_OF_TEXT = """() => {
  const grounds = new Map([[document, ""]]), kinds = new Map();
  const ground = (e) => {
    if (!grounds.has(e)) {
      const { backgroundColor, backgroundImage, opacity, filter } = getComputedStyle(e);
      grounds.set(e, `${ground(e.parentNode)} ${backgroundColor} ${backgroundImage} ${opacity} ${filter}`.replace(
        / rgba\\(0, 0, 0, 0\\) none 1 none$/, ""));
    }
    return grounds.get(e);
  };
  const words = (e) => [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  for (const e of document.body.querySelectorAll("*")) {
    if (!words(e) && !e.matches("input, select, textarea")) continue;
    const { color, fontSize, fontWeight, textShadow, position, display } = getComputedStyle(e);
    const key = [color, fontSize, fontWeight, textShadow, position, display, e.checkVisibility(), ground(e)];
    for (const near of [e, e.parentNode]) key.push(near.tagName, near.getAttribute("class"), near.disabled);
    key.push(getComputedStyle(e.parentNode).color);
    if (!kinds.has(key.join("|"))) kinds.set(key.join("|"), e);
  }
  return [...kinds.values()];
}"""
"""One element for each kind of text: what has the same colours, backgrounds, size and classes has the same contrast."""
EMPTY = "/static/icon.svg"
"""Where a tab waits for the next test: of the product's own origin, so that Chromium keeps the tab's process."""
LONGEST_HISTORY = 25
"""A tab that has been to so many places is closed: Chromium counts to 50, and tests count with it."""
MISSING = "no Chromium found: the browser tests need Debian's package `chromium-headless-shell` or `chromium`"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --pictures: only the tests that take some."""
    if config.getoption("--pictures"):
        items[:] = [item for item in items if "look_at" in item.fixturenames]  # type: ignore[attr-defined]


class Visitors:
    """One Chromium for all files, and in it a window with one tab for each visitor that a test needs at once.

    A new window or tab is the half second that most tests would spend, so a tab is used again, as if it were new. The
    product leaves nothing behind in a browser (`open_page` says so), so no test can tell what was there before it.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._started: tuple[Playwright, Browser] | None = None
        self._tabs: dict[tuple[int, bool], Page] = {}

    def tab(self, visitor: int, java_script_enabled: bool) -> Page:
        """A tab that shows nothing, of the usual size, in light colours."""
        if self._started is None:
            assert CHROMIUM, MISSING
            expect.set_options(timeout=20_000)  # a bound for a busy machine, not a wait
            playwright = sync_playwright().start()
            self._started = playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        key = visitor, java_script_enabled
        if key not in self._tabs:
            window = self._started[1].new_context(base_url=self.address, java_script_enabled=java_script_enabled)
            window.set_default_timeout(20_000)
            self._tabs[key] = window.new_page()
        tab = self._tabs[key]
        tab.set_viewport_size({"width": 1280, "height": 800})
        tab.emulate_media(media="null", color_scheme="light", reduced_motion="no-preference", forced_colors="none")
        return tab

    def leave(self, tab: Page) -> None:
        """Nothing of what a test opened there goes on, and the next one finds it as it was."""
        tab.unroute_all(behavior="ignoreErrors")
        tab.goto(EMPTY)
        if tab.evaluate("history.length") > LONGEST_HISTORY:
            key = next(key for key, kept in self._tabs.items() if kept is tab)
            self._tabs[key] = tab.context.new_page()
            tab.close()

    def close(self) -> None:
        if self._started is not None:
            self._tabs.clear()
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
def tab_to() -> Callable[[Page, str | Locator], None]:
    """`tab_to(page, selector)`: press Tab until what the selector or locator names has the focus."""

    def has_focus(page: Page, target: str | Locator) -> bool:
        if isinstance(target, Locator):
            return bool(target.evaluate("element => element === document.activeElement"))
        return bool(page.evaluate("selector => document.activeElement.matches(selector)", target))

    def press(page: Page, target: str | Locator) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if has_focus(page, target):
                return
        raise AssertionError(f"{target} cannot be reached with the Tab key")

    return press


Box = dict[str, float]


@pytest.fixture
def boxes() -> Callable[[Page, Sequence[str]], dict[str, Box]]:
    """`boxes(page, selectors)`: x, y, width and height in pixels of the one element that each names, all at once."""

    def measure(page: Page, selectors: Sequence[str]) -> dict[str, Box]:
        found: list[list[Box]] = page.evaluate(
            """selectors => selectors.map(selector => [...document.querySelectorAll(selector)].map(element => {
              const { x, y, width, height } = element.getBoundingClientRect();
              return element.checkVisibility() ? { x, y, width, height } : null; }))""",
            list(selectors),
        )
        for selector, those in zip(selectors, found, strict=True):
            assert len(those) == 1, (selector, those)
            assert those[0] is not None, f"{selector} is not drawn"
        return {selector: those[0] for selector, those in zip(selectors, found, strict=True)}

    return measure


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
    listeners: list[dict[str, Callable[..., None]]] = []

    def open_one(
        path: str = "/",
        *,
        expected_problems: int = 0,
        java_script_enabled: bool = True,
        viewport: ViewportSize | None = None,
        reduced_motion: Literal["reduce"] | None = None,
    ) -> Page:
        page = visitors.tab(len(pages), java_script_enabled)
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

        def on_page_error(error: Error) -> None:
            note(f"page error: {error}")

        listeners.append({"console": on_console, "pageerror": on_page_error, "request": on_request})
        for event, listener in listeners[-1].items():
            page.on(event, listener)  # type: ignore[call-overload]
        page.goto(path)
        return page

    yield open_one
    left = [page.context.storage_state() for page in pages]
    left_in_tab = [page.evaluate("sessionStorage.length") for page in pages]
    for page, heard in zip(pages, listeners, strict=True):
        for event, listener in heard.items():
            page.remove_listener(event, listener)
        visitors.leave(page)
    assert problems == []
    assert left == [{"cookies": [], "origins": []}] * len(pages), "nothing stays in a browser"
    assert left_in_tab == [0] * len(pages), "nor in a tab"


@pytest.fixture
def axe_finds_nothing() -> Callable[..., None]:
    """`axe_finds_nothing(page)`: by any of its rules, of which those about colours are four fifths of what axe does.

    `only_colours=True`: by those alone, at one text of each kind; `colours=False`: by all the others.
    """

    def run(page: Page, *, only_colours: bool = False, colours: bool = True) -> None:
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE_SCRIPT)
        options: dict[str, object] = {"resultTypes": ["violations"], "preload": False}
        if only_colours:
            options["runOnly"] = COLOUR_RULES
        if not colours:
            options["rules"] = {rule: {"enabled": False} for rule in COLOUR_RULES["values"]}
        where = f"{{ include: ({KINDS_OF_TEXT})() }}" if only_colours else "document"
        found = page.evaluate(
            f"options => axe.run({where}, options).then(results => ({{violations: results.violations}}))", options
        )
        results = AxeResults(found)
        assert results.violations_count == 0, results.generate_report()

    return run


@pytest.fixture
def look_at(
    request: pytest.FixtureRequest,
    open_page: Callable[..., Page],
    take_picture: Callable[[Page, str], None],
    axe_finds_nothing: Callable[..., None],
) -> Callable[..., None]:
    """`look_at(path, name)`: one visit on a phone, a tablet, a laptop and a projector, light and dark.

    Nothing scrolls sideways, and at `axe_widths` axe finds nothing; by colours, light and dark, at the last of them.
    No width: test_frame.py asks axe about this address; `colours=False`: it judges its colours. `before` is done to
    the page first, `at_each_size` at each. With --pictures there is one of each; a scheme moves nothing.
    """

    def look(
        path: str,
        name: str,
        *,
        axe_widths: Sequence[int] = (1920,),
        colours: bool = True,
        before: Callable[[Page], None] = lambda page: None,
        at_each_size: Callable[[Page], None] = lambda page: None,
        expected_problems: int = 0,
    ) -> None:
        viewports = [{"width": width, "height": height} for width, height in SIZES]
        takes_pictures = request.config.getoption("--pictures")
        page = open_page(path, expected_problems=expected_problems, viewport=viewports[0], reduced_motion="reduce")
        before(page)
        for viewport in viewports:
            width = viewport["width"]
            page.set_viewport_size(viewport)
            assert page.evaluate("document.documentElement.scrollWidth") == width, f"{name} scrolls sideways"
            at_each_size(page)
            take_picture(page, f"{name}-{width}-light")
            judges_colours = colours and width in axe_widths[-1:]
            if width in axe_widths:
                axe_finds_nothing(page, colours=False)
            if judges_colours:
                axe_finds_nothing(page, only_colours=True)
            if judges_colours or takes_pictures:
                page.emulate_media(color_scheme="dark")
                take_picture(page, f"{name}-{width}-dark")
                if judges_colours:
                    axe_finds_nothing(page, only_colours=True)
                page.emulate_media(color_scheme="light")

    return look
