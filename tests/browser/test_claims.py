"""The ledger as people read it: from the list to a claim, on a phone and from the back row."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]


def test_a_claim_is_reached_by_the_keyboard_and_leads_to_its_page(open_page: OpenPage) -> None:
    page = open_page("/claims")
    page.get_by_role("link", name="Pads on the left pollute").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#left-padding$"))
    expect(page.locator("#left-padding h2")).to_be_in_viewport()
    page.locator("#left-padding").get_by_role("link", name="See it live").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/padding"))


def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt) -> None:
    look_at("/claims", "claims")
