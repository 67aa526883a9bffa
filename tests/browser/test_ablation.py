"""The ablation's page as people use it: map, links, keyboard, phone, projector, without JavaScript."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]

PLOTS_AND_MARKS = """plots => plots.map(plot => [plot, ...plot.querySelectorAll("polyline, circle, rect")].map(
  e => e.getBoundingClientRect().toJSON()))"""
"""For each plot its box in pixels, and those of all that is drawn in it."""


def test_the_menu_leads_there_and_back(open_page: OpenPage) -> None:
    page = open_page("/")
    page.locator(".groups summary", has_text="Evidence").click()
    page.get_by_role("navigation").get_by_role("link", name="Ablation").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Does masking the prompt help?")
    expect(page.locator(".groups [aria-current=page] b")).to_have_text("Ablation")
    page.locator(".groups summary", has_text="Explore").click()
    page.get_by_role("navigation").get_by_role("link", name="Visualizer").click()
    expect(page.locator("#figure")).to_be_visible()


def test_a_cell_of_the_map_chooses_its_setting_and_brings_it_into_view(open_page: OpenPage) -> None:
    page = open_page("/ablation")
    cell = page.locator(".map a").last
    verdict = cell.locator("span").inner_text()
    cell.click()
    expect(page).to_have_url(re.compile(r"setting=.+#setting$"))
    expect(page.locator(".map a").last).to_have_attribute("aria-current", "true")
    expect(page.locator("#setting-heading")).to_be_in_viewport()
    expect(page.locator(".ratios .name[aria-current]").first).to_be_attached()
    expect(page.locator(".ratios li:has(.name[aria-current]) .word").first).to_have_text(verdict)


def test_the_keyboard_alone_chooses_a_setting_and_opens_its_runs(open_page: OpenPage) -> None:
    page = open_page("/ablation")
    page.locator(".map a").first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("setting="))
    page.locator("main summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".runs tbody tr").first).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "scroller", "a wide table can be scrolled with the keys"


def test_every_focus_can_be_seen(open_page: OpenPage) -> None:
    page = open_page("/ablation")
    for _ in range(12):
        page.keyboard.press("Tab")
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style != "none", page.evaluate("document.activeElement.outerHTML")


def test_curves_and_dots_are_drawn_inside_their_plots(open_page: OpenPage) -> None:
    page = open_page("/ablation")
    plots = page.locator(".plot > svg").evaluate_all(PLOTS_AND_MARKS)
    assert len(plots) >= 2
    for box, *marks in plots:
        assert box["height"] > 150
        assert marks
        for inner in marks:
            assert inner["width"] + inner["height"] > 0, "not drawn"
            assert inner["x"] >= box["x"] - 8
            assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 8


def test_no_text_of_a_chart_is_too_small_on_a_phone(open_page: OpenPage) -> None:
    page = open_page("/ablation", viewport={"width": 390, "height": 844})
    sizes = page.eval_on_selector_all(
        ".chart *, .ratios *, .map *", "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 11


def test_a_file_of_a_chart_is_downloaded(open_page: OpenPage) -> None:
    page = open_page("/ablation")
    with page.expect_download() as started:
        page.get_by_role("link", name="Answers right").click()
    assert started.value.suggested_filename.endswith("-exact-match.svg")
    assert "</svg>" in Path(started.value.path()).read_text()


def test_everything_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/ablation", java_script_enabled=False)
    page.locator(".ratios a").last.click()
    expect(page.locator(".ratios a").last).to_have_attribute("aria-current", "true")
    page.locator("main summary").click()
    expect(page.locator(".runs tbody tr").first).to_be_visible()


def test_pictures_fit_their_width(look_at: LookAt) -> None:
    look_at("/ablation", "ablation", axe_widths=())


def test_axe_finds_nothing_with_the_runs_opened(look_at: LookAt) -> None:
    look_at(
        "/ablation", "ablation-runs", axe_widths=(390, 1280), before=lambda page: page.locator("main summary").click()
    )
