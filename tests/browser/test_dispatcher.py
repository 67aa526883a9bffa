"""The dispatcher's page as people use it: keyboard, stream, phone, projector, without JavaScript."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
TabTo = Callable[[Page, str], None]


def test_the_keyboard_alone_asks_and_all_models_answer_at_once(open_page: OpenPage, tab_to: TabTo) -> None:
    page = open_page("/dispatcher")
    tab_to(page, "input[name=prompt]")
    page.keyboard.press("Control+A")
    page.keyboard.type("What is 7+8?")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"prompt=What\+is\+7%2B8%3F"))
    expect(page.locator("#answers-heading + .sentence")).to_contain_text("SFT never saw this sum")
    tab_to(page, "button.start")
    page.keyboard.press("Enter")
    lanes = page.locator(".lane")
    expect(lanes.nth(0).locator(".tokens")).to_contain_text("What is", timeout=30_000)
    expect(lanes.nth(1).locator(".tokens")).to_contain_text("15")
    for number in (3, 4):
        expect(lanes.nth(number).locator(".tokens")).to_have_text("15#")
        expect(lanes.nth(number).locator(".outcome")).to_have_text("Stopped at # after 3 tokens: right ✓.")
    expect(lanes.nth(0).locator(".outcome")).to_have_text(
        "Cut off at the cap of 32 tokens: it never wrote #.", timeout=30_000
    )


def test_a_click_in_a_chart_goes_to_the_kept_step_nearest_to_it(open_page: OpenPage) -> None:
    page = open_page("/dispatcher")
    plot = page.locator("#chart-right .plot > svg")
    box = plot.bounding_box()
    assert box
    plot.click(position={"x": box["width"] * 0.21, "y": box["height"] / 2})
    expect(page).to_have_url(re.compile("step=100"))
    expect(page.locator("select[name=step]")).to_have_value("100")


def test_it_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/dispatcher", java_script_enabled=False)
    page.get_by_role("button", name="Generate").click()
    assert "What is" in page.locator(".lane .tokens").nth(0).inner_text()
    assert page.locator(".lane .outcome").nth(3).inner_text().startswith("Stopped at #")


def test_a_request_that_cannot_be_read_is_told_and_can_be_corrected(open_page: OpenPage) -> None:
    page = open_page("/dispatcher?prompt=%3Chello%3E", expected_problems=1)
    expect(page.get_by_role("alert")).to_contain_text("the 1st character is <")
    page.get_by_label("Request").fill("What is 1+1?")
    page.keyboard.press("Enter")
    expect(page.locator(".mass")).to_be_visible()


def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt) -> None:
    look_at("/dispatcher?generate=1", "dispatcher")
