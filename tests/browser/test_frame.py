"""What holds for every page: one row of menu, its figure on the first screen, no sideways scroll, nothing for axe."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import expect

from app.menu import Page
from app.pages import PAGES

OpenPage = Callable[..., BrowserPage]

FIGURE_TOP = """() => {
  const figures = "figure, svg, table, .figure, .chips, .mask-row, .squares, .panels, .lanes, .parts, .band";
  const seen = (e) => e.checkVisibility() && e.getBoundingClientRect().height > 8;
  const first = [...document.querySelectorAll(`main :is(${figures})`)].find(seen);
  return first ? first.getBoundingClientRect().top + scrollY : null;
}"""
ROWS = "nav => new Set([...nav.querySelectorAll('summary, nav > a')].map(e => e.getBoundingClientRect().top)).size"
SMALL = """() => [...document.querySelectorAll("a, button, input, select, summary")].filter((e) => {
  const height = Math.max(...[e, ...(e.labels ?? [])].map((target) => target.getBoundingClientRect().height));
  const inText = e.closest("p, li, dd, td, th, svg, .visually-hidden");
  return e.checkVisibility({ visibilityProperty: true }) && !inText && height > 1 && height < 24;
}).map((e) => e.outerHTML.slice(0, 120))"""
NO_FIGURE = {"race", "room", "votes"}
"""Before a race is started there is nothing to draw; a server of this machine alone has no code for a room,
and a vote begins with its questions."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.slug)
def test_a_page_fits_its_screens(open_page: OpenPage, axe_finds_nothing: Callable[..., None], page: Page) -> None:
    shown = open_page(page.path, reduced_motion="reduce")
    expect(shown.locator(".groups")).to_be_visible()
    assert shown.locator(".groups").evaluate(ROWS) == 1
    assert shown.locator(".masthead").evaluate("e => e.getBoundingClientRect().height") <= 46
    if page.slug not in NO_FIGURE:
        top = shown.evaluate(FIGURE_TOP)
        assert top is not None
        assert top < 700, f"the first figure begins at {top:.0f} px"
    axe_finds_nothing(shown)
    shown.emulate_media(color_scheme="dark")
    axe_finds_nothing(shown, only_colours=True)
    shown.emulate_media(color_scheme="light", forced_colors="active")
    axe_finds_nothing(shown, only_colours=True)
    shown.emulate_media(forced_colors="none")
    shown.set_viewport_size({"width": 390, "height": 844})
    expect(shown.locator(".pocket")).to_be_visible()
    assert shown.locator(".masthead").evaluate("e => e.getBoundingClientRect().height") <= 46
    assert shown.evaluate(SMALL) == []
    shown.set_viewport_size({"width": 320, "height": 256})  # 1280 x 1024 at 400 %
    assert shown.evaluate("document.documentElement.scrollWidth") == 320


def test_a_single_text_that_cannot_be_read_is_found_among_many_of_its_kind(
    open_page: OpenPage, axe_finds_nothing: Callable[..., None]
) -> None:
    shown = open_page("/padding", reduced_motion="reduce")
    axe_finds_nothing(shown, only_colours=True)
    shown.locator("main label").nth(2).evaluate("text => { text.style.color = '#999' }")
    with pytest.raises(AssertionError, match="color-contrast"):
        axe_finds_nothing(shown, only_colours=True)


@pytest.mark.parametrize(
    ("path", "chosen", "said"),
    [
        ("/packing", "not kept apart", "policy=packed-naive"),
        ("/padding", "word 2", "row=2"),
        ("/reasoning", "numbers to 99", "numbers="),
        ("/limits", "reversals only", "arm="),
        ("/shift", "1 late", "cut=1"),
    ],
)
def test_a_choice_acts_at_once_and_stands_in_the_address(
    open_page: OpenPage, path: str, chosen: str, said: str
) -> None:
    shown = open_page(path)
    shown.locator("label:has([type=radio])", has_text=chosen).first.click()
    expect(shown).to_have_url(re.compile(re.escape(said)))
    expect(shown.locator("label:has([type=radio])", has=shown.locator(":checked"), has_text=chosen)).to_be_visible()
    assert shown.locator("h1").count() == 1


def test_the_menu_opens_and_closes_by_the_keyboard_and_without_a_script(open_page: OpenPage) -> None:
    page = open_page("/shift")
    page.locator("summary", has_text="Evidence").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Claims")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Claims")).to_be_hidden()
    expect(page.locator("summary", has_text="Evidence")).to_be_focused()
    plain = open_page("/shift", java_script_enabled=False, viewport={"width": 390, "height": 844})
    plain.locator(".pocket summary").click()
    plain.get_by_role("link", name="Claims").click()
    expect(plain).to_have_url(re.compile("/claims"))
