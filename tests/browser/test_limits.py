"""The page on several answers as people use it: keyboard, phone, projector, without JavaScript."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]


def test_the_keyboard_alone_asks_another_model_another_word(
    open_page: OpenPage, tab_to: Callable[[Page, str], None]
) -> None:
    page = open_page("/limits")
    tab_to(page, "[name=prompt]")
    page.keyboard.press("Control+A")
    page.keyboard.type("word")
    tab_to(page, "[name=arm]")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("prompt=word&arm=scattered-0&seed=0"))
    expect(page.locator("#asked-heading")).to_have_text("What the model says to word")
    expect(page.locator("code.said")).to_have_text("drow#")


def test_it_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/limits", java_script_enabled=False)
    page.locator("[name=prompt]").fill("abba")
    page.get_by_role("button", name="Ask").click()
    assert "reads the same backwards" in page.locator(".both-odds .sentence").inner_text()


def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt) -> None:
    look_at("/limits?arm=both-50&seed=1", "limits")
