"""The ledger as people read it: from the list to a claim, on a phone and from the back row."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]


def test_a_claim_is_opened_by_the_keyboard_and_leads_to_its_page(open_page: OpenPage) -> None:
    page = open_page("/claims")
    page.locator("summary", has_text="Pads on the left pollute").focus()
    expect(page.locator("#left-padding")).not_to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#left-padding table")).to_be_visible()
    page.locator("#left-padding").get_by_role("link", name="See it live").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/padding"))


def test_an_address_that_names_a_claim_opens_it_without_a_script(open_page: OpenPage) -> None:
    page = open_page("/claims#left-padding", java_script_enabled=False)
    expect(page.locator("#left-padding .judgement")).to_be_in_viewport()
    expect(page.locator("details[open] .says")).to_have_text("Pads on the left pollute what comes after them.")


def test_pictures_fit_their_width(look_at: LookAt) -> None:
    look_at("/claims", "claims", axe_widths=())
