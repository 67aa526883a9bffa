"""The lesson taught with one key: from its contents through every part and live page to its end, and back."""

import re
from collections.abc import Callable, Sequence

import pytest
from playwright.sync_api import Page, expect

from app.lesson_path import LESSON, live_address
from tests.browser.conftest import SIZES

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
Boxes = Callable[[Page, Sequence[str]], dict[str, dict[str, float]]]


def test_the_right_arrow_key_leads_through_the_whole_lesson_and_the_left_one_back(open_page: OpenPage) -> None:
    page = open_page("/lesson")
    for number, part in enumerate(LESSON, 1):
        page.keyboard.press("ArrowRight")
        expect(page).to_have_url(re.compile(re.escape(live_address(number)) + "$"))
        expect(page.locator("aside lesson-path")).to_contain_text(part.title)
        page.wait_for_load_state("load")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("/lesson$"))
    page.goto(live_address(3))
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(re.escape(live_address(2)) + "$"))


def test_closing_a_part_leaves_the_figure_as_it_is_by_now(open_page: OpenPage) -> None:
    page = open_page(live_address(4))
    entries = page.evaluate("history.length")
    page.keyboard.press("m")
    page.select_option("#gradient", "share")
    bars = page.locator(".gradient .value").all_inner_texts()
    page.locator("aside .close").click()
    expect(page.locator("aside")).to_have_count(0)
    expect(page.locator(".change")).to_contain_text("Mask off")
    assert page.locator(".gradient .value").all_inner_texts() == bars
    assert "lesson" not in page.url
    assert "policy=unmasked" in page.url
    assert page.evaluate("history.length") == entries
    page.locator("#prompt").fill("wind")
    expect(page).to_have_url(re.compile("prompt=wind"))
    assert "lesson" not in page.url


def test_the_address_keeps_the_part_when_a_control_of_the_page_is_used(open_page: OpenPage) -> None:
    page = open_page(live_address(5))
    page.get_by_label("1 late").check()
    expect(page.get_by_label("1 late")).to_be_checked()
    expect(page).to_have_url(re.compile(r"/shift\?.*cut=1.*lesson=5$"))
    page.reload()
    expect(page.locator("aside")).to_contain_text("One line of code")
    expect(page.get_by_label("1 late")).to_be_checked()


def test_the_text_stands_beside_the_figure_and_below_it_on_a_phone(open_page: OpenPage, boxes: Boxes) -> None:
    page = open_page(live_address(4))
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        figure, text = boxes(page, ("#figure", "aside")).values()
        if width == 390:
            assert text["y"] >= figure["y"] + figure["height"]
        else:
            assert text["x"] >= figure["x"] + figure["width"], width
            assert text["y"] + text["height"] <= height, width
            assert figure["y"] + figure["height"] <= height + 0.5, width


def test_the_tab_key_goes_through_the_figure_the_text_and_what_is_below_in_the_order_they_are_seen(
    open_page: OpenPage,
) -> None:
    for width, height in ((1280, 800), (390, 844)):
        page = open_page(live_address(4), viewport={"width": width, "height": height})
        page.locator("#prompt").fill("wind")
        expect(page.locator("#view")).to_have_attribute("data-prompt", "wind")
        page.locator("#step").focus()
        page.keyboard.press("Tab")
        expect(page.locator("aside a").first).to_be_focused()
        page.locator("aside a").last.focus()
        page.keyboard.press("Tab")
        expect(page.locator(".below a").first).to_be_focused()


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
    page.get_by_role("link", name="Next").click()
    assert page.url.endswith(live_address(2))
    page.get_by_role("link", name="Lesson, part 2").click()
    page.get_by_role("link", name="See it live").click()
    page.locator("aside .close").click()
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("aside")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "address"),
    [("contents", "/lesson"), ("part", "/lesson?part=10"), ("live", live_address(5)), ("beside", live_address(4))],
)
def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt, name: str, address: str) -> None:
    look_at(address, f"lesson-{name}", axe_widths=(390, 1280))
