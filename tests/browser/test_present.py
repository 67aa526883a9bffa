"""The visualizer in front of a class: presented, by keys, with parts hidden, on paper, with an address for the room."""

import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import SIZES

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
Boxes = Callable[[Page, Sequence[str]], dict[str, dict[str, float]]]

ON_STAGE = (
    *("#prompt", ".switch", ".change", ".reads", ".targets", ".gradient", ".predicts.prompt-masked", "#step"),
    *(".predicts.unmasked", ".writes.prompt-masked", ".writes.unmasked", ".counters", ".stage [data-tool=leave]"),
)
ROOM = "The room\N{RIGHT SINGLE QUOTATION MARK}s address"
SHOW_ROOM = f"Show t{ROOM[1:]}"
TEXTS = """least => [...document.querySelectorAll('body *')].filter(e => e.checkVisibility({visibilityProperty: true})
  && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && e.getBoundingClientRect().width > 2
  && e.getBoundingClientRect().right > 0 && parseFloat(getComputedStyle(e).fontSize) < least).map(e => e.outerHTML)"""
"""What is smaller than so many pixels."""


def is_presented(page: Page) -> bool:
    """By the page and by its address, which say the same."""
    presents = bool(page.locator(".visualizer.presenting").count())
    assert presents == ("present=on" in page.url)
    return presents


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def are_in_view(page: Page, parts: dict[str, dict[str, float]]) -> None:
    size = page.viewport_size
    assert size is not None
    for part, box in parts.items():
        assert min(box["x"], box["y"], box["width"], box["height"]) >= 0, (part, box)
        assert box["y"] + box["height"] <= size["height"] + 0.5, (part, size, box)
        assert box["x"] + box["width"] <= size["width"] + 0.5, (part, size, box)


def test_all_is_done_by_keys_and_the_list_names_them_all(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live&step=325")
    pressed: list[str] = []

    def press(key: str) -> None:
        pressed.append(key)
        page.keyboard.press(key)

    press("f")
    expect(page.locator(".masthead")).to_be_hidden()
    assert is_presented(page)
    expect(page.locator(":fullscreen")).to_have_count(1)
    press("m")
    expect(page.locator(".change")).to_contain_text("Mask off")
    press("g")
    expect(page.locator("#gradient")).not_to_have_value("parameter_norm")
    before = page.locator("[name=position]:checked").get_attribute("value")
    press("ArrowRight")
    assert page.locator("[name=position]:checked").get_attribute("value") == str(int(before or 0) + 1)
    press("ArrowLeft")
    assert page.locator("[name=position]:checked").get_attribute("value") == before
    label = page.locator("step-scrubber label")
    press("ArrowUp")
    expect(label).to_contain_text("step 350")
    press("ArrowDown")
    expect(label).to_contain_text("step 325")
    press("p")
    expect(page.locator(".play")).to_contain_text("Pause")
    page.keyboard.press("p")
    expect(page.locator(".play")).to_contain_text("Train")
    press("n")
    expect(page.locator("#view")).to_have_attribute("data-prompt", "step")
    expect(page).to_have_url(re.compile("prompt=step.*present=on"))
    press("q")
    expect(page.locator("dialog#room .to-room")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog#room")).to_be_hidden()
    assert is_presented(page)
    press("?")
    expect(page.locator("dialog#keys")).to_be_visible()
    listed = page.locator("#keys kbd").all_inner_texts()
    page.keyboard.press("Escape")
    expect(page.locator("dialog#keys")).to_be_hidden()
    press("Escape")
    expect(page.locator(".masthead")).to_be_visible()
    assert not is_presented(page)
    assert query(page)["policy"] == "unmasked"
    expect(page.locator(":fullscreen")).to_have_count(0)
    shown = query(page)
    press("v")
    expect(page).to_have_url(re.compile(f"/votes[?]recipe=.*&prompt={shown['prompt']}&step={shown['step']}$"))
    arrows = {"ArrowLeft": "←", "ArrowRight": "→", "ArrowUp": "↑", "ArrowDown": "↓", "Escape": "Esc"}
    assert sorted(listed) == sorted(arrows.get(key, key) for key in pressed)


def test_links_do_it_too_and_come_back_to_where_they_were(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live")
    page.get_by_role("link", name="Present", exact=True).press("Enter")
    assert is_presented(page)
    expect(page.locator(":fullscreen")).to_have_count(1)
    assert page.evaluate("document.activeElement.dataset.tool") == "leave"
    page.keyboard.press("m")
    page.get_by_role("link", name="leave").click()
    assert not is_presented(page)
    assert page.evaluate("document.activeElement.dataset.tool") == "present"
    assert query(page)["policy"] == "unmasked"
    expect(page.locator(":fullscreen")).to_have_count(0)


def test_single_characters_can_be_turned_off_and_the_address_remembers(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live")
    page.get_by_role("link", name="Keys, and what can be hidden").click()
    page.get_by_role("link", name="Turn single characters off").press("Enter")
    page.keyboard.press("Escape")
    for key in ("m", "p", "g", "n", "f", "q", "v", "?"):
        page.keyboard.press(key)
    assert query(page) == {"prompt": "live", "keys": "off"}
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.locator("#prompt").fill("wind")
    expect(page).to_have_url(re.compile("prompt=wind.*keys=off"))
    page.reload()
    page.keyboard.press("m")
    expect(page.locator(".change")).to_contain_text("Mask on")
    page.get_by_role("link", name="Keys, and what can be hidden").click()
    page.get_by_role("link", name="Turn single characters on").press("Enter")
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("m")
    expect(page.locator(".change")).to_contain_text("Mask off")
    assert "keys" not in query(page)


def test_what_the_address_hides_stays_hidden_and_has_no_key(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live&hide=switch,answers,details")
    hidden = (".switch", ".writes.prompt-masked", ".writes.unmasked", ".below")

    def all_hidden() -> None:
        for part in hidden:
            expect(page.locator(part)).to_be_hidden()
        expect(page.locator(".predicts.unmasked")).to_be_visible()

    all_hidden()
    page.keyboard.press("m")
    page.keyboard.press("g")
    page.locator("#prompt").fill("wind")
    expect(page.locator("#view")).to_have_attribute("data-prompt", "wind")
    expect(page).to_have_url(re.compile("hide=switch,answers,details"))
    assert query(page).get("policy", "prompt-masked") == "prompt-masked"
    page.locator(".examples a").nth(2).click()
    expect(page.locator("#view")).to_have_attribute("data-prompt", "step")
    all_hidden()
    page.get_by_role("link", name="Keys, and what can be hidden 3 hidden").click()
    page.get_by_role("link", name="Show all parts").click()
    expect(page.locator(".switch")).to_be_visible()
    assert query(page)["prompt"] == "step"
    assert "hide" not in query(page)


def test_it_can_be_read_from_the_back_row_and_nothing_needs_scrolling(open_page: OpenPage, boxes: Boxes) -> None:
    page = open_page("/?present=on")
    for word in ("a", "abcdefghij"):
        page.locator("#prompt").fill(word)
        expect(page.locator("#view")).to_have_attribute("data-prompt", word)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            are_in_view(page, boxes(page, ON_STAGE))
            if width == 1920:
                assert page.evaluate(TEXTS, 20) == []
                letters = page.locator(".reads td[data-at], .targets .target, .writes .token")
                assert letters.evaluate_all("all => all.every(e => parseFloat(getComputedStyle(e).fontSize) >= 42)")


def test_without_a_script_links_present_leave_and_list(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live&hide=switch", java_script_enabled=False)
    page.get_by_role("link", name="Present", exact=True).click()
    expect(page.locator(".visualizer.presenting")).to_be_visible()
    assert is_presented(page)
    expect(page.locator(".masthead")).to_be_hidden()
    page.get_by_role("link", name="all keys").click()
    expect(page.locator("dialog#keys")).to_be_visible()
    page.get_by_role("link", name="Close").click()
    expect(page.locator("dialog#keys")).to_be_hidden()
    page.get_by_role("link", name="leave").click()
    expect(page.locator(".masthead")).to_be_visible()
    assert not is_presented(page)
    expect(page.locator(".switch")).to_be_hidden()
    page.get_by_role("link", name=SHOW_ROOM).click()
    expect(page.get_by_role("heading", name=ROOM)).to_be_visible()


# The room's address.


def test_the_room_gets_the_view_as_it_is_now(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live&hide=details")
    page.keyboard.press("m")
    page.get_by_role("link", name=SHOW_ROOM).click()
    expect(page.locator("dialog#room")).to_contain_text("Only this machine can open these pages")
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("ArrowRight")  # not on a stage: the page's own
    page.get_by_role("link", name=SHOW_ROOM).evaluate("link => link.focus()")
    view = parse_qs(urlsplit(page.locator(".tools [data-tool=room]").get_attribute("href") or "").query)["view"][0]
    assert parse_qs(urlsplit(view).query) == {"prompt": ["live"], "hide": ["details"], "policy": ["unmasked"]}
    page.keyboard.press("m")
    expect(page.locator(".change")).to_contain_text("Mask on")


def test_a_room_s_address_that_does_not_come_is_looked_for_on_its_page(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live", expected_problems=1)

    def fail(route: Route) -> None:
        if route.request.headers.get("hx-request-type") == "partial":
            route.fulfill(status=503, body="<h1>Out of order</h1>")
        else:
            route.continue_()

    page.route(re.compile("/room"), fail)
    page.keyboard.press("q")
    expect(page.locator("h1")).to_have_text(ROOM)
    page.get_by_role("link", name="Back to the view").click()
    expect(page.locator("#view")).to_have_attribute("data-prompt", "live")


# On paper.


@pytest.mark.parametrize("address", ["/?prompt=live&step=325", "/?prompt=abcdefghij&present=on&hide=curve"])
def test_the_handout_is_one_page_of_either_paper(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.keyboard.press("m")
    for paper, points in (("A4", (842, 595)), ("Letter", (792, 612))):
        pdf = page.pdf(format=paper, prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 1, paper
        box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
        assert box is not None
        assert (float(box[1]), float(box[2])) == pytest.approx(points, abs=1), "lying"


def test_the_handout_holds_the_figure_and_its_address_and_no_controls(open_page: OpenPage, boxes: Boxes) -> None:
    page = open_page("/?prompt=live&step=325")
    page.keyboard.press("m")
    page.pdf(format="A4")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1032, "height": 703})  # A4, lying, within its margins
    printed = [part for part in ON_STAGE if part.startswith(".") and part not in (".switch", ON_STAGE[-1])]
    are_in_view(page, boxes(page, [*printed, ".handout"]))
    for part in (".masthead", ".ask", ".below", ".stage", "#step", ".buttons"):
        expect(page.locator(part)).to_be_hidden()
    assert page.locator(".handout .address").inner_text() == page.url
    assert "policy=unmasked" in page.url
    wrong = page.locator(".writes .wrong").evaluate_all(
        "all => all.map(e => [getComputedStyle(e).textDecorationLine, getComputedStyle(e).color].join(' '))"
    )
    assert set(wrong) == {"line-through rgb(0, 0, 0)"}, "white on black would print as white on white"


# In pictures.


@pytest.mark.parametrize(
    ("name", "address", "opened"),
    [
        ("present", "/?present=on&policy=unmasked&prompt=abcdefghij", None),
        ("keys", "/?hide=switch,curve,seeds", "?"),
    ],
)
def test_pictures_fit_their_width(look_at: LookAt, name: str, address: str, opened: str | None) -> None:
    def before(page: Page) -> None:
        if opened:
            page.keyboard.press(opened)

    look_at(address, name, axe_widths=(1920,), before=before)


def test_forced_colours_leave_nothing_unreadable(
    open_page: OpenPage, axe_finds_nothing: Callable[..., None], take_picture: Callable[[Page, str], None]
) -> None:
    page = open_page("/?present=on")
    page.emulate_media(forced_colors="active")
    axe_finds_nothing(page, only_colours=True)
    take_picture(page, "present-forced")
