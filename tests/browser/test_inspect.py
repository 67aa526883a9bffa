"""The inspect page as people use it: switches that act at once, keyboard, without JavaScript, all sizes."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
ROW = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}'


def test_a_finding_leads_to_its_token_and_an_intent_acts_at_once(open_page: OpenPage) -> None:
    page = open_page("/inspect")
    page.get_by_role("link", name=re.compile("token 52, predicted at 51")).click()
    expect(page.locator(".t:focus")).to_contain_text("<|im_end|>")
    page.locator("[value=found]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".headline")).to_contain_text("every assistant turn (given)")
    page.keyboard.press("ArrowRight")  # the focus stays where it was
    expect(page.locator(".headline")).to_contain_text("the last assistant turn (given)")
    assert "rows" not in page.url


def test_pasted_rows_are_inspected_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/inspect", java_script_enabled=False)
    page.get_by_text("Paste or drop your own").click()
    page.get_by_label("Rows of data").fill(ROW)
    page.get_by_label("For a dump").fill("")
    page.get_by_role("button", name="Inspect").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No error and no warning")
    assert page.url.endswith("/inspect")
    expect(page.locator(".inspect-row .band .t.tr")).to_have_text(["Y", "o", "<|im_end|>"])


def test_it_fits_can_be_read_and_axe_finds_nothing(look_at: Callable[..., None]) -> None:
    look_at("/inspect?example=stop-lost", "inspect", axe_widths=(390, 1280))
    look_at("/inspect?example=marker", "inspect-marker", axe_widths=(1920,))
