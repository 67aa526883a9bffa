"""The packing page as people use it: keyboard, phone, projector, without JavaScript."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
TabTo = Callable[[Page, str], None]
BOXES = """picture => [picture.querySelector(".frame"), ...picture.querySelectorAll("text")].map(e => {
    const box = e.getBoundingClientRect();
    return [box.x + box.width / 2, box.width, parseFloat(e.getAttribute("width"))];
})"""
"""The middle and width in pixels, and the width in cells, of a picture's frame and of each of its letters."""


def test_the_keyboard_alone_types_conversations_and_chooses_policy_and_row(open_page: OpenPage, tab_to: TabTo) -> None:
    page = open_page("/packing")
    expect(page.locator(".documents tbody tr")).to_have_count(5)
    tab_to(page, "[name=words]")
    page.keyboard.press("Control+A")
    page.keyboard.type("abcdefghij, klm, nopqrstuvw")
    tab_to(page, "[name=policy]")
    page.keyboard.press("ArrowRight")
    tab_to(page, "[name=row]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("policy=packed-naive&row=2"))
    expect(page.locator(".documents tbody tr")).to_have_count(3)
    expect(page.get_by_role("heading", level=2).first).to_have_text("Who sees whom in row 2 of 2")
    expect(page.locator(".documents tbody th").last).to_have_text("<nopqrstuvw>wvutsrqpon#")
    expect(page.locator(".attention.packed-naive .hint")).to_have_text("chosen")


def test_every_focus_can_be_seen(open_page: OpenPage, tab_to: TabTo) -> None:
    page = open_page("/packing")
    tab_to(page, "[name=words]")
    seen = set()
    for _ in range(11):
        page.keyboard.press("Tab")
        outlined = page.evaluate(
            "[document.activeElement, document.activeElement.nextElementSibling]"
            ".some(e => e && getComputedStyle(e).outlineStyle !== 'none')"
        )
        assert outlined, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        seen.add(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    pictures = {"Attention mask, kept apart", "Attention mask, not kept apart"}
    assert pictures <= seen, "a wide picture scrolls with the keys"


def test_words_that_cannot_be_read_are_told_and_can_be_corrected(open_page: OpenPage) -> None:
    page = open_page("/packing?words=HELLO", expected_problems=1)  # the browser's own line for the status 422
    expect(page.get_by_role("alert")).to_contain_text("Use letters a to z only")
    page.get_by_label("Conversations").fill("hello")
    page.keyboard.press("Enter")
    expect(page.locator(".attention").first).to_be_visible()


def test_everything_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/packing", java_script_enabled=False)
    page.get_by_role("link", name="reverse words, and earlier words").click()
    page.get_by_role("radio", name="not kept apart").check(force=True)
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("recipe=dialogue.*policy=packed-naive"))
    expect(page.locator(".documents tbody tr")).to_have_count(4)


def letters_can_be_read(page: Page) -> None:
    """Each letter of a picture is large enough, and beside its own row or above its own column."""
    pictures = page.locator(".attention .scroller > svg")
    expect(pictures).to_have_count(2)
    for picture in pictures.all():
        (middle, pixels, cells), *letters = picture.evaluate(BOXES)
        side = pixels / cells
        assert side * 0.78 >= 10, "the letters' size"
        assert len(letters) == 2 * cells
        for place, (above, *_) in enumerate(letters[1::2]):
            assert abs(above - (middle + (place + 0.5 - cells / 2) * side)) < side / 4


@pytest.mark.parametrize(("recipe", "axe_width"), [("dialogue", 390), ("reverse", 1920)])
def test_it_fits_can_be_read_and_axe_finds_nothing(look_at: LookAt, recipe: str, axe_width: int) -> None:
    address = f"/packing?policy=packed-naive&recipe={recipe}"
    look_at(address, f"packing-{recipe}", axe_widths=(axe_width,), at_each_size=letters_can_be_read)
