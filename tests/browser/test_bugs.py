"""The gallery of mask bugs as people use it: keyboard, phone, projector, without JavaScript."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]


def tab_to(page: Page, text: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()").startswith(text):
            return
    raise AssertionError(f"{text} cannot be reached with the Tab key")


def test_the_keyboard_alone_chooses_a_bug_and_lets_both_models_answer(open_page: OpenPage) -> None:
    page = open_page("/bugs")
    tab_to(page, "Stop ignored")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("bug=eos-masked"))
    expect(page.locator("#bug-heading")).to_contain_text("right, but never stops")
    tab_to(page, "Generate")
    page.keyboard.press("Enter")
    expect(page.locator(".outcome").nth(0)).to_contain_text("right ✓")
    expect(page.locator(".outcome").nth(1)).to_contain_text("it never wrote #")
    expect(page).not_to_have_url(re.compile("generate"))  # streamed into the page as it is


def test_a_word_of_one_s_own_is_shown_and_answered(open_page: OpenPage) -> None:
    page = open_page("/bugs?bug=mask-late")
    page.locator("#prompt").fill("mask")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("prompt=mask"))
    expect(page.locator(".mask-row .mistake")).to_have_count(1)
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".tokens").nth(0)).to_have_text("ksam#")
    expect(page.locator(".outcome").nth(1)).to_contain_text("wrong ✗")


def test_it_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/bugs?bug=no-shift", java_script_enabled=False)
    page.get_by_role("button", name="Generate").click()
    outcomes = page.locator(".outcome").all_inner_texts()
    assert "right" in outcomes[0]
    assert "wrong" in outcomes[1]


@pytest.mark.parametrize("bug", ["pad-is-eos", "last-turn-only"])
def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt, bug: str) -> None:
    look_at(f"/bugs?bug={bug}&generate=1", f"bugs-{bug}")
