"""The lesson taught with one key: from its contents through every part and live page to its end, and back."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.lesson_path import LESSON, live_address

OpenPage = Callable[..., Page]


def test_the_right_arrow_key_leads_through_the_whole_lesson_and_the_left_one_back(open_page: OpenPage) -> None:
    page = open_page("/lesson")
    for number, part in enumerate(LESSON, 1):
        page.keyboard.press("ArrowRight")
        expect(page).to_have_url(re.compile(rf"/lesson\?part={number}$"))
        expect(page.get_by_role("heading", level=1)).to_have_text(part.title)
        page.wait_for_load_state("networkidle")
        page.keyboard.press("ArrowRight")
        expect(page).to_have_url(re.compile(re.escape(live_address(number)) + "$"))
        expect(page.locator("lesson-path")).to_contain_text(part.title)
        page.wait_for_load_state("networkidle")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("/lesson$"))
    page.goto(live_address(3), wait_until="networkidle")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(r"/lesson\?part=3$"))
    page.wait_for_load_state("networkidle")
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_fit_their_width_and_axe_finds_nothing(open_page: OpenPage, screenshots: Path, scheme: str) -> None:
    for width, height in ((390, 844), (1280, 800), (1920, 1080)):
        viewport = {"width": width, "height": height}
        for name, address in (("contents", "/lesson"), ("part", "/lesson?part=10"), ("live", live_address(5))):
            page = open_page(address, viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
            page.screenshot(path=screenshots / f"lesson-{name}-{width}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") == width, address
            results = Axe().run(page)
            assert results.violations_count == 0, results.generate_report()
