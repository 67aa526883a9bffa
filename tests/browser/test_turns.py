"""The page on turns as people use it: keyboard, phone, projector, without JavaScript."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
TabTo = Callable[[Page, str | Locator], None]


def test_the_keyboard_alone_edits_the_conversation(open_page: OpenPage, tab_to: TabTo) -> None:
    page = open_page("/turns")
    tab_to(page, "[aria-label='Text of message 1']")
    page.keyboard.press("Control+A")
    page.keyboard.type("xyz")
    page.keyboard.press("Enter")
    expect(page.locator(".per-turn tbody tr").first).to_contain_text("zyx#")
    tab_to(page, "[aria-label='Remove message 4']")
    page.keyboard.press("Enter")
    expect(page.locator(".messages li")).to_have_count(5)
    tab_to(page, page.get_by_role("button", name="Add user"))
    page.keyboard.press("Enter")
    expect(page.locator(".messages li")).to_have_count(6)
    expect(page.locator("[name=text]").first).to_have_value("xyz")
    tab_to(page, "[aria-label='Move message 6 up']")
    page.keyboard.press("Enter")
    expect(page.locator("[name=role]").nth(4)).to_have_value("user")
    page.go_back()
    expect(page.locator("[name=role]").nth(4)).to_have_value("assistant")


def test_last_only_can_be_chosen_and_what_is_lost_is_named(open_page: OpenPage) -> None:
    page = open_page("/turns")
    page.get_by_label("Trained on").select_option("last-turn-only")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("policy=last-turn-only"))
    expect(page.locator(".mask-row .mistake")).to_have_count(7)


def test_it_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/turns", java_script_enabled=False, expected_problems=1)
    page.get_by_role("button", name="Remove message 6").click()
    expect(page.locator(".messages li")).to_have_count(5)
    page.get_by_label("Text of message 1").fill("HI")
    page.get_by_label("Text of message 1").press("Enter")
    assert "only: the " in page.get_by_role("alert").inner_text()


def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt) -> None:
    look_at("/turns?policy=last-turn-only", "turns")
