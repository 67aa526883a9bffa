"""The lesson taught with one key: from its contents through every part and live page to its end, and back."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from app.lesson_path import LESSON, live_address

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]


def test_the_right_arrow_key_leads_through_the_whole_lesson_and_the_left_one_back(open_page: OpenPage) -> None:
    page = open_page("/lesson")
    for number, part in enumerate(LESSON, 1):
        page.keyboard.press("ArrowRight")
        expect(page).to_have_url(re.compile(rf"/lesson\?part={number}$"))
        expect(page.get_by_role("heading", level=1)).to_have_text(part.title)
        page.wait_for_load_state("load")
        page.keyboard.press("ArrowRight")
        expect(page).to_have_url(re.compile(re.escape(live_address(number)) + "$"))
        expect(page.locator("lesson-path")).to_contain_text(part.title)
        page.wait_for_load_state("load")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("/lesson$"))
    page.goto(live_address(3))
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"/lesson\?part=3$"))
    page.wait_for_load_state("load")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(re.escape(live_address(2)) + "$"))


def test_a_key_pressed_in_a_control_is_left_to_it(open_page: OpenPage) -> None:
    page = open_page(live_address(5))
    page.get_by_label("Type a word").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_label("right").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("1 late")).to_be_checked()
    assert "/shift" in page.url


def test_it_can_be_followed_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/lesson", java_script_enabled=False)
    page.get_by_role("link", name="Begin").click()
    page.get_by_role("link", name="See it live").click()
    page.get_by_role("link", name="Next").click()
    assert page.url.endswith("/lesson?part=2")


@pytest.mark.parametrize(
    ("name", "address"), [("contents", "/lesson"), ("part", "/lesson?part=10"), ("live", live_address(5))]
)
def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt, name: str, address: str) -> None:
    look_at(address, f"lesson-{name}", axe_widths=(390, 1280, 1920))
