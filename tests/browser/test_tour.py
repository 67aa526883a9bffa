"""The tour as people take it: by keyboard, with the back button, without a script, on a phone, in other colours."""

import re
from collections.abc import Callable
from itertools import product

import pytest
from playwright.sync_api import Page, expect

from app.tours.steps import TOUR
from tests.browser.conftest import SIZES

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
TabTo = Callable[[Page, str], None]


def test_the_keyboard_alone_takes_all_six_steps_with_right_and_wrong_guesses(
    open_page: OpenPage, tab_to: TabTo
) -> None:
    page = open_page("/")
    tab_to(page, ".take-tour")
    page.keyboard.press("Enter")
    for number, step in enumerate(TOUR, 1):
        expect(page).to_have_url(re.compile(rf"\?tour={number}$"))
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        right = [choice.is_right for choice in step.choices].index(True)
        guess = right if number % 2 else (right + 1) % 3
        tab_to(page, ".bubble [type=radio]")
        page.keyboard.press("Space")
        for _ in range(guess):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(rf"\?tour={number}&guess={'abc'[guess]}$"))
        expect(page.locator("#tour-told")).to_be_focused()
        expect(page.locator("#tour-told")).to_contain_text("Right." if guess == right else "Not quite.")
        assert page.title().startswith(f"{step.title} · Tour, step {number} of 6")
        if number < len(TOUR):
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
    for name in ("Try your own word", "Read the lesson", "See more broken masks", "Watch a race"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name)).to_be_focused()


def test_the_back_button_goes_back_guess_by_guess_and_the_arrows_step_by_step(open_page: OpenPage) -> None:
    page = open_page("/?tour=1")
    page.get_by_label("All ten").check()
    page.get_by_role("button", name="Show the mask").click()
    page.get_by_role("link", name="Next: step 2").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(TOUR[1].title)
    page.go_back()
    expect(page.locator("#tour-told")).to_contain_text("Not quite.")
    page.go_back()
    expect(page.get_by_role("button", name="Show the mask")).to_be_visible()
    expect(page.locator("#tour-told")).to_have_count(0)
    page.keyboard.press("ArrowRight")  # not past a question
    page.get_by_label("Five").check()
    page.get_by_role("button", name="Show the mask").click()
    page.locator("#tour-told").press("ArrowRight")
    expect(page.get_by_role("heading", level=1)).to_have_text(TOUR[1].title)
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", level=1)).to_have_text(TOUR[0].title)


def test_it_can_be_taken_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/", java_script_enabled=False)
    page.get_by_role("link", name="Tour in six steps").click()
    for step in TOUR:
        page.locator(".bubble [type=radio]").last.check()
        page.get_by_role("button", name=step.act).click()
        assert (
            page.locator("#tour-told").inner_text().startswith("Right." if step.choices[-1].is_right else "Not quite.")
        )
        if step is not TOUR[-1]:
            page.locator(".next").click()
    page.get_by_role("link", name="See more broken masks").click()
    assert "bug=eos-masked" in page.url


def test_the_text_covers_nothing_and_what_to_look_at_is_beside_or_above_it(open_page: OpenPage) -> None:
    page = open_page("/?tour=4")
    addresses = ["/?tour=4", *(f"/?tour={n}&guess=b" for n in range(1, 7))]
    for address, (width, height) in product(addresses, SIZES):
        if not page.url.endswith(address):
            page.goto(address)
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        bubble = page.locator(".bubble").bounding_box()
        assert bubble is not None
        for looked in page.locator(".looked").all():
            box = looked.bounding_box()
            assert box is not None
            beside = box["x"] + box["width"] <= bubble["x"]
            assert beside if width > 390 else box["y"] + box["height"] <= bubble["y"], (width, box, bubble)
            assert box["y"] + box["height"] <= height or width == 390
        way_on = page.locator(".bubble :is(button, .next)").bounding_box()
        assert way_on is not None
        assert width == 390 or way_on["y"] + way_on["height"] <= height, width


def test_a_step_shifts_nothing_once_it_stands(open_page: OpenPage) -> None:
    page = open_page("/?tour=1", viewport={"width": 1280, "height": 800})
    page.evaluate(
        "() => { window.shifts = 0; new PerformanceObserver(list => { for (const entry of list.getEntries())"
        " if (!entry.hadRecentInput) window.shifts += entry.value; }).observe({ type: 'layout-shift' }); }"
    )
    for number in range(1, 7):
        page.locator(".bubble [type=radio]").first.check()
        page.locator(".bubble form button").click()
        expect(page.locator("#tour-told")).to_be_visible()
        if number < 6:
            page.locator(".next").click()
            expect(page.locator("#tour-told")).to_have_count(0)
    assert page.evaluate("window.shifts") <= 0.02


def test_in_forced_colours_axe_finds_nothing_and_the_outline_is_there(
    open_page: OpenPage, axe_finds_nothing: Callable[..., None]
) -> None:
    page = open_page("/?tour=3&guess=b")
    page.emulate_media(forced_colors="active")
    axe_finds_nothing(page, only_colours=True)
    assert page.locator(".looked").first.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("tour-asked", "/?tour=2"),
        ("tour-answers", "/?tour=5&guess=c"),
        ("tour-end", "/?tour=6&guess=b"),
    ],
)
def test_pictures_fit_their_width_and_axe_finds_nothing(look_at: LookAt, name: str, address: str) -> None:
    look_at(address, name, axe_widths=(1280,))
