"""The page on reasoning as people use it: keyboard, stream, phone, projector, without JavaScript."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
TabTo = Callable[[Page, str], None]


def test_the_keyboard_alone_asks_both_models_for_a_sum(open_page: OpenPage, tab_to: TabTo) -> None:
    page = open_page("/reasoning")
    tab_to(page, "input[name=numbers]")
    page.keyboard.press("ArrowRight")
    tab_to(page, "input[name=prompt]")
    page.keyboard.press("Control+A")
    page.keyboard.type("12+34+56")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"numbers=numbers&prompt=12%2B34%2B56"))
    expect(page.locator("#masks-heading ~ h3").nth(1)).to_contain_text("positions trained")
    tab_to(page, "button.start")
    page.keyboard.press("Enter")
    thought = page.locator(".lane.thought")
    expect(thought.locator(".tokens")).to_have_text("{12+34=46;46+56=102}102#", timeout=30_000)
    expect(thought.locator(".outcome")).to_contain_text("right ✓")
    expect(page.locator(".lane.direct .outcome")).to_contain_text("Stopped at #")


def test_it_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/reasoning", java_script_enabled=False)
    page.get_by_role("button", name="Generate").click()
    assert page.locator(".lane.thought .tokens").inner_text() == "{3+4=7;7+5=12}12#"
    assert page.locator(".lane.direct .tokens").inner_text() == "12#"


def test_what_is_no_sum_is_told_and_can_be_corrected(open_page: OpenPage) -> None:
    page = open_page("/reasoning?prompt=12%2B3", expected_problems=1)
    expect(page.get_by_role("alert")).to_contain_text("2 to 7 numbers from 0 to 9")
    page.locator("input[name=prompt]").fill("1+2")
    page.keyboard.press("Enter")
    expect(page.locator(".mask-row")).to_have_count(2)


def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt) -> None:
    look_at("/reasoning?numbers=numbers&generate=1", "reasoning")
