"""The inspect page as people use it: switches that act at once, keyboard, without JavaScript, all sizes."""

import os
import re
from collections.abc import Callable
from pathlib import Path

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


def test_arrow_keys_walk_through_the_tokens_and_n_and_p_through_the_findings(
    open_page: OpenPage, tab_to: Callable[[Page, str], None]
) -> None:
    page = open_page("/inspect")
    dock = page.get_by_role("region", name="The token chosen")
    expect(dock).to_contain_text("position 51 reads")
    expect(dock).to_contain_text("ignored, and should be trained")
    tab_to(page, ".bands .t")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#t51")).to_be_focused()
    expect(dock).to_contain_text("trained, as it should be")
    expect(page.locator(".bands .t[tabindex]")).to_have_count(1)
    expect(page.locator(".arc text")).to_have_text("predicted at 50")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".bands .band").nth(2).locator(".t:focus")).to_have_count(1)
    page.keyboard.press("n")
    page.keyboard.press("n")
    expect(page.locator("#t91")).to_be_focused()
    expect(dock.locator("[data-lane=O1]")).to_contain_text("trains it")
    expect(dock.locator("[data-lane=labels]")).to_contain_text("ignores it")
    page.keyboard.press("Home")
    expect(page.locator("#t0")).to_be_focused()
    dock.get_by_role("button", name="Previous").click()
    expect(page.locator("#t91")).to_be_focused()


def test_a_folded_stretch_opens_when_its_token_is_chosen(open_page: OpenPage) -> None:
    page = open_page("/inspect?example=own")
    row = ROW.replace("Hi", "many words " * 60)
    page.get_by_label("or a file").first.set_input_files({"name": "r.jsonl", "mimeType": "", "buffer": row.encode()})
    folded = page.locator(".bands details")
    expect(folded).not_to_have_attribute("open", "")
    page.get_by_label("Token", exact=True).fill("40")
    page.keyboard.press("Enter")
    expect(folded).to_have_attribute("open", "")
    expect(page.locator("#t40")).to_be_in_viewport()


def test_files_dropped_on_the_page_are_inspected_and_what_is_too_large_or_unknown_is_not_sent(
    open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page("/inspect?example=own")
    drop = """([name, text, size]) => {
        const transfer = new DataTransfer();
        const file = new File([text], name);
        if (size) Object.defineProperty(file, "size", { value: size });
        transfer.items.add(file);
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, ["model.bin", "x", 0])
    expect(page.locator("[data-said]")).to_contain_text("model.bin is not read")
    page.evaluate(drop, ["rows.jsonl", ROW, 0])
    expect(page.locator(".bands .t.tr")).to_have_text(["Y", "o", "<|im_end|>"])
    expect(page.get_by_label("Rows of data")).to_have_value(ROW)
    page.evaluate(drop, ["mine.jinja", "{{ messages[1].content }}", 0])
    expect(page.locator("[name=template][value=pasted]")).to_be_checked()
    expect(page.locator(".inspect-findings")).to_contain_text("content-lost")
    large = tmp_path / "tokenizer.json"
    large.touch()
    os.truncate(large, 17_000_000)  # a file of its own: the browser is told where it is, and nothing is copied
    page.get_by_text("Paste or drop your own").click()
    page.locator("[name=tokenizer_files]").set_input_files(large)
    expect(page.locator("[data-said]")).to_contain_text("17 MB, and 16 MB is the most. Nothing was sent.")


def test_a_link_carries_the_conversation_behind_the_hash_and_sends_it_only_when_asked(open_page: OpenPage) -> None:
    page = open_page("/inspect?example=rows&intent=full")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy a link").click()
    expect(page.locator("share-link")).to_contain_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    address, _, packed = link.partition("#c=")
    assert address.endswith("/inspect?example=own&intent=full")
    assert re.fullmatch(r"[\w-]+", packed)
    other = open_page(link)
    sent: list[str] = []
    other.on("request", lambda request: sent.append(request.method) if request.resource_type == "fetch" else None)
    expect(other.get_by_label("Rows of data")).to_have_value(page.get_by_label("Rows of data").input_value())
    expect(other.locator("share-link")).to_contain_text("have not left your browser")
    assert sent == []
    expect(other.get_by_role("button", name="Inspect")).to_be_focused()
    other.keyboard.press("Enter")
    expect(other.locator(".headline")).to_contain_text("everything")
    assert sent == ["POST"]
    cut = open_page(f"{address}#c={packed[:20]}")
    expect(cut.locator("share-link")).to_contain_text("may have been cut")


def test_thousands_of_tokens_are_all_there_and_only_what_is_near_is_drawn(open_page: OpenPage) -> None:
    page = open_page("/inspect?example=own")
    turns = ", ".join([*['{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}'] * 260])
    rows = {"name": "r.jsonl", "mimeType": "", "buffer": f'{{"messages": [{turns}]}}'.encode()}
    page.locator("[name=rows_file]").set_input_files(rows)
    expect(page.locator("#tokens h2")).to_contain_text("Row 1 of 1")
    assert page.locator(".bands .t").count() > 4_000
    assert page.locator(".bands .band").last.evaluate("band => getComputedStyle(band).contentVisibility") == "auto"
    page.get_by_label("Token", exact=True).fill("4000")
    page.keyboard.press("Enter")
    expect(page.locator("#t4000")).to_be_in_viewport()
    expect(page.locator("[data-dock=before]")).to_have_text("position 3999 reads")


def test_in_forced_colours_what_is_trained_is_told_by_its_line(open_page: OpenPage) -> None:
    page = open_page("/inspect")  # of which test_frame.py asks axe, in forced colours too
    page.emulate_media(forced_colors="active")
    styles = [
        page.locator(f".bands .t.{kind}").first.evaluate(
            "e => { const s = getComputedStyle(e); return [s.borderTopStyle, s.borderBottomStyle,"
            " s.borderBottomWidth, s.textDecorationLine, s.outlineStyle].join(' '); }"
        )
        for kind in ("tr", "ig", "su")
    ]
    assert len(set(styles)) == 3, styles


def test_it_fits_can_be_read_and_axe_finds_nothing(look_at: Callable[..., None], open_page: OpenPage) -> None:
    look_at("/inspect?example=stop-lost", "inspect", axe_widths=(390, 1280))
    look_at("/inspect?example=marker", "inspect-marker", axe_widths=(1920,))
    look_at("/inspect?example=own", "inspect-own", axe_widths=(390,))
    for path in ("/inspect?example=shifted", "/inspect?example=own"):
        narrow = open_page(path, viewport={"width": 320, "height": 640})
        assert narrow.evaluate("document.documentElement.scrollWidth") == 320
