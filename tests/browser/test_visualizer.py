"""The visualizer as people use it: mouse, keyboard, phone, projector, without JavaScript."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from app.menu import Menu
from app.pages import PAGES

OpenPage = Callable[..., Page]
LookAt = Callable[..., None]


MENU = [group.title for group in Menu(PAGES).groups]


def heights_of_bars(page: Page) -> list[float]:
    return page.eval_on_selector_all(".bar rect", "bars => bars.map(bar => Number(bar.getAttribute('height')))")


def outcomes(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".outcome").all_inner_texts()]


def generate(page: Page) -> None:
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".outcome").nth(0)).to_contain_text("Stopped at #")
    expect(page.locator(".outcome").nth(1)).to_contain_text("Stopped at #")


def test_first_view_shows_the_gap_and_the_shift_by_one(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse")
    inputs = page.locator(".chips .input").all_inner_texts()
    targets = page.locator(".chips .target").all_inner_texts()
    assert "".join(inputs) == "<hello>olleh"
    assert "".join(targets) == "hello>olleh#"
    assert page.locator(".chips .word").all_inner_texts() == ["ignored"] * 6 + ["trained"] * 6
    on, off = (float(text.split()[0]) for text in page.locator(".measured b").all_inner_texts()[:2])
    assert on >= 90
    assert on - off > 10


def test_the_key_m_switches_mask_and_model_together(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse")
    before = heights_of_bars(page)
    assert before[:6] == [0] * 6
    page.keyboard.press("m")
    expect(page.locator(".change")).to_contain_text("Mask off")
    expect(page).to_have_url(re.compile("policy=unmasked"))
    assert page.locator(".chips .word").all_inner_texts() == ["trained"] * 12
    after = heights_of_bars(page)
    assert min(after[:6]) > 0
    page.keyboard.press("m")
    expect(page.locator(".change")).to_contain_text("Mask on")
    assert heights_of_bars(page) == before


def test_m_typed_into_the_word_is_a_letter(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse")
    page.get_by_label("Type a word").fill("")
    page.keyboard.type("mom")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("prompt=mom"))
    expect(page.locator(".chips .chip")).to_have_count(8)
    expect(page.locator(".change")).to_contain_text("Mask on")


def test_arrow_keys_choose_a_chip_and_the_detail_follows(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse")
    expect(page.locator("#detail-heading")).to_have_text("Position 6: reads >, target o")
    page.locator("#position-6").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#detail-heading")).to_have_text("Position 7: reads o, target l")
    expect(page.locator("#position-7")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#detail-heading")).to_have_text("Position 8: reads l, target l")
    page.locator("#chip-2").click()
    expect(page.locator("#detail-heading")).to_have_text("Position 2: reads e, target l")
    expect(page.locator(".detail .card.prompt-masked")).to_contain_text("ignored here")


def test_back_and_forward_restore_the_whole_state(open_page: OpenPage) -> None:
    page = open_page("/?prompt=cat&step=1000")
    page.keyboard.press("m")
    expect(page.locator(".change")).to_contain_text("Mask off")
    page.locator("label:has(#step-3000)").click()
    expect(page).to_have_url(re.compile("step=3000"))
    expect(page.locator(".conditions")).to_contain_text("Measured at step 3,000")
    page.go_back()  # moving along the steps is no entry of its own
    expect(page.locator(".change")).to_contain_text("Mask on")
    expect(page.locator("#step-1000")).to_be_checked()
    expect(page.locator("#prompt")).to_have_value("cat")
    page.go_forward()
    expect(page.locator(".change")).to_contain_text("Mask off")
    expect(page.locator("#policy-unmasked")).to_be_checked()
    expect(page.locator("#step-3000")).to_be_checked()
    page.keyboard.press("m")
    expect(page.locator(".change")).to_contain_text("Mask on")


def test_playing_goes_through_all_steps_and_everything_follows(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse4&step=0&generate=1")
    before = page.evaluate("history.length")
    page.evaluate(
        "() => { window.seen = []; document.addEventListener('htmx:after:swap', () => window.seen.push("
        "[document.querySelector('.now b').textContent, document.querySelector('.conditions').textContent])); }"
    )
    page.keyboard.press("p")
    expect(page.locator(".play")).to_have_text("Pause")
    expect(page.locator("#step-1000")).to_be_checked(timeout=40_000)
    expect(page.locator(".play")).to_have_text("Play")
    steps = [radio.get_attribute("value") for radio in page.locator("[name=step]").all()]
    assert [step.replace(",", "") for step, _ in page.evaluate("window.seen")] == steps[1:]
    assert all(f"Measured at step {step} " in told for step, told in page.evaluate("window.seen"))
    expect(page.locator(".outcome").nth(0)).to_have_text("Stopped at # after 5 tokens: right ✓.")
    assert page.locator(".tokens").all_inner_texts() == ["dcba#", "dcba#"]
    assert page.evaluate("history.length") == before
    assert re.search("step=1000", page.url)


def test_each_arrow_key_shows_the_next_step(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse&step=0")
    steps = [radio.get_attribute("value") for radio in page.locator("[name=step]").all()]
    page.locator("#step-0").focus()
    for step in steps[1:13]:
        page.keyboard.press("ArrowRight")
        expect(page.locator(".now b")).to_have_text(f"{int(step or ''):,}")
        expect(page.locator(f"#step-{step}")).to_be_focused()


def test_a_finger_drawn_along_the_steps_ends_where_it_is_lifted(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse&step=0")
    first, last = (page.locator(f"label:has(#step-{step})").bounding_box() for step in (0, 1500))
    page.mouse.move(first["x"] + 5, first["y"] + 15)
    page.mouse.down()
    for part in range(1, 41):
        page.mouse.move(first["x"] + 5 + part / 40 * (last["x"] - first["x"]), first["y"] + 15)
    page.mouse.up()
    expect(page.locator(".now b")).to_have_text("1,500")
    expect(page).to_have_url(re.compile("step=1500"))


def test_a_click_on_a_curve_goes_to_the_kept_step_nearest_to_it(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse&step=0")
    plot = page.locator("#chart-assistant svg[data-side]")
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] * 1480 / 3000, "y": box["height"] / 2})
    expect(page.locator("#step-1500")).to_be_checked()
    expect(page.locator("#chart-exact_match .current")).to_have_attribute("x1", "50.0%")


def test_the_step_shows_the_gap_closing(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse")
    page.locator("label:has(#step-3000)").click()
    expect(page.locator(".conditions")).to_contain_text("Measured at step 3,000")
    on, off = (float(text.split()[0]) for text in page.locator(".measured b").all_inner_texts()[:2])
    assert min(on, off) >= 99


def test_the_gradient_choice_changes_bars_and_explains_itself(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse")
    page.locator("#gradient-input_norm + span").click()
    expect(page.locator(".sentence").first).to_contain_text("flows back through attention")
    assert min(heights_of_bars(page)) > 0, "the answer's loss reaches the embeddings of the prompt"


def test_both_models_stream_their_answers_until_the_stop(open_page: OpenPage) -> None:
    page = open_page("/?prompt=hello&step=3000")
    page.evaluate(
        "() => { window.counts = []; const tokens = document.querySelector('.lane .tokens');"
        "new MutationObserver(() => window.counts.push(tokens.childElementCount))"
        ".observe(tokens, { childList: true }); }"
    )
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".outcome").nth(0)).to_have_text("Stopped at # after 6 tokens: right ✓.")
    counts = [count for count in page.evaluate("window.counts") if count]
    assert counts == [1, 2, 3, 4, 5, 6], "tokens come one by one"
    expect(page.locator(".outcome").nth(1)).to_have_text("Stopped at # after 6 tokens: right ✓.")
    assert page.locator(".lane .end").all_inner_texts() == ["#", "#"]
    page.keyboard.press("m")
    expect(page.locator(".change")).to_contain_text("Mask off")
    assert page.locator(".tokens").all_inner_texts() == ["olleh#", "olleh#"], "the switch leaves the answers alone"


def test_stop_ends_a_stream_and_generate_starts_anew(open_page: OpenPage) -> None:
    page = open_page("/?prompt=abcdefghij&step=3000")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".lane").nth(0).locator(".token").nth(0)).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".outcome").nth(0)).to_contain_text("Stopped by you after")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    generate(page)
    assert page.locator(".tokens").all_inner_texts() == ["jihgfedcba#", "jihgfedcba#"]


def test_a_new_word_is_answered_anew(open_page: OpenPage) -> None:
    page = open_page("/?prompt=cat&step=3000")
    generate(page)
    page.get_by_label("Type a word").fill("dog")
    page.keyboard.press("Enter")
    expect(page.locator(".tokens").nth(0)).to_have_text("god#")
    expect(page.locator(".outcome").nth(1)).to_contain_text("right")
    assert page.locator(".given").all_inner_texts() == ["<dog>", "<dog>"]


def test_nothing_jumps_while_streaming(open_page: OpenPage) -> None:
    page = open_page("/?prompt=abcdefghij&step=3000&generate=1")
    page.evaluate(
        "() => { window.shifts = 0; new PerformanceObserver(list => { for (const entry of list.getEntries())"
        " window.shifts += entry.value; }).observe({ type: 'layout-shift' }); }"
    )
    before = page.evaluate("document.documentElement.scrollHeight")
    page.get_by_role("button", name="Generate").scroll_into_view_if_needed()
    generate(page)
    assert page.evaluate("document.documentElement.scrollHeight") == before
    assert page.evaluate("window.shifts") < 0.01


def test_two_visitors_stream_at_once(open_page: OpenPage) -> None:
    first, second = open_page("/?prompt=abcdefghij&step=3000"), open_page("/?prompt=hi&step=3000")
    first.get_by_role("button", name="Generate").click()
    generate(second)
    assert not outcomes(first)[0].startswith("Stopped"), "the second did not wait for the first"
    expect(first.locator(".outcome").nth(0)).to_contain_text("right")


def test_a_word_that_cannot_be_read_is_explained_and_the_view_stays(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse", expected_problems=1)
    page.get_by_label("Type a word").fill("Caf<i>")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("character is C")
    expect(page.locator(".chips .chip")).to_have_count(12)
    assert "Caf" not in page.url
    page.get_by_label("Type a word").fill("cat")
    page.keyboard.press("Enter")
    expect(page.locator(".chips .chip")).to_have_count(8)
    expect(page.locator("#notice")).to_have_text("")


def test_everything_works_without_javascript(open_page: OpenPage) -> None:
    page = open_page(
        "/?recipe=reverse", java_script_enabled=False, expected_problems=1
    )  # a JSON document names no icon of its own
    page.get_by_label("Type a word").fill("cat")
    page.locator("#policy-unmasked").check(force=True)
    page.get_by_role("button", name="Show", exact=True).click()
    assert page.locator(".chips .word").all_inner_texts() == ["trained"] * 8
    page.get_by_role("button", name="Generate").click()
    assert all("Stopped at # after" in text for text in outcomes(page))
    page.locator("#position-3").check(force=True)
    page.get_by_role("button", name="Show", exact=True).click()
    assert page.locator("#detail-heading").inner_text().startswith("Position 3")
    page.get_by_role("link", name="Open the JSON").click()
    assert '"policy":"unmasked"' in page.content()


def test_the_keyboard_alone_reaches_everything(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse&step=3000")
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        outline = page.evaluate(
            "() => { const e = document.activeElement, near = e.nextElementSibling, around = e.closest('.chip');"
            "return [e, near, around].some(x => x && getComputedStyle(x).outlineStyle !== 'none'); }"
        )
        assert outline, f"focus on {reached[-1]} cannot be seen"
        if reached[-1] == "Generate":
            break
    assert reached == [
        "Skip to the page",
        "Maskscope",
        *MENU,
        "prompt",
        "Show",
        "1 to 10 letters",
        "exactly 4 letters",
        "policy-prompt-masked",
        "position-6",
        "gradient-parameter_norm",
        "the ablation",
        "the ablation",
        "Generate",
    ]
    page.keyboard.press("Enter")
    expect(page.locator(".outcome").nth(0)).to_contain_text("right")
    for _ in range(6):
        if page.evaluate("document.activeElement.textContent") == "Play":
            break
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    assert [name for name in reached[-5:] if name != "Stop"][-4:] == ["mask", "Show it", "Open the JSON", "Play"]
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".now b")).to_have_text("2,500")
    expect(page.locator("#step-2500")).to_be_focused()


def test_another_mask_is_laid_over_the_word_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("/?prompt=cat")
    page.locator("#mask").focus()
    page.locator("#mask").select_option("mask-late")
    expect(page.locator(".mask-row .mistake")).to_have_count(1)
    expect(page.locator(".mask-row .mistake")).to_contain_text("lost")
    expect(page.locator(".mask-row .chip").nth(4)).to_have_class(re.compile("mistake"))
    expect(page).to_have_url(re.compile("mask=mask-late"))
    assert page.locator(".chips .word").all_inner_texts() == ["ignored"] * 4 + ["trained"] * 4


def test_every_recipe_has_its_page(open_page: OpenPage) -> None:
    page = open_page("/?recipe=reverse")
    page.get_by_role("link", name="exactly 4 letters").click()
    expect(page.locator("#prompt")).to_have_value("abcd")
    assert "".join(page.locator(".chips .target").all_inner_texts()) == "abcd>dcba#"
    assert page.locator(".measured b").all_inner_texts()[2:] == ["5", "5", "50 %"]


@pytest.mark.parametrize("policy", ["prompt-masked", "unmasked"])
def test_axe_finds_nothing(open_page: OpenPage, axe_finds_nothing: Callable[[Page], None], policy: str) -> None:
    page = open_page(f"/?policy={policy}&generate=1", reduced_motion="reduce")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        axe_finds_nothing(page)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("mask-on", "/"),
        ("mask-off", "/?policy=unmasked"),
        ("long", "/?prompt=abcdefghij&gradient=share&policy=unmasked"),
        ("reverse4", "/?recipe=reverse4"),
        ("missing", "/?recipe=none"),
    ],
)
def test_pictures_fit_their_width(look_at: LookAt, name: str, address: str) -> None:
    before = generate if name == "mask-off" else lambda page: None
    look_at(address, name, axe_widths=(), before=before, expected_problems=int(name == "missing"))
