"""The page on padding as people use it: keyboard, phone, projector, without JavaScript."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
TabTo = Callable[[Page, str], None]


def test_the_keyboard_alone_changes_words_and_padding(open_page: OpenPage, tab_to: TabTo) -> None:
    page = open_page("/padding")
    expect(page.locator("#attention-heading")).to_contain_text("What position 17 (>) of word 1 looks at")
    tab_to(page, "[name=first]")
    page.keyboard.press("Control+A")
    page.keyboard.type("abcdef")
    tab_to(page, "[name=policy]")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("first=abcdef.*policy=left-pad-seen"))
    expect(page.locator("#batch-heading")).to_have_text("The batch, pads left, seen, positions corrected")
    expect(page.locator("#attention-heading + .sentence")).to_contain_text("of them pads")
    expect(page.locator("#left-pad .asked")).to_contain_text("fedcba#")


def test_the_two_by_two_stands_in_the_first_screen_of_a_laptop(open_page: OpenPage) -> None:
    page = open_page("/padding", viewport={"width": 1280, "height": 800})
    boxes = [panel.bounding_box() for panel in page.locator(".panel").all()]
    assert len(boxes) == 4
    assert all(box and box["y"] + box["height"] <= 800 for box in boxes), boxes


def test_it_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/padding", java_script_enabled=False)
    page.get_by_text("on the right", exact=True).first.click()
    page.get_by_role("button", name="Show").click()
    assert page.locator("#batch-heading").inner_text() == "The batch, pads on the right"


def test_words_of_one_length_are_told_and_can_be_corrected(open_page: OpenPage) -> None:
    page = open_page("/padding?first=cd&second=ab", expected_problems=1)
    expect(page.get_by_role("alert")).to_contain_text("different lengths")
    page.get_by_role("textbox", name="Word 1").fill("cde")
    page.keyboard.press("Enter")
    expect(page.locator(".weights")).to_be_visible()


def test_pictures_fit_their_width(look_at: LookAt) -> None:
    look_at("/padding", "padding", axe_widths=())
