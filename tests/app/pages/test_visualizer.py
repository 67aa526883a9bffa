"""The visualizer's page as the server writes it: complete without a script, equal to the API, safe with any word."""

import gzip
import json
import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.charts.chips import GRADIENT_CHOICES
from app.screen import KEYS, PARTS
from app.settings import Settings
from model.experiments.ablation.seeds import seeds_at
from model.experiments.ablation.shipped import load_ablation
from model.experiments.examples import KEPT_EXAMPLES, STORIES
from model.masks.policies import MASK_POLICIES
from model.training.recipes import RECIPES
from model.writing import compact, percent

pytestmark = pytest.mark.anyio

PARTIAL = {"hx-request": "true", "hx-request-type": "partial"}
POLICIES = ("prompt-masked", "unmasked")
GAP_STEP = 900
TextOf = Callable[[Element], str]
OpenPage = Callable[..., Any]


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> OpenPage:
    """`await open_page(prompt="hello")`: the page of words of 1 to 10 letters, under these query parameters."""

    async def opened(*, status: int = 200, headers: dict[str, str] | None = None, **query: Any) -> Element:
        response = await client.get("/", params={"recipe": "reverse"} | query, headers=headers)
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


@pytest.fixture
def ask_api(client: httpx.AsyncClient) -> Callable[..., Any]:
    """`await ask_api("analyze", policy="unmasked")`: what the API says of `hello` at the page's first step."""

    async def asked(call: str, **changes: Any) -> dict[str, Any]:
        body = {"recipe": "reverse", "prompt": "hello", "policy": "prompt-masked", "step": GAP_STEP} | changes
        response = await client.post(f"/api/v1/{call}", json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    return asked


def find(page: Element, tag: str, **attributes: str) -> Element:
    """The one element of this tag with these attributes; `class_` holds when all its names are among the element's."""
    found = find_all(page, tag, **attributes)
    assert len(found) == 1, (tag, attributes, len(found))
    return found[0]


def find_all(page: Element, tag: str, **attributes: str) -> list[Element]:
    classes = set(attributes.pop("class_", "").split())
    wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
    return [
        element
        for element in page.iter(tag)
        if all(element.get(name) == value for name, value in wanted.items())
        and classes <= set(element.get("class", "").split())
    ]


def checked(page: Element, name: str) -> str:
    """What the page's controls say of a part of the state."""
    if name == "step":
        return find(page, "input", type="range", name="step").attrib["value"]
    if name == "gradient":
        return next(e.attrib["value"] for e in find(page, "select", name=name) if "selected" in e.attrib)
    if name == "recipe":
        return find(page, "div", id="view").attrib["data-recipe"]
    return next(e.attrib["value"] for e in find_all(page, "input", type="radio", name=name) if "checked" in e.attrib)


def cells(page: Element, row: str, **attributes: str) -> list[Element]:
    """A row's cells, one for each position."""
    return [e for e in find(page, "tr", class_=row, **attributes) if "data-at" in e.attrib]


def letters(page: Element, policy: str) -> list[tuple[str, bool]]:
    """What a model wrote, and whether each letter is marked as wrong."""
    tokens = find(find(page, "tr", data_policy=policy), "td", class_="tokens")
    return [(e.text or "", "wrong" in e.attrib["class"].split()) for e in tokens]


# Every number is the API's.


@pytest.mark.parametrize("gradient", GRADIENT_CHOICES)
@pytest.mark.parametrize("policy", POLICIES)
async def test_columns_show_what_the_api_says(
    open_page: OpenPage, ask_api: Any, text_of: TextOf, policy: str, gradient: str
) -> None:
    page = await open_page(policy=policy, gradient=gradient)
    positions = (await ask_api("analyze", policy=policy))["positions"]
    values = [p["gradient"][gradient] for p in positions]
    span = max(0.0, *values) - min(0.0, *values)
    assert [text_of(e) for e in cells(page, "reads")] == [p["input"] for p in positions]
    targets = [(text_of(e), e.attrib["class"].split()[0]) for e in cells(page, "targets")]
    words = ["trained" if p["supervised"] else "ignored" for p in positions]
    assert targets == [(f"{p['target']} {word}", word) for p, word in zip(positions, words, strict=True)]
    for cell, value in zip(cells(page, "gradient"), values, strict=True):
        assert text_of(find(cell, "span", class_="value")) == compact(value)
        bar, line = find(cell, "rect"), find(cell, "line")
        y, height, baseline = (float(e.attrib[name]) for e, name in ((bar, "y"), (bar, "height"), (line, "y1")))
        assert height == pytest.approx(100 * abs(value) / span, abs=0.06)
        assert (y if value < 0 else y + height) == pytest.approx(baseline, abs=0.11)


async def test_targets_are_the_inputs_moved_by_one(open_page: OpenPage, text_of: TextOf) -> None:
    page = await open_page()
    inputs = [text_of(e) for e in cells(page, "reads")]
    targets = [text_of(find(e, "span", class_="target")) for e in cells(page, "targets")]
    assert inputs[1:] == targets[:-1]
    assert "".join([*inputs, targets[-1]]) == "<hello>olleh#"


async def test_columns_stand_in_the_segments_of_their_targets(open_page: OpenPage) -> None:
    heads = [e for e in find(await open_page(), "tr", class_="spans") if e.tag == "th"]
    assert [(e.attrib["data-segment"], e.attrib["colspan"]) for e in heads] == [
        ("user", "5"),
        ("template", "1"),
        ("assistant", "6"),
    ]


@pytest.mark.parametrize("step", [0, GAP_STEP, 3000])
async def test_predictions_show_what_the_api_says_of_both_models(
    open_page: OpenPage, ask_api: Any, text_of: TextOf, step: int
) -> None:
    page = await open_page(step=step)
    for policy in POLICIES:
        positions = (await ask_api("analyze", policy=policy, step=step))["positions"]
        for cell, p in zip(cells(page, f"predicts {policy}"), positions, strict=True):
            best = p["predictions"][0]
            verdict = "right" if best["token"] == p["target"] else "wrong"
            assert text_of(find(cell, "b")) == best["token"]
            assert find(cell, "b").attrib["data-verdict"] == (verdict if p["supervised"] else "not trained here")
            assert text_of(find(cell, "span", class_="verdict")) == find(cell, "b").attrib["data-verdict"]
            assert text_of(find(cell, "span", class_="chance")) == f"{100 * best['probability']:.0f}"
            assert float(find(cell, "rect").attrib["width"]) == pytest.approx(100 * best["probability"], abs=0.06)


@pytest.mark.parametrize("position", [0, 6, 11])
@pytest.mark.parametrize("policy", POLICIES)
async def test_the_detail_shows_what_the_api_says_of_both_models(
    open_page: OpenPage, ask_api: Any, text_of: TextOf, policy: str, position: int
) -> None:
    detail = find(await open_page(policy=policy, position=position), "section", class_="detail")
    for side in POLICIES:
        p = (await ask_api("analyze", policy=side))["positions"][position]
        card = find(detail, "article", class_=side)
        assert ("ignored here" in text_of(find(card, "h3"))) != p["supervised"]
        rows = [[text_of(cell) for cell in row] for row in find_all(card, "tr")]
        assert rows == [
            [q["token"], "", percent(q["probability"], 1), "target" if q["token"] == p["target"] else ""]
            for q in p["predictions"]
        ]
        numbers = {text_of(find(e, "dt")): text_of(find(e, "dd")) for e in find(card, "dl")}
        assert numbers == {
            "Probability of the target": percent(p["target_probability"], 1),
            "Loss, −ln p, in nats": f"{p['loss']:.3f}",  # noqa: RUF001
        } | {f"Gradient {c.title}": compact(p["gradient"][c.field]) for c in GRADIENT_CHOICES.values()}


@pytest.mark.parametrize("policy", POLICIES)
async def test_counters_show_what_was_measured(
    open_page: OpenPage, ask_api: Any, client: httpx.AsyncClient, text_of: TextOf, policy: str
) -> None:
    page = await open_page(policy=policy)
    numbers = {text_of(find(e, "dt")): text_of(find(e, "dd")) for e in find(page, "dl", class_="counters")}
    answer = await ask_api("analyze", policy=policy)
    trained, ignored = answer["supervised_count"], answer["ignored_count"]
    expected = {"trained": f"{trained} of 12", "ignored": f"{ignored} of 12", "utilisation": percent(trained / 12)}
    measured = find(page, "details", id="measured")
    recipe = (await client.get("/api/v1/recipes/reverse")).json()
    seeds = next(at for at in recipe["seeds"] if at["step"] == GAP_STEP)
    for run in (run for run in recipe["runs"] if run["policy"] in POLICIES):
        at = next(m for m in run["metrics"] if m["step"] == GAP_STEP)
        rate, accuracy, is_on = at["exact_match"], at["token_accuracy"], run["policy"] == POLICIES[0]
        over_seeds = percent(seeds["masked" if is_on else "unmasked"]["value"], 1)
        expected[f"mask {'on' if is_on else 'off'}: right"] = f"{percent(rate['value'], 1)} 10 seeds {over_seeds}"
        told = (
            f"{100 * rate['low']:.1f} to {percent(rate['high'], 1)} · {percent(accuracy['value'], 1)} of answer tokens"
        )
        assert told in text_of(measured)
        assert f"{rate['n']:,} words never trained on" in text_of(measured)
    assert numbers == expected
    assert "The pair shown is one seed: measured at step 900" in text_of(measured)


@pytest.mark.parametrize(("recipe", "perfect"), [("reverse", 3.125), ("reverse4", 2.606)])
async def test_what_is_left_to_guess_of_a_prompt_is_said_of_letters_and_end_together(
    open_page: OpenPage, client: httpx.AsyncClient, text_of: TextOf, recipe: str, perfect: float
) -> None:
    page = await open_page(recipe=recipe, prompt="abcd")
    told = text_of(find(page, "p", class_="guessing"))
    runs = (await client.get(f"/api/v1/recipes/{recipe}")).json()["runs"]
    last = {run["policy"]: run["metrics"][-1]["loss"] for run in runs}["unmasked"]
    words = RECIPES[recipe].task.held_out_prompts(last["user"]["n"])
    letters = sum(map(len, words))
    loss = (letters * last["user"]["value"] + len(words) * last["template"]["value"]) / (letters + len(words))
    assert f"to {loss:.3f} nats per token" in told
    assert f"cost {perfect:.3f} on these same words" in told
    assert f"ends {loss - perfect:.3f} above that" in told
    assert "obody" not in told
    chart = find(page, "figure", id="chart-prompt")
    assert f"{perfect:.3f}: perfect guesses" in text_of(chart)


async def test_the_change_is_said_in_one_line_with_the_shares_of_the_unmasked_model(
    open_page: OpenPage, ask_api: Any, text_of: TextOf
) -> None:
    positions = (await ask_api("analyze", policy="unmasked"))["positions"]
    share = compact(sum(p["gradient"]["share"] for p in positions[:6]))
    page = await open_page()
    change = find(page, "p", class_="change")
    assert text_of(find(change, "span", class_="for-on")).startswith("Mask on: 6 of 12 predictions are trained")
    assert text_of(find(change, "span", class_="for-off")).startswith("Mask off: all 12 predictions are trained")
    assert f"have shares of {share} together" in text_of(find(page, "details", id="gradients"))


@pytest.mark.parametrize(
    ("policy", "lines"),
    [
        (
            "prompt-masked",
            ["y[: P-1] = IGNORE_INDEX", "# y[: 7-1] = y[:6] is ignored, y[6..11] is trained", "# 6 of 12 positions"],
        ),
        (
            "unmasked",
            [
                "# y[: P-1] = IGNORE_INDEX",
                "# left out: nothing is ignored, y[0..11] is trained",
                "# 12 of 12 positions",
            ],
        ),
    ],
)
async def test_the_code_line_holds_this_word_s_numbers(
    open_page: OpenPage, ask_api: Any, policy: str, lines: list[str]
) -> None:
    page = await open_page(policy=policy)
    block = find(find(page, "details", id="code"), "pre", class_="for-on" if policy == POLICIES[0] else "for-off")
    code = "".join(block.itertext()).split("\n")
    loss = (await ask_api("analyze", policy=policy))["loss"]
    assert code[0] == lines[0]
    assert [line for line in code[1:] if line] == [
        "# s = <hello>olleh#   T = 13 tokens, P = 7 of them prompt",
        lines[1],
        f"{lines[2]}, loss {loss:.4f} nats",
    ]


@pytest.mark.parametrize("step", [0, 500, GAP_STEP])
async def test_what_both_models_write_is_there_without_a_script_and_the_api_s(
    open_page: OpenPage, ask_api: Any, text_of: TextOf, step: int
) -> None:
    page = await open_page(step=step)
    assert find(page, "live-generation").get("data-state") == "complete"
    for policy in POLICIES:
        answer = await ask_api("generate", policy=policy, step=step)
        written = [token["token"] for token in answer["tokens"]]
        assert letters(page, policy) == [(token, "olleh#"[i : i + 1] != token) for i, token in enumerate(written)]
        row = find(page, "tr", data_policy=policy)
        stopped, right = answer["finish_reason"] == "stop", answer["completion"] == "olleh#"
        cut_off = f"never stops ✗ (cut off after {len(written)})"
        expected = "right ✓" if right else "wrong ✗" if stopped else cut_off
        assert text_of(find(row, "span", class_="outcome")) == expected


async def test_a_model_that_stops_too_early_is_wrong_and_not_one_that_never_stops(
    open_page: OpenPage, ask_api: Any, text_of: TextOf
) -> None:
    word = "aaaaaaaaaa"
    answer = await ask_api("generate", policy="unmasked", prompt=word, step=100)
    assert (answer["finish_reason"], answer["completion"]) == ("stop", "aaaaaa#")
    row = find(await open_page(prompt=word, step=100), "tr", data_policy="unmasked")
    assert text_of(find(row, "span", class_="outcome")) == "wrong ✗"


# The same as JSON.


@pytest.mark.parametrize("query", [{}, {"policy": "unmasked", "step": "200"}, {"recipe": "reverse4", "prompt": "word"}])
async def test_the_json_link_and_the_curl_line_give_this_view(live_server: str, read_html: Any, query: Any) -> None:
    async with httpx.AsyncClient(base_url=live_server, timeout=60) as client:
        page = read_html((await client.get("/", params=query)).text)
        section = find(page, "details", id="json")
        link = find(section, "a").attrib["href"]
        command = shlex.split("".join(find(section, "pre").itertext()))
        name, silent, url, header_flag, header, data_flag, data = command
        assert (name, silent, header_flag, data_flag) == ("curl", "-s", "-H", "-d")
        header_name, header_value = header.split(": ")
        linked = await client.get(link)
        posted = await client.post(url, content=data, headers={header_name: header_value})
    assert url == f"{live_server}/api/v1/analyze"
    assert linked.status_code == posted.status_code == 200
    assert linked.json() == posted.json()
    answer = posted.json()
    assert (answer["policy"], answer["step"]) == (checked(page, "policy"), int(checked(page, "step")))
    assert answer["supervised_count"] == len(
        [e for e in cells(page, "targets") if "trained" in e.attrib["class"].split()]
    )


# The whole state is in the address.


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"policy": "prompt-masked", "step": str(GAP_STEP), "gradient": "parameter_norm", "position": "6"}),
        ({"policy": "unmasked"}, {"policy": "unmasked", "step": str(GAP_STEP), "position": "6"}),
        ({"step": "0", "gradient": "share", "position": "0"}, {"step": "0", "gradient": "share", "position": "0"}),
        ({"gradient": "input_norm", "position": "11"}, {"gradient": "input_norm", "position": "11"}),
        ({"recipe": "reverse4"}, {"step": "325", "position": "5"}),
        ({"recipe": "reverse4", "prompt": "mask", "policy": "unmasked", "step": "400"}, {"step": "400"}),
    ],
)
async def test_a_deep_link_opens_the_state_it_names(
    open_page: OpenPage, query: dict[str, str], expected: dict[str, str]
) -> None:
    page = await open_page(**query)
    assert {name: checked(page, name) for name in expected} == expected
    assert checked(page, "recipe") == query.get("recipe", "reverse")
    example = "abcd" if query.get("recipe") == "reverse4" else "hello"
    assert find(page, "input", name="prompt").attrib["value"] == query.get("prompt", example)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("-1", "0"),
        ("0", "0"),
        ("49", "0"),
        ("51", "100"),
        ("999", "1000"),
        ("3001", "3000"),
        ("9223372036854775808", "3000"),
        ("-" + "9" * 100, "0"),
        ("9" * 400, "3000"),
    ],
)
async def test_a_step_moves_to_the_nearest_kept_one(open_page: OpenPage, given: str, shown: str) -> None:
    assert checked(await open_page(step=given), "step") == shown


@pytest.mark.parametrize(
    ("word", "given", "shown"),
    [
        ("hello", "-1", "0"),
        ("hello", "12", "11"),
        ("a", "11", "3"),
        ("hello", "9" * 400, "11"),
        ("a", "-" + "9" * 99, "0"),
    ],
)
async def test_a_position_moves_to_the_nearest_there_is(
    open_page: OpenPage, text_of: TextOf, word: str, given: str, shown: str
) -> None:
    page = await open_page(prompt=word, position=given)
    assert checked(page, "position") == shown
    assert text_of(find(page, "h2", id="detail-heading")).startswith(f"Position {shown}:")


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({"recipe": "nope"}, 404, "There is no recipe 'nope'. Choose one of: reverse, reverse4"),
        ({"policy": "nope"}, 404, "There is no policy 'nope'. Choose one of: prompt-masked, unmasked"),
        (
            {"gradient": "nope"},
            404,
            "There is no gradient 'nope'. Choose one of: parameter_norm, share, logit_norm, input_norm",
        ),
        ({"step": "x"}, 422, "given 'x'"),
        ({"step": "nan"}, 422, "given 'nan'"),
        ({"position": "1.5"}, 422, "given '1.5'"),
        ({"step": "9" * 5000}, 422, "step"),
        ({"prompt": ""}, 422, "Write 1 to 10 characters; you wrote 0"),
        ({"prompt": "h3llo"}, 422, "Use letters a to z only: the 2nd character is 3"),
        ({"recipe": "reverse4", "prompt": "abcdefghijk"}, 422, "Write 1 to 10 characters; you wrote 11"),
    ],
)
async def test_an_address_that_cannot_be_shown_says_why_as_a_page_and_as_a_fragment(
    client: httpx.AsyncClient,
    read_html: Any,
    text_of: TextOf,
    query: dict[str, str],
    status: int,
    message: str,
) -> None:
    page = await client.get("/", params=query)
    fragment = await client.get("/", params=query, headers=PARTIAL)
    assert page.status_code == fragment.status_code == status
    root = read_html(page.text)
    assert root.find("html") is not None
    notices = [e for e in root.iter() if "notice" in (e.get("id"), e.get("class"))]
    assert message in text_of(notices[0])
    (notice,) = read_html(fragment.text)
    assert (notice.get("id"), notice.get("role")) == ("notice", "alert")
    assert message in text_of(notice)
    assert (fragment.headers["hx-retarget"], fragment.headers["hx-reswap"]) == ("#notice", "outerHTML")
    assert fragment.headers["hx-push-url"] == "false"


async def test_a_word_that_cannot_be_read_leaves_the_form_to_mend_it(open_page: OpenPage) -> None:
    page = await open_page(status=422, prompt="h3llo", policy="unmasked", recipe="reverse")
    field = find(page, "input", name="prompt")
    assert (field.attrib["value"], field.attrib["aria-invalid"]) == ("h3llo", "true")
    assert checked(page, "policy") == "unmasked"
    assert find_all(page, "table", class_="grid") == []


# Words of an attacker.

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<img onerror=x>",
    "\"><script>alert(1)</script><input value='",
    "' onfocus='alert(1)' autofocus='",
    "</title><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "{% include 'base.html' %}",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "\u202eolleh",
    "a\u0000b",
    "\ufffe\uffff",
    "👩‍👩‍👧",
    "a" * 3900,
    "\r\nSet-Cookie: a=b",
    "' ; rm -rf ~ ; '",
]


@pytest.mark.parametrize("word", HOSTILE, ids=lambda word: ascii(word)[:40])
async def test_a_hostile_word_is_refused_and_shown_as_text(
    client: httpx.AsyncClient, read_html: Any, word: str
) -> None:
    plain = read_html((await client.get("/", params={"prompt": "h3llo"})).text)
    response = await client.get("/", params={"prompt": word})
    assert response.status_code == 422
    assert "set-cookie" not in response.headers
    page = read_html(response.text)
    assert find(page, "input", name="prompt").attrib["value"] == word
    # The markup is that of any refused word: nothing of the word became an element or an attribute.
    assert [(e.tag, sorted(e.attrib)) for e in page.iter()] == [(e.tag, sorted(e.attrib)) for e in plain.iter()]
    fragment = await client.get("/", params={"prompt": word}, headers=PARTIAL)
    assert [e.tag for e in read_html(fragment.text).iter()] == ["root", "p"]


@pytest.mark.parametrize("name", ["recipe", "policy", "gradient", "step", "position", "shown"])
@pytest.mark.parametrize("value", ["<img src=x onerror=alert(1)>", "\u202e", "x" * 5000])
async def test_a_hostile_choice_is_refused_and_repeated_short_and_in_ascii(
    client: httpx.AsyncClient, read_html: Any, text_of: TextOf, name: str, value: str
) -> None:
    response = await client.get("/", params={name: value})
    assert response.status_code in (404, 422)
    page = read_html(response.text)
    assert find_all(page, "img") == []
    notice = text_of(find(page, "p", id="notice"))
    assert notice.isascii()
    assert len(notice) < 250


@pytest.mark.parametrize(
    "query", ["prompt=%00", "prompt=%ff%fe", "prompt=%ed%a0%80", "prompt=%", "%=%", "a=1&a=2&x[]=3"]
)
async def test_a_query_that_no_form_sends_is_answered(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/?{query}")).status_code == (422 if query.startswith("prompt") else 200)


# What htmx asks for.


@pytest.mark.parametrize("policy", POLICIES)
async def test_htmx_gets_the_view_with_its_title_and_address(
    client: httpx.AsyncClient, read_html: Any, text_of: TextOf, policy: str
) -> None:
    response = await client.get("/", params={"prompt": "hello", "policy": policy}, headers=PARTIAL)
    title, view = read_html(response.text)
    assert text_of(title).startswith("hello · ")
    assert (view.tag, view.get("id")) == ("div", "view")
    address = response.headers["hx-push-url"]
    assert {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}.items() >= {
        ("prompt", "hello"),
        ("policy", policy),
        ("step", "900"),
    }
    again = find(read_html((await client.get(address)).text), "div", id="view")
    assert again.attrib["data-prompt"] == "hello"
    assert {
        p: [c["chance"] for c in json.loads(e.attrib["data-figure"])["sides"][p]["cells"]]
        for e in (again,)
        for p in ("on", "off")
    } == {p: [c["chance"] for c in json.loads(view.attrib["data-figure"])["sides"][p]["cells"]] for p in ("on", "off")}


async def test_htmx_restoring_history_gets_the_whole_page(client: httpx.AsyncClient) -> None:
    response = await client.get("/", headers={"hx-request": "true", "hx-request-type": "full"})
    assert response.text.startswith("<!doctype html>")


async def test_htmx_gets_rows_to_stream_into_where_others_get_the_letters(open_page: OpenPage) -> None:
    fragment = await open_page(headers=PARTIAL)
    assert find(fragment, "live-generation").get("data-state") == "stream"
    assert [letters(fragment, policy) for policy in POLICIES] == [[], []]


@pytest.mark.parametrize("step", [0, 875, 3000])
async def test_another_step_comes_as_one_small_answer_that_is_the_page_s(
    client: httpx.AsyncClient, open_page: OpenPage, step: int
) -> None:
    query = {"recipe": "reverse", "prompt": "hello", "step": step}
    answer = await client.get("/figure", params=query)
    assert answer.status_code == 200
    assert answer.json() == json.loads(find(await open_page(**query), "div", id="view").attrib["data-figure"])
    assert len(gzip.compress(answer.content)) < 6000


@pytest.mark.parametrize(
    ("query", "status"), [({"prompt": "NO!"}, 422), ({"prompt": "no", "recipe": "nope"}, 404), ({"step": "x"}, 422)]
)
async def test_a_figure_that_cannot_be_drawn_is_refused_as_the_page_is(
    client: httpx.AsyncClient, query: dict[str, str], status: int
) -> None:
    assert (await client.get("/figure", params=query)).status_code == status


@pytest.mark.parametrize("headers", [{}, PARTIAL])
@pytest.mark.parametrize("query", ["", "?prompt=NO", "?recipe=nope", "?step=x"])
async def test_no_cache_takes_a_fragment_for_a_page(client: httpx.AsyncClient, query: str, headers: Any) -> None:
    response = await client.get(f"/{query}", headers=headers)
    assert "hx-request-type" in response.headers["vary"].lower()
    whole = not headers and response.status_code == 200
    assert response.headers["cache-control"] == ("no-cache" if whole else "no-store")
    assert ("etag" in response.headers) == whole


# The markup.

PAGES = [
    ("/", {}, 200),
    ("/?policy=unmasked&gradient=share&position=3&step=0", {}, 200),
    ("/?recipe=reverse4", {}, 200),
    ("/?present=on&hide=word,details&keys=off", {}, 200),
    ("/?prompt=<b>", {}, 422),
    ("/?recipe=nope", {}, 404),
    ("/nope", {}, 404),
    ("/?prompt=hello", PARTIAL, 200),
    ("/?prompt=<b>", PARTIAL, 422),
    ("/nope", PARTIAL, 404),
    ("/", {"host": "evil.example"}, 400),
]


@pytest.mark.parametrize(("path", "headers", "status"), PAGES)
async def test_no_page_holds_code_or_style_of_its_own(
    client: httpx.AsyncClient, read_html: Any, path: str, headers: dict[str, str], status: int
) -> None:
    response = await client.get(path, headers=headers)
    assert response.status_code == status
    for element in read_html(response.text).iter():
        assert element.tag != "style"
        assert element.tag != "script" or (element.attrib["src"].startswith("/static/") and not element.text)
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            assert not name.startswith(("hx-on", "hx-vals", "hx-headers")), (element.tag, name)
            assert name != "style", element.tag
            if element.attrib.get("property") == "og:image":  # those who show links take no address without a host
                value = value.removeprefix("http://localhost/")
            assert not value.strip().lower().startswith(("javascript:", "js:", "data:", "http:", "https:", "//"))


@pytest.mark.parametrize(("path", "headers", "status"), PAGES)
async def test_ids_are_unique_and_every_reference_to_one_leads_somewhere(
    client: httpx.AsyncClient, read_html: Any, path: str, headers: dict[str, str], status: int
) -> None:
    page = read_html((await client.get(path, headers=headers)).text)
    ids = [element.attrib["id"] for element in page.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for element in page.iter():
        for name in ("for", "aria-labelledby", "aria-describedby"):
            assert set(element.get(name, "").split()) <= set(ids), (element.tag, name)


@pytest.mark.parametrize("path", ["/", "/?recipe=reverse4&policy=unmasked", "/?prompt=NO", "/nope"])
async def test_every_address_a_page_names_exists(client: httpx.AsyncClient, read_html: Any, path: str) -> None:
    page = read_html((await client.get(path)).text)
    addresses = {
        e.attrib[name] for e in page.iter() for name in ("href", "src", "action", "hx-get") if name in e.attrib
    }
    assert addresses
    for address in addresses - {"#main", "#keys", "#figure"}:
        response = await client.get(address)
        assert response.status_code == 200, address


async def test_the_form_works_by_htmx_as_it_does_without(open_page: OpenPage) -> None:
    page = await open_page()
    form = find(page, "form", id="ask")
    assert (form.attrib["action"], form.attrib["method"]) == ("/", "get")
    assert form.attrib["hx-get"] == form.attrib["action"]
    controls = [e for e in page.iter() if e.tag in ("input", "select", "button") and "name" in e.attrib]
    assert {e.attrib["name"] for e in controls} == {
        *("present", "keys", "recipe", "shown", "prompt", "policy", "step", "gradient", "position", "mask"),
    }
    inside = list(form.iter())
    assert all(e in inside or e.attrib["form"] == "ask" for e in controls)


async def test_what_the_form_would_send_opens_the_same_view(client: httpx.AsyncClient, read_html: Any) -> None:
    address = "/?policy=unmasked&step=500&gradient=share&position=2&prompt=word&recipe=reverse"
    page = read_html((await client.get(address)).text)
    sent = [
        (e.attrib["name"], e.attrib["value"])
        for e in find_all(page, "input")
        if (e.get("type") != "radio" or "checked" in e.attrib) and "disabled" not in e.attrib
    ] + [("gradient", checked(page, "gradient"))]
    assert dict(sent).items() >= {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}.items()
    again = await client.get("/", params=sent)
    assert read_html(again.text).find(".//main") is not None
    assert [e.attrib for e in read_html(again.text).iter()] == [e.attrib for e in page.iter()]


async def test_the_page_is_told_in_words_and_not_by_colour_alone(open_page: OpenPage, text_of: TextOf) -> None:
    page = await open_page()
    assert find(page, "input", id="position-0").attrib["aria-label"] == "Position 0: reads <, must predict h"
    heads = [text_of(e) for e in find(page, "tr", class_="spans") if e.tag == "th"]
    assert heads[0] == "user ignored trained", "one word for each side of the switch"
    rows = find(find(page, "table", class_="grid"), "tbody")
    assert [text_of(row[0]).split(" on the")[0] for row in rows] == [
        *("reads", "must predict hatched: ignored", "gradient"),
        *("mask on predicts, %", "mask off predicts, %", "mask on writes: right ✓", "mask off writes: right ✓"),
    ]


@pytest.mark.parametrize("word", ["a", "zz", "abcdefghij"])
async def test_words_of_every_length_are_shown(open_page: OpenPage, text_of: TextOf, word: str) -> None:
    page = await open_page(prompt=word)
    assert len(cells(page, "reads")) == 2 * len(word) + 2
    assert find(page, "tr", data_policy="unmasked").attrib["data-answer"] == f"{word[::-1]}#"
    section = find(page, "details", id="json")
    assert json.loads(shlex.split(text_of(find(section, "pre")))[-1])["prompt"] == word
    assert f"prompt={quote(word)}" in find(section, "a").attrib["href"]


async def test_capitals_are_lower_cased(open_page: OpenPage) -> None:
    page = await open_page(prompt="HeLLo")
    assert find(page, "input", name="prompt").attrib["value"] == "hello"
    assert find(page, "div", id="view").attrib["data-prompt"] == "hello"


@pytest.mark.parametrize(
    ("mask", "words", "said"),
    [
        ("mask-late", ["ignored"] * 6 + ["lost"] + ["trained"] * 5, "1 of 12 positions are not"),
        ("mask-early", ["ignored"] * 5 + ["leaked"] + ["trained"] * 6, "1 of 12 positions are not"),
        ("eos-masked", ["ignored"] * 6 + ["trained"] * 5 + ["lost"], "5 are trained."),
        ("left-pad", ["ignored"] * 6 + ["trained"] * 6, "On one word by itself this changes no label."),
    ],
)
async def test_any_mask_can_be_laid_over_the_word_and_its_mistakes_are_named(
    open_page: OpenPage, text_of: TextOf, mask: str, words: list[str], said: str
) -> None:
    section = find(await open_page(mask=mask), "details", id="other-mask")
    assert [text_of(e) for e in find_all(section, "span", class_="word")] == words
    assert said in text_of(section)
    assert [e.attrib["value"] for e in find_all(section, "option")] == list(MASK_POLICIES)
    (chosen,) = (e.attrib["value"] for e in find_all(section, "option") if "selected" in e.attrib)
    assert chosen == mask


async def test_a_mask_that_does_not_exist_is_named(client: httpx.AsyncClient) -> None:
    response = await client.get("/", params={"mask": "nope"})
    assert response.status_code == 404
    assert "There is no policy &#39;nope&#39;" in response.text


# What all seeds say.


async def test_the_page_opens_where_all_seeds_agree_that_the_mask_helps(
    client: httpx.AsyncClient, read_html: Callable[[str], Element], text_of: TextOf
) -> None:
    page = read_html((await client.get("/")).text)
    assert (checked(page, "recipe"), checked(page, "step")) == ("reverse4", "325")
    said = text_of(find(page, "p", class_="seeds-said"))
    assert "At step 325 mask on is ahead in 10 of 10 seeds: 99.8 % against 12.9 % on average." in said
    assert "Every pair says the same." in said
    assert letters(page, "prompt-masked") == [(letter, False) for letter in "evil#"]
    assert any(wrong for _, wrong in letters(page, "unmasked"))


@pytest.mark.parametrize(("recipe", "step"), [("reverse4", 325), ("reverse", 900), ("reverse", 3000)])
async def test_every_seed_is_drawn_and_the_shown_one_is_marked(
    open_page: OpenPage, text_of: TextOf, recipe: str, step: int
) -> None:
    page = await open_page(recipe=recipe, step=step, prompt="live")
    figure = find(page, "figure", class_="seeds")
    dots = [*figure.iter("circle"), *figure.iter("rect")]
    assert len(dots) == 20
    assert len([dot for dot in dots if "shown" in dot.attrib["class"].split()]) == 2
    ablation = load_ablation(Settings().trained_folder)
    at = seeds_at(ablation.findings.ablation, ablation.comparison(recipe).setting, step)
    said = find(page, "p", class_="seeds-said")
    assert " ".join(at.sentence().split()) in text_of(said)
    assert "Ringed: seed 0." in text_of(said)
    counters = text_of(find(page, "dl", class_="counters"))
    for rate in (at.masked, at.unmasked):
        assert f"10 seeds {percent(rate.value, 1)}" in counters


async def test_a_word_of_another_length_moves_to_the_models_that_read_it_and_says_so(
    open_page: OpenPage, text_of: TextOf
) -> None:
    page = await open_page(recipe="reverse4", prompt="hello", step=325)
    assert (checked(page, "recipe"), checked(page, "step")) == ("reverse", "900")
    moved = text_of(find(page, "p", class_="moved"))
    assert moved == "5 letters: models for words of 1 to 10 letters"
    said = text_of(find(page, "p", class_="seeds-said"))
    assert "in 4 of 10 seeds, mask off in 6: 75.6 % against 70.3 % on average. One pair says little." in said
    assert not find_all(await open_page(recipe="reverse", prompt="abcd"), "p", class_="moved")


async def test_a_word_is_read_by_the_models_made_for_its_length_unless_others_are_asked_for(
    client: httpx.AsyncClient, read_html: Callable[[str], Element]
) -> None:
    async def opened(query: str) -> tuple[str, str]:
        page = read_html((await client.get(f"/?{query}")).text)
        return checked(page, "recipe"), checked(page, "step")

    assert await opened("prompt=live&step=450") == ("reverse4", "450")
    assert await opened("prompt=hello&step=1000") == ("reverse", "1000")
    assert await opened("prompt=live&recipe=reverse&step=1000") == ("reverse", "1000")
    # A step is meant for the models that were shown when it was chosen.
    assert await opened("prompt=hello&shown=reverse4&step=450") == ("reverse", "900")
    assert await opened("prompt=hello&recipe=reverse4&shown=reverse&step=1000") == ("reverse", "1000")


async def test_every_example_opens_what_it_tells(
    client: httpx.AsyncClient, read_html: Callable[[str], Element]
) -> None:
    page = read_html((await client.get("/")).text)
    tour, *chips = find(page, "nav", class_="examples")
    assert tour.get("href") == "/?tour=1"
    examples = KEPT_EXAMPLES.read(Settings().trained_folder)
    assert len(chips) == len(examples) == len(STORIES)
    for chip, example in zip(chips, examples, strict=True):
        shown = read_html((await client.get(chip.attrib["href"])).text)
        assert (checked(shown, "recipe"), checked(shown, "step")) == (example.recipe, str(example.step))
        written = {p: "".join(letter for letter, _ in letters(shown, p)) for p in POLICIES}
        assert written == {"prompt-masked": example.on, "unmasked": example.off}


# How it stands on a screen.

ON_STAGE = {"present": "on", "hide": "curve,switch", "keys": "off"}


def stage_of(page: Element) -> dict[str, str]:
    stage = find(page, "mask-figure").attrib
    return {"presents": str("presenting" in stage["class"].split())} | {n: stage[f"data-{n}"] for n in ("hide", "keys")}


async def test_the_address_says_what_is_presented_and_what_is_hidden(open_page: OpenPage, text_of: TextOf) -> None:
    plain = await open_page()
    assert stage_of(plain) == {"presents": "False", "hide": "", "keys": "on"}
    page = await open_page(**ON_STAGE)
    assert stage_of(page) == {"presents": "True", "hide": "switch curve", "keys": "off"}
    assert "2 hidden" in text_of(find(page, "present-mode"))
    assert "Nothing is broken: the address hides some parts" in text_of(find(page, "dialog", id="keys"))
    assert "hidden" not in text_of(find(plain, "present-mode")).split("can be hidden")[1]


async def test_it_stays_so_whatever_is_opened_next(client: httpx.AsyncClient, open_page: OpenPage) -> None:
    page = await open_page(**ON_STAGE)
    said = {"present": "on", "hide": "switch,curve", "keys": "off"}
    sent = {
        e.attrib["name"]: e.attrib["value"]
        for e in find_all(page, "input", type="hidden")
        if "disabled" not in e.attrib
    }
    assert said.items() <= sent.items()
    fragment = await client.get("/", params=sent | {"prompt": "wind"}, headers=PARTIAL)
    kept = {name: values[0] for name, values in parse_qs(urlsplit(fragment.headers["hx-push-url"]).query).items()}
    assert said.items() <= kept.items()
    for link in find(page, "nav", class_="examples")[1:]:
        assert said.items() <= {n: v[0] for n, v in parse_qs(urlsplit(link.attrib["href"]).query).items()}.items()
        assert not said.keys() & parse_qs(urlsplit(link.attrib["hx-get"]).query).keys(), "the form's fields say it"


async def test_its_links_change_one_thing_each(open_page: OpenPage, read_html: Any, client: httpx.AsyncClient) -> None:
    async def followed(page: Element, **attributes: str) -> Element:
        (link, *_) = find_all(page, "a", **attributes)
        return read_html((await client.get(link.attrib["href"])).text)

    page = await open_page(**ON_STAGE, position=3, policy="unmasked", step=500)
    was = stage_of(page)
    assert stage_of(await followed(page, data_tool="leave")) == was | {"presents": "False"}
    assert stage_of(await followed(page, data_tool="unhide")) == was | {"hide": ""}
    assert stage_of(await followed(page, data_keys="on")) == was | {"keys": "on"}
    left = await followed(page, data_tool="leave")
    assert [checked(left, n) for n in ("position", "policy", "step")] == ["3", "unmasked", "500"]
    assert stage_of(await followed(left, data_tool="present")) == was
    room = parse_qs(urlsplit(find_all(page, "a", data_tool="room")[0].attrib["href"]).query)["view"][0]
    assert stage_of(read_html((await client.get(room)).text)) == {
        "presents": "False",
        "hide": "switch curve",
        "keys": "on",
    }


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("hide=menu", 404, "There is no part to hide &#39;menu&#39;. Choose one of: word, examples, switch, gradient"),
        ("hide=<b>", 404, "There is no part to hide &#39;&lt;b&gt;&#39;"),
        ("hide=word&hide=switch", 422, "the address has this 2 times"),
        ("present=1", 422, "present: Input should be &#39;on&#39; or &#39;off&#39;; given &#39;1&#39;"),
        ("keys=no", 422, "keys: Input should be &#39;on&#39; or &#39;off&#39;"),
    ],
)
async def test_a_screen_that_cannot_be_is_named(client: httpx.AsyncClient, query: str, status: int, said: str) -> None:
    response = await client.get(f"/?{query}")
    assert response.status_code == status
    assert said in response.text


async def test_every_key_and_every_part_is_listed(open_page: OpenPage, text_of: TextOf) -> None:
    dialog = find(await open_page(), "dialog", id="keys")
    keys, parts = dialog.iter("dl")
    assert [text_of(e) for e in keys.iter("kbd")] == [name for key in KEYS for name in key.names]
    assert [text_of(e) for e in parts.iter("code")] == list(PARTS)
