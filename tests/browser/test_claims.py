"""The ledger as people read it: from the list to a claim, on a phone and from the back row."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]


def test_a_claim_is_reached_by_the_keyboard_and_leads_to_its_page(open_page: OpenPage) -> None:
    page = open_page("/claims")
    page.get_by_role("link", name="Pads on the left pollute").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#left-padding$"))
    expect(page.locator("#left-padding h2")).to_be_in_viewport()
    page.locator("#left-padding").get_by_role("link", name="See it live").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/padding"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_fit_their_width_and_axe_finds_nothing(open_page: OpenPage, screenshots: Path, scheme: str) -> None:
    for width, height in ((390, 844), (1280, 800), (1920, 1080)):
        viewport = {"width": width, "height": height}
        page = open_page("/claims", viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
        page.screenshot(path=screenshots / f"claims-{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") == width
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
