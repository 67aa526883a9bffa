"""The shift's page as people use it: keyboard, phone, projector, without JavaScript."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
TabTo = Callable[[Page, str], None]


def test_the_keyboard_alone_moves_the_cut_and_all_three_follow(open_page: OpenPage, tab_to: TabTo) -> None:
    page = open_page("/shift?recipe=reverse4")
    tab_to(page, "[name=cut]")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".verdict")).to_contain_text("Lost: > → d")
    expect(page.locator("#cut-1")).to_be_focused()
    expect(page.locator(".answered")).not_to_have_text("<abcd>dcba#")
    expect(page.locator(".outcomes .chosen")).to_contain_text("y[: P]")
    expect(page.locator(".line")).to_contain_text("y[: P] = IGNORE_INDEX")
    expect(page).to_have_url(re.compile("cut=1"))
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".verdict")).to_contain_text("Right")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".verdict")).to_contain_text("Leaked: d → >")
    expect(page.locator(".answered")).to_have_text("<abcd>dcba#")
    page.go_back()
    expect(page.locator("#cut-0")).to_be_checked()
    expect(page.locator(".verdict")).to_contain_text("Right")


def test_a_typed_word_is_aligned(open_page: OpenPage) -> None:
    page = open_page("/shift")
    page.get_by_label("Type a word").fill("cat")
    page.keyboard.press("Enter")
    expect(page.locator(".alignment .targets td.trained")).to_have_count(4)
    expect(page.locator(".line")).to_contain_text("y[4..7], 4 of 8")


def test_it_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/shift", java_script_enabled=False)
    page.locator("#cut-1").check(force=True)
    page.get_by_role("button", name="Show").click()
    assert "Lost: > → o" in page.locator(".verdict").inner_text()


def test_a_word_that_cannot_be_read_is_told_and_can_be_corrected(open_page: OpenPage) -> None:
    page = open_page("/shift", expected_problems=1)
    page.get_by_label("Type a word").fill("HI")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Use letters a to z only")
    page.get_by_label("Type a word").fill("hi")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_have_text("")
    expect(page.locator(".alignment").first).to_be_visible()


def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt) -> None:
    look_at("/shift?cut=1", "shift")
