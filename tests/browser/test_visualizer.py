"""The visualizer as people use it: mouse, keyboard, phone, projector, a bad network, without JavaScript."""

import itertools
import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import SIZES

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]
Boxes = Callable[[Page, Sequence[str]], dict[str, dict[str, float]]]

FIRST_SCREEN = (
    *(
        "#prompt",
        ".switch",
        ".change",
        ".reads",
        ".targets",
        ".gradient",
        "#step",
        ".seeds",
        ".seeds-said",
        ".counters",
    ),
    *(".predicts.prompt-masked", ".predicts.unmasked", ".writes.prompt-masked", ".writes.unmasked", ".play"),
)

BOXES = "all => all.map(e => e.getBoundingClientRect().toJSON())"
WHAT_IS_DRAWN = """root => ['.grid td', '.grid rect', '.grid line', '.grid b', '.grid span', '#detail td',
  '#detail rect', '#detail dd', '#detail tr', '#detail code', '.trains', '[data-text]', '[data-href]',
  '.seeds circle', '.seeds rect', '.seeds path'].map(selector => [...root.querySelectorAll(selector)].map(e => [
    e.childElementCount ? '' : e.textContent.trim(),
    [...e.classList].filter(name => name !== 'hovered').sort().join(' '),
    ...['x', 'y', 'width', 'height', 'y1', 'y2', 'cx', 'cy', 'd', 'href', 'data-verdict'].map(name => {
      const value = e.getAttribute(name);
      return value?.trim() && !isNaN(value) ? Number(value) : value?.replaceAll(/\\.0\\b/g, '');
    })]))"""
"""Texts, classes and geometry of all that the script may change."""

DRAWN_HERE = f"() => ({WHAT_IS_DRAWN})(document)"
DRAWN_BY_THE_SERVER = f"""async () => ({WHAT_IS_DRAWN})(
  new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html'))"""


def written(page: Page) -> list[str]:
    """What both models have written so far."""
    return ["".join(row.locator(".token").all_inner_texts()) for row in page.locator(".writes .tokens").all()]


VEILED = """texts => texts.map(text => { const solid = (e, name) => {
  const colour = getComputedStyle(e)[name].match(/[\\d.]+/g).map(Number);
  return colour.length < 4 || colour[3] ? colour.slice(0, 3) : solid(e.parentElement, name); };
  const veil = getComputedStyle(text.closest('tr'), '::after');
  return { ink: solid(text, 'color'), ground: solid(text, 'backgroundColor'),
    veil: [...veil.backgroundColor.match(/[\\d.]+/g).map(Number).slice(0, 3), Number(veil.opacity)] }; })"""
"""Red, green and blue, 0 to 255, of each text, of what it stands on, and of what lies over both, with its opacity."""


def contrast(ink: list[float], ground: list[float], veil: list[float]) -> float:
    """WCAG's ratio, as one sees both through the veil."""
    *over, opacity = veil

    def luminance(colour: list[float]) -> float:
        seen = [((1 - opacity) * c + opacity * v) / 255 for c, v in zip(colour, over, strict=True)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in seen)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(ink), luminance(ground)))
    return (lighter + 0.05) / (darker + 0.05)


def type_word(page: Page, word: str) -> None:
    """Typed anew, and shown by the server's answer."""
    page.locator("#prompt").fill(word)
    expect(page.locator("#view")).to_have_attribute("data-prompt", word)


def watch_requests(page: Page) -> list[str]:
    """Addresses that are asked for from now on, but for the icon: the browser looks for it when the address changes."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "icon.svg" not in request.url else None)
    return asked


# The first screen.


def test_the_figure_is_on_the_first_screen_at_every_size_for_words_of_every_length(
    open_page: OpenPage, boxes: Boxes
) -> None:
    page = open_page("/")
    for word in ("live", "a", "abcdefghij"):
        type_word(page, word)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") == width, (word, width)
            for part, box in boxes(page, FIRST_SCREEN).items():
                assert box["height"] > 0, part
                assert box["y"] >= 0, (part, word, width)
                assert box["y"] + box["height"] <= height + 0.5, (part, word, width, box)
                assert box["x"] >= 0, (part, word, width)
                assert box["x"] + box["width"] <= width + 0.5, (part, word, width, box)


def test_the_line_above_the_figure_is_cut_off_at_no_width(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse4&prompt=abcdefghij&policy=unmasked")
    expect(page.locator(".tasks")).to_have_text("10 letters: models for words of 1 to 10 letters")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        needs, has = page.locator(".said").evaluate("said => [said.scrollWidth, said.clientWidth]")
        assert needs <= has, width


def test_rows_do_not_cover_each_other_and_letters_stand_under_their_targets(open_page: OpenPage) -> None:
    page = open_page("/?prompt=abcdefghij&step=3000")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        rows = page.locator(".grid tr, .foot").evaluate_all(BOXES)
        assert len(rows) > 6
        for above, below in itertools.pairwise(rows):
            assert above["y"] + above["height"] <= below["y"] + 1, width
        letters = page.locator(".writes.prompt-masked .token").evaluate_all(BOXES)
        assert len(letters) == 11
        targets = page.locator(".targets td").evaluate_all(BOXES)[-len(letters) :]
        for letter, target in zip(letters, targets, strict=True):
            assert (letter["x"], letter["width"]) == pytest.approx((target["x"], target["width"]), abs=1)


def test_a_short_screen_scrolls_and_crushes_no_row(open_page: OpenPage) -> None:
    page = open_page("/?prompt=abcdefghij", viewport={"width": 320, "height": 200})  # 1280 x 800, enlarged four times
    heights = page.locator(".grid tbody tr").evaluate_all(
        "rows => rows.map(row => [row.className, [...row.cells].at(-1).getBoundingClientRect().height])"
    )
    assert "targets" in dict(heights)
    for name, height in heights:
        assert height >= (24 if name == "targets" else 16), name
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_a_reader_that_speaks_hears_which_letters_are_wrong(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live&step=325")
    expect(page.locator(".writes.unmasked .wrong").first).to_be_visible()
    said = page.locator(".writes.unmasked .tokens").aria_snapshot()
    assert said.count("wrong") == page.locator(".writes.unmasked .wrong").count()


def test_it_can_be_read_from_the_back_row(open_page: OpenPage) -> None:
    page = open_page("/?prompt=abcdefghij", viewport={"width": 1920, "height": 1080})
    size = "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))"
    for selector, least in (
        (".reads td[data-at], .targets .target, .writes .token", 42),
        (".grid .value, .chance, .foot .counters b", 20),
    ):
        assert min(page.locator(selector).evaluate_all(size)) >= least, selector
    smallest = page.evaluate(
        "() => { let least = [99, '']; for (const e of document.querySelectorAll('body *')) {"
        "const box = e.getBoundingClientRect(), own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());"
        "if (!own || !box.width || box.width < 2 || box.bottom > innerHeight || box.right < 0) continue;"
        "const size = parseFloat(getComputedStyle(e).fontSize); if (size < least[0]) least = [size, e.className]; }"
        "return least; }"
    )
    assert smallest[0] >= 16, smallest


def test_it_opens_on_a_word_that_mask_on_alone_gets_right(open_page: OpenPage) -> None:
    page = open_page("/")
    assert "".join(page.locator(".targets .target").all_inner_texts()) == "live>evil#"
    on, off = written(page)
    assert on == "evil#"
    assert off != "evil#"
    expect(page.locator(".writes.prompt-masked .outcome")).to_have_text("right ✓")
    expect(page.locator(".writes.unmasked .outcome")).to_have_text("wrong ✗")
    assert page.locator(".writes.unmasked .wrong").count() == sum(a != b for a, b in zip(off, "evil#", strict=True))


# Switched in the client, from what is on the page.


def test_the_script_draws_what_the_server_writes(open_page: OpenPage) -> None:
    page = open_page("/?prompt=hello&recipe=reverse&step=900&position=6")
    for change in (
        lambda: page.keyboard.press("m"),
        lambda: page.select_option("#gradient", "share"),
        lambda: page.locator(".reads td[data-at='3']").click(),
        lambda: page.keyboard.press("m"),
        lambda: page.locator("#step").press("End"),
        lambda: page.select_option("#gradient", "input_norm"),
    ):
        before = page.url
        change()
        page.wait_for_url(lambda url, before=before: url != before)
        assert page.evaluate(DRAWN_HERE) == page.evaluate(DRAWN_BY_THE_SERVER), page.url


def test_the_switch_the_gradient_and_the_position_ask_nobody(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live")
    entries, asked = page.evaluate("history.length"), watch_requests(page)
    page.keyboard.press("m")
    expect(page.locator(".change")).to_contain_text("Mask off: all 10 predictions are trained")
    assert page.locator(".targets td.trained").count() == 10
    page.select_option("#gradient", "input_norm")
    page.locator(".predicts.unmasked td[data-at='2']").click()
    expect(page.locator("#detail-heading")).to_have_text("Position 2: reads i, must predict v")
    page.locator("#position-2").press("ArrowRight")
    expect(page.locator("#detail-heading")).to_have_text("Position 3: reads v, must predict e")
    page.locator(".reads td[data-at='7']").hover()
    expect(page.locator("td.hovered")).to_have_count(5)
    assert asked == []
    query = parse_qs(urlsplit(page.url).query)
    assert (query["policy"], query["gradient"], query["position"]) == (["unmasked"], ["input_norm"], ["3"])
    assert page.evaluate("history.length") == entries


def test_the_model_in_front_is_that_of_the_switch_and_the_other_can_still_be_read(
    open_page: OpenPage, axe_finds_nothing: Callable[..., None]
) -> None:
    page = open_page("/?prompt=live", reduced_motion="reduce")
    veils = "rows => rows.map(row => getComputedStyle(row, '::after').opacity)"
    before = page.locator("tr[data-side]").evaluate_all(veils)
    assert before[:2] == before[2:], "what a model writes stands behind with what it predicts"
    assert before[0] == "0"
    assert before[1] != "0"
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for opacities in (before, [before[1], before[0]] * 2):
            assert page.locator("tr[data-side]").evaluate_all(veils) == opacities
            texts = page.locator("tr[data-side] :is(.token, .chance, .given)").evaluate_all(VEILED)
            behind = [contrast(**text) for text in texts if text["veil"][3]]
            assert len(behind) > len(texts) / 3
            assert min(behind) >= 4.5, scheme
            axe_finds_nothing(page, only_colours=(scheme, opacities) != ("light", before))
            page.keyboard.press("m")


def test_m_typed_into_the_word_is_a_letter(open_page: OpenPage) -> None:
    page = open_page("/")
    page.locator("#prompt").fill("")
    page.keyboard.type("mom")
    expect(page.locator("#view")).to_have_attribute("data-prompt", "mom")
    expect(page.locator(".change")).to_contain_text("Mask on")


# Live.


def test_a_word_is_shown_and_answered_as_it_is_typed(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live&step=1000")
    page.evaluate(
        "() => { window.counts = new Set(); new MutationObserver(() => window.counts.add(document.querySelectorAll("
        "'.writes.prompt-masked .token').length)).observe(document.body, { childList: true, subtree: true }); }"
    )
    entries = page.evaluate("history.length")
    page.locator("#prompt").fill("")
    page.keyboard.type("HeLLo", delay=30)
    expect(page.locator("#view")).to_have_attribute("data-prompt", "hello")
    expect(page.locator("#prompt")).to_have_value("hello")
    expect(page).to_have_title(re.compile("^hello · "))
    expect(page.locator(".moved")).to_have_text("5 letters: models for words of 1 to 10 letters")
    expect(page.locator(".writes.prompt-masked .outcome")).to_have_text(re.compile("right|wrong"))
    expect(page.locator(".writes.unmasked .outcome")).to_have_text(re.compile("right|wrong"))
    assert {1, 2, 3, 4, 5, 6} <= set(page.evaluate("[...window.counts]")), "letter by letter"
    assert page.evaluate("history.length") == entries + 1, "one entry for one word"
    page.locator("#prompt").press("Tab")
    type_word(page, "cat")
    assert page.evaluate("history.length") == entries + 2
    page.keyboard.press("Tab")
    page.go_back()
    expect(page.locator("#prompt")).to_have_value("hello")
    page.go_back()
    expect(page.locator("#prompt")).to_have_value("live")
    expect(page.locator("step-scrubber label")).to_contain_text("step 1,000")


def test_a_word_that_cannot_be_read_is_explained_and_the_view_stays(open_page: OpenPage) -> None:
    page = open_page("/", expected_problems=2)
    page.locator("#prompt").fill("caf3")
    expect(page.locator("#notice")).to_contain_text("Use letters a to z only: the 4th character is 3")
    assert "".join(page.locator(".targets .target").all_inner_texts()) == "live>evil#"
    assert "caf" not in page.url
    type_word(page, "cafe")
    expect(page.locator("#notice")).to_have_text("")


def test_an_example_opens_with_the_mask_that_is_chosen(open_page: OpenPage) -> None:
    page = open_page("/")
    page.keyboard.press("m")
    page.locator(".examples a").last.click()
    expect(page.locator("#view")).to_have_attribute("data-recipe", "reverse")
    expect(page.locator("#prompt")).to_have_value(page.locator("#view").get_attribute("data-prompt") or "")
    expect(page.locator(".change")).to_contain_text("Mask off")
    expect(page.locator(".seeds-said")).to_contain_text("mask on is ahead in 4 of 10 seeds")


def test_nothing_jumps_over_twenty_words(open_page: OpenPage) -> None:
    page = open_page("/")
    page.evaluate(
        "() => { window.shifts = 0; new PerformanceObserver(list => { for (const entry of list.getEntries())"
        " window.shifts += entry.value; }).observe({ type: 'layout-shift' }); }"
    )
    for width, height in ((1280, 800), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(100)
        page.evaluate("window.shifts = 0")
        for word in ("wind", "lake", "a", "castle", "ship", "equipment", "foundation", "cat", "dog", "live"):
            type_word(page, word)
        assert page.evaluate("window.shifts") <= 0.02, width


# The curve is the scrubber.


def test_an_arrow_goes_to_the_next_kept_step_in_one_small_answer(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live&step=325")
    entries, asked = page.evaluate("history.length"), watch_requests(page)
    steps = (page.locator("step-scrubber").get_attribute("data-steps") or "").split()
    at = steps.index("325")
    page.locator("#step").press("ArrowRight")
    expect(page.locator("step-scrubber label")).to_contain_text(f"step {steps[at + 1]}")
    expect(page.locator("#step")).to_have_attribute("aria-valuetext", f"step {steps[at + 1]}")
    page.wait_for_timeout(50)
    assert [parse_qs(urlsplit(url).query)["step"][0] for url in asked] == [steps[at + 1], steps[at + 2], steps[at]]
    page.locator("#step").press("ArrowRight")
    expect(page.locator("step-scrubber label")).to_contain_text(f"step {steps[at + 2]}")
    assert len([url for url in asked if f"step={steps[at + 2]}" in url]) == 1, "it was there already"
    assert f"step={steps[at + 2]}" in page.url
    assert page.evaluate("history.length") == entries


def test_a_finger_drawn_along_the_curve_ends_where_it_is_lifted(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse&prompt=live&step=0")
    box = page.locator("#step").bounding_box()
    assert box is not None
    place = lambda step: box["x"] + 14 + step / 3000 * (box["width"] - 28)  # noqa: E731
    page.mouse.move(place(0), box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(0, 1501, 100):
        page.mouse.move(place(step), box["y"] + box["height"] / 2)
    page.mouse.up()
    expect(page.locator("step-scrubber label")).to_contain_text("step 1,500")
    expect(page).to_have_url(re.compile("step=1500"))


def test_playing_goes_on_to_the_end_and_everything_follows(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live&step=600")
    page.keyboard.press("p")
    expect(page.locator(".play")).to_contain_text("Pause")
    expect(page.locator("step-scrubber label")).to_contain_text("step 1,000")
    expect(page.locator(".play")).to_contain_text("Train")
    assert written(page) == ["evil#", "evil#"]
    expect(page.locator(".seeds-said")).to_contain_text("At step 1,000 ")
    assert page.locator("#timeline .current").first.get_attribute("x1") == "100%"
    assert page.evaluate(DRAWN_HERE) == page.evaluate(DRAWN_BY_THE_SERVER)


# When things fail.

FOREIGN = "<!doctype html><title>Gateway</title><h1>Out of order</h1>"
FAILURES: dict[str, tuple[Callable[[Route], None], str]] = {
    "cut": (lambda route: route.abort(), "the server does not answer"),
    "500": (lambda route: route.fulfill(status=500, body=FOREIGN), "the server answered 500"),
    "503": (lambda route: route.fulfill(status=503, body=FOREIGN), "the server answered 503"),
    "foreign": (lambda route: route.fulfill(status=200, body=FOREIGN), "the answer is not this server’s"),  # noqa: RUF001
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_told_the_controls_say_what_is_shown_and_it_is_tried_again(
    open_page: OpenPage, failure: str
) -> None:
    fail, why = FAILURES[failure]
    page = open_page("/?prompt=live&step=325", expected_problems=20)
    before = page.evaluate(DRAWN_HERE)
    asks_this_server = re.compile(r"/(figure)?\?")
    page.route(asks_this_server, fail)
    page.locator("#step").press("ArrowRight")
    expect(page.locator("#trouble")).to_contain_text(f"Step 350 is not shown: {why}")
    expect(page.locator("#step")).to_have_value("325")
    page.locator("#prompt").fill("wind")
    expect(page.locator("#trouble")).to_contain_text(f"“wind” is not shown: {why}. Still shown is “live”.")
    page.locator("#prompt").press("Tab")
    expect(page.locator("#prompt")).to_have_value("live")
    assert page.evaluate(DRAWN_HERE) == before
    assert page.get_by_text("Out of order").count() == 0
    page.keyboard.press("m")  # what is on the page can still be switched, and says so truly
    expect(page.locator(".change")).to_contain_text("Mask off")
    page.keyboard.press("m")
    page.unroute(asks_this_server)
    if failure != "cut":  # then it is tried again without being asked
        page.get_by_role("button", name="Try now").click()
    expect(page.locator("#view")).to_have_attribute("data-prompt", "wind")
    expect(page.locator("#trouble")).to_have_text("")


def test_an_example_or_a_mask_that_does_not_come_leaves_what_is_shown_in_its_control(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live", expected_problems=10)
    page.locator("#other-mask summary").click()
    asks_this_server = re.compile(r"/\?")
    page.route(asks_this_server, lambda route: route.fulfill(status=503, body=FOREIGN))
    page.locator("#mask").select_option("eos-masked")
    expect(page.locator("#trouble")).to_contain_text("is not shown: the server answered 503. Still shown is “live”.")
    expect(page.locator("#mask")).to_have_value("mask-late")
    page.locator(".examples a").nth(2).click()
    expect(page.locator("#trouble")).to_contain_text("“step” is not shown")
    expect(page.locator("#prompt")).to_have_value("live")
    assert "prompt=live" in page.url
    page.unroute(asks_this_server)
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#prompt")).to_have_value("step")
    expect(page.locator("#trouble")).to_have_text("")


def test_on_a_slow_network_the_page_says_that_it_waits_and_the_newest_wins(open_page: OpenPage) -> None:
    page = open_page("/?prompt=live&step=325")

    def delay(route: Route) -> None:
        page.wait_for_timeout(300)
        route.continue_()

    page.route(re.compile(r"/(figure)?\?"), delay)
    page.locator("#step").press("ArrowRight")
    expect(page.locator("#figure")).to_have_attribute("aria-busy", "true")
    page.locator("#step").press("ArrowRight")
    expect(page.locator("step-scrubber label")).to_contain_text("step 375")
    expect(page.locator("#figure")).not_to_have_attribute("aria-busy", "true")
    page.locator("#prompt").fill("wind")
    expect(page.locator("#view")).to_have_attribute("aria-busy", "true")
    page.locator("#prompt").fill("lake")
    expect(page.locator("#view")).to_have_attribute("data-prompt", "lake")
    expect(page.locator("#view")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#trouble")).to_have_text("")


# Without a script, by keyboard, in pictures.


def test_everything_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page("/", java_script_enabled=False, expected_problems=1)  # a JSON document names no icon of its own
    page.locator("#prompt").fill("wind")
    page.locator("#policy-unmasked").check(force=True)
    page.locator("#position-3").check(force=True)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(".targets td.trained")).to_have_count(10)
    assert all(written(page))
    assert page.locator("#detail-heading").inner_text().startswith("Position 3")
    page.locator("#json summary").click()
    page.get_by_role("link", name="Open the JSON").click()
    expect(page.locator("body")).to_contain_text('"policy":"unmasked"')


def test_the_keyboard_alone_reaches_everything_in_the_order_it_is_seen(open_page: OpenPage) -> None:
    page = open_page("/")
    page.locator("#prompt").focus()
    reached = []
    while len(reached) < 25 and "mask" not in reached:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        if reached[-1] == "The same word under another mask":
            page.keyboard.press("Enter")
        outline = page.evaluate(
            "() => { const e = document.activeElement;"
            "return [e, e.nextElementSibling].some(x => x && getComputedStyle(x).outlineStyle !== 'none'); }"
        )
        assert outline or reached[-1] == "step", f"focus on {reached[-1]} cannot be seen"
    named = [name for name in reached if not re.search("Tour|right|differ|misplaced|longer|letters", name)]
    assert named == [
        *("policy-prompt-masked", "position-5", "gradient", "▶ Train", "Write again", "step"),
        "Ask the class about this word",
        *("The four gradients", "The losses by segment, step by step", "The same word under another mask", "mask"),
    ]
    page.locator("#mask").select_option("eos-masked")
    expect(page).to_have_url(re.compile("mask=eos-masked"))
    expect(page.locator("#other-mask .mistake")).to_have_count(1)
    expect(page.locator("#other-mask")).to_have_attribute("open", "")


def test_write_again_lets_both_models_write_letter_by_letter_and_stop_ends_it(open_page: OpenPage) -> None:
    page = open_page("/?prompt=abcdefghij&step=3000")
    page.get_by_role("button", name="Write again").click()
    expect(page.locator(".writes .token").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".writes .outcome").first).to_contain_text("Stopped by you after")
    page.get_by_role("button", name="Write again").click()
    for outcome in page.locator(".writes .outcome").all():
        expect(outcome).to_have_text("right ✓")
    assert written(page) == ["jihgfedcba#"] * 2


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("mask-on", "/"),
        ("mask-off", "/?policy=unmasked"),
        ("long", "/?prompt=abcdefghij&gradient=share&policy=unmasked"),
        ("missing", "/?recipe=none"),
    ],
)
def test_pictures_fit_their_width(look_at: LookAt, name: str, address: str) -> None:
    look_at(address, name, axe_widths=(390,), colours=address != "/", expected_problems=int(name == "missing"))
