"""The visualizer's page as the server writes it: complete without a script, equal to the API, safe with any word."""

import json
import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.charts.chips import GRADIENT_CHOICES
from app.settings import Settings
from model.experiments.ablation.seeds import seeds_at
from model.experiments.ablation.shipped import load_ablation
from model.masks.policies import MASK_POLICIES
from model.training.checkpoints import read_run
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
    return next(e.attrib["value"] for e in find_all(page, "input", type="radio", name=name) if "checked" in e.attrib)


# Every number is the API's.


@pytest.mark.parametrize("gradient", GRADIENT_CHOICES)
@pytest.mark.parametrize("policy", POLICIES)
async def test_chips_show_what_the_api_says(
    open_page: OpenPage, ask_api: Any, text_of: TextOf, policy: str, gradient: str
) -> None:
    page = await open_page(policy=policy, gradient=gradient)
    positions = (await ask_api("analyze", policy=policy))["positions"]
    values = [p["gradient"][gradient] for p in positions]
    span = max(0.0, *values) - min(0.0, *values)
    assert len(find_all(page, "label", class_="chip")) == len(positions) == 12
    for p, value in zip(positions, values, strict=True):
        chip = find(page, "label", id=f"chip-{p['position']}")
        shown = {
            name: text_of(find(chip, "span", class_=name)) for name in ("place", "input", "target", "word", "value")
        }
        assert shown == {
            "place": str(p["position"]),
            "input": p["input"],
            "target": p["target"],
            "word": "trained" if p["supervised"] else "ignored",
            "value": compact(value),
        }
        bar, line = find(chip, "rect"), find(chip, "line")
        y, height, baseline = (float(e.attrib[name]) for e, name in ((bar, "y"), (bar, "height"), (line, "y1")))
        assert height == pytest.approx(100 * abs(value) / span, abs=0.006)
        assert (y if value < 0 else y + height) == pytest.approx(baseline, abs=0.011)


async def test_targets_are_the_inputs_moved_by_one(open_page: OpenPage, text_of: TextOf) -> None:
    chips = find(await open_page(), "section", class_="mask")
    inputs = [text_of(e) for e in find_all(chips, "span", class_="input")]
    targets = [text_of(e) for e in find_all(chips, "span", class_="target")]
    assert inputs[1:] == targets[:-1]
    assert "".join([*inputs, targets[-1]]) == "<hello>olleh#"


async def test_chips_stand_in_the_segments_of_their_targets(open_page: OpenPage, text_of: TextOf) -> None:
    page = await open_page()
    segments = [
        (text_of(find(segment, "legend")), [text_of(e) for e in find_all(segment, "span", class_="target")])
        for segment in find_all(page, "fieldset", class_="segment")
    ]
    assert segments == [("user", list("hello")), ("template", [">"]), ("assistant", list("olleh#"))]


@pytest.mark.parametrize("step", [0, GAP_STEP, 3000])
async def test_predictions_show_what_the_api_says_of_both_models(
    open_page: OpenPage, ask_api: Any, text_of: TextOf, step: int
) -> None:
    page = await open_page(step=step)
    columns = list(find(page, "ol", class_="columns"))
    assert len(columns) == 12
    for policy in POLICIES:
        positions = (await ask_api("analyze", policy=policy, step=step))["positions"]
        for column, p in zip(columns, positions, strict=True):
            assert text_of(find(column, "span", class_="head")) == f"{p['position']} {p['input']}→{p['target']}"
            entries = find_all(find(column, "ul", class_=policy), "li")
            assert [
                (text_of(find(entry, "span", class_="token")), text_of(find(entry, "span", class_="probability")))
                for entry in entries
            ] == [(q["token"], f"{100 * q['probability']:.0f}") for q in p["predictions"][:3]]
            assert [entry.get("class") == "target" for entry in entries] == [
                q["token"] == p["target"] for q in p["predictions"][:3]
            ]
            (mark,) = find_all(column.find(f"ul[@class='{policy}']"), "span", class_="mark")  # type: ignore[arg-type]
            verdict = "✓ right" if p["predictions"][0]["token"] == p["target"] else "✗ wrong"
            assert text_of(mark) == (verdict if p["supervised"] else "· not trained here")


@pytest.mark.parametrize("position", [0, 6, 11])
@pytest.mark.parametrize("policy", POLICIES)
async def test_the_detail_shows_what_the_api_says_of_both_models(
    open_page: OpenPage, ask_api: Any, text_of: TextOf, policy: str, position: int
) -> None:
    detail = find(await open_page(policy=policy, position=position), "section", class_="detail")
    for side in POLICIES:
        p = (await ask_api("analyze", policy=side))["positions"][position]
        card = find(detail, "article", class_=side)
        assert text_of(find(card, "h3")).endswith("trained here" if p["supervised"] else "ignored here")
        rows = [[text_of(cell) for cell in row] for row in find_all(card, "tr")]
        assert rows == [
            [q["token"], "", percent(q["probability"], 1), "target" if q["token"] == p["target"] else ""]
            for q in p["predictions"]
        ]
        numbers = {text_of(find(e, "dt")): text_of(find(e, "dd")) for e in find(card, "dl")}
        counted = "" if p["supervised"] else " (not counted)"
        assert numbers == {
            "Probability of the target": percent(p["target_probability"], 1),
            f"Loss, −ln p{counted}": f"{p['loss']:.3f} nats",  # noqa: RUF001
        } | {f"Gradient {c.title}": compact(p["gradient"][c.field]) for c in GRADIENT_CHOICES.values()}


@pytest.mark.parametrize("policy", POLICIES)
async def test_counters_show_what_was_measured(
    open_page: OpenPage, ask_api: Any, client: httpx.AsyncClient, text_of: TextOf, policy: str
) -> None:
    counters = find(await open_page(policy=policy), "section", class_="counters")
    numbers = {text_of(find(e, "dt")): text_of(find(e, "dd")) for e in find(counters, "dl", class_="numbers measured")}
    answer = await ask_api("analyze", policy=policy)
    trained, ignored = answer["supervised_count"], answer["ignored_count"]
    expected = {
        "Trained positions": f"{trained} of 12",
        "Ignored positions": f"{ignored} of 12",
        "Utilisation": f"{percent(trained / 12)} of positions are in the loss",
    }
    runs = (await client.get("/api/v1/recipes")).json()["recipes"][0]["runs"]
    for run in (run for run in runs if run["policy"] in POLICIES):
        measured = next(m for m in run["metrics"] if m["step"] == GAP_STEP)
        rate, accuracy = measured["exact_match"], measured["token_accuracy"]
        name = f"Unseen words right, {'mask-on' if run['policy'] == POLICIES[0] else 'mask-off'} model, seed 0"
        expected[name] = " ".join(
            f"{percent(rate['value'], 1)} {percent(rate['low'], 1)} to {percent(rate['high'], 1)} · "
            f"{percent(accuracy['value'], 1)} of answer tokens".split()
        )
        assert f"{rate['n']:,} words never trained on" in text_of(counters)
    assert {name: " ".join(value.split()) for name, value in numbers.items()} == expected
    assert "Measured at step 900" in text_of(counters)


@pytest.mark.parametrize(("recipe", "perfect"), [("reverse", 3.125), ("reverse4", 2.606)])
async def test_what_is_left_to_guess_of_a_prompt_is_said_of_letters_and_end_together(
    open_page: OpenPage, client: httpx.AsyncClient, text_of: TextOf, recipe: str, perfect: float
) -> None:
    page = await open_page(recipe=recipe, prompt="abcd")
    told = text_of(find(page, "p", class_="guessing"))
    recipes = {r["slug"]: r for r in (await client.get("/api/v1/recipes")).json()["recipes"]}
    last = {run["policy"]: run["metrics"][-1]["loss"] for run in recipes[recipe]["runs"]}["unmasked"]
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
    on = text_of(find(await open_page(), "p", class_="change"))
    off = text_of(find(await open_page(policy="unmasked"), "p", class_="change"))
    assert on.startswith("Mask on: 6 of 12 predictions are trained")
    assert "those of the answer (off: all 12)" in on
    assert off.startswith("Mask off: all 12 predictions are trained (on: 6, those of the answer).")
    metrics = {
        policy: read_run(Settings().trained_folder / "reverse" / policy).metrics_at(GAP_STEP)
        for policy in ("prompt-masked", "unmasked")
    }
    for line in (on, off):
        for measured in metrics.values():
            assert percent(measured.exact_match.value, 1) in line
    legend = text_of(find(await open_page(policy="unmasked"), "div", class_="mask-foot"))
    assert f"have shares of {share} together" in legend


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
    section = find(await open_page(policy=policy), "section", class_="code")
    code = "".join(find_all(section, "pre")[0].itertext()).split("\n")
    loss = (await ask_api("analyze", policy=policy))["loss"]
    assert code[0] == lines[0]
    assert [line for line in code[1:] if line] == [
        "# s = <hello>olleh#   T = 13 tokens, P = 7 of them prompt",
        lines[1],
        f"{lines[2]}, loss {loss:.4f} nats",
    ]


@pytest.mark.parametrize("step", [0, 500, GAP_STEP])
async def test_generations_without_a_script_are_complete_and_the_api_s(
    open_page: OpenPage, ask_api: Any, text_of: TextOf, step: int
) -> None:
    page = await open_page(generate=1, step=step)
    element = find(page, "live-generation")
    assert element.get("data-state") == "complete"
    for policy in POLICIES:
        lane = find(page, "div", data_policy=policy)
        answer = await ask_api("generate", policy=policy, step=step)
        tokens = [e.text for e in find_all(lane, "span") if "token" in e.get("class", "").split()]
        assert tokens == [token["token"] for token in answer["tokens"]]
        count = len(answer["tokens"])
        how = (
            f"Stopped at # after {count} tokens"
            if answer["finish_reason"] == "stop"
            else f"Cut off at the cap of {count} tokens: it never wrote #"
        )
        right = "right ✓" if answer["completion"] == "olleh#" else "wrong ✗"
        assert text_of(find(lane, "p", class_="outcome")) == f"{how}: {right}."


async def test_nothing_is_generated_until_somebody_asks(open_page: OpenPage, text_of: TextOf) -> None:
    page = await open_page()
    assert find(page, "live-generation").get("data-state") == "idle"
    assert [text_of(e) for e in find_all(page, "span", class_="tokens")] == ["", ""]
    assert find(page, "button", class_="start").attrib["name"] == "generate"


# The same as JSON.


@pytest.mark.parametrize("query", [{}, {"policy": "unmasked", "step": "200"}, {"recipe": "reverse4", "prompt": "word"}])
async def test_the_json_link_and_the_curl_line_give_this_view(live_server: str, read_html: Any, query: Any) -> None:
    async with httpx.AsyncClient(base_url=live_server, timeout=60) as client:
        page = read_html((await client.get("/", params=query)).text)
        section = find(page, "section", class_="code")
        link = find(section, "a").attrib["href"]
        command = shlex.split("".join(find_all(section, "pre")[1].itertext()))
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
    assert answer["supervised_count"] == len(find_all(page, "label", class_="chip trained"))


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
    assert find(page, "input", name="recipe").attrib["value"] == query.get("recipe", "reverse")
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
        ({"generate": "perhaps"}, 422, "given 'perhaps'"),
        ({"prompt": ""}, 422, "Write 1 to 10 characters; you wrote 0"),
        ({"prompt": "HELLO"}, 422, "Use letters a to z only: the 1st character is H"),
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
    page = await open_page(status=422, prompt="HELLO", policy="unmasked", recipe="reverse")
    field = find(page, "input", name="prompt")
    assert (field.attrib["value"], field.attrib["aria-invalid"]) == ("HELLO", "true")
    assert checked(page, "policy") == "unmasked"
    assert find_all(page, "label", class_="chip") == []


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
    "a" * 5000,
    "\r\nSet-Cookie: a=b",
    "' ; rm -rf ~ ; '",
]


@pytest.mark.parametrize("word", HOSTILE, ids=lambda word: ascii(word)[:40])
async def test_a_hostile_word_is_refused_and_shown_as_text(
    client: httpx.AsyncClient, read_html: Any, word: str
) -> None:
    plain = read_html((await client.get("/", params={"prompt": "HELLO"})).text)
    response = await client.get("/", params={"prompt": word})
    assert response.status_code == 422
    assert "set-cookie" not in response.headers
    page = read_html(response.text)
    assert find(page, "input", name="prompt").attrib["value"] == word
    # The markup is that of any refused word: nothing of the word became an element or an attribute.
    assert [(e.tag, sorted(e.attrib)) for e in page.iter()] == [(e.tag, sorted(e.attrib)) for e in plain.iter()]
    fragment = await client.get("/", params={"prompt": word}, headers=PARTIAL)
    assert [e.tag for e in read_html(fragment.text).iter()] == ["root", "p"]


@pytest.mark.parametrize("name", ["recipe", "policy", "gradient", "step", "position", "generate"])
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
async def test_htmx_gets_the_form_and_nothing_around_it(client: httpx.AsyncClient, read_html: Any, policy: str) -> None:
    response = await client.get("/", params={"policy": policy}, headers=PARTIAL)
    whole = read_html((await client.get("/", params={"policy": policy})).text)
    (form,) = read_html(response.text)
    assert (form.tag, form.get("id")) == ("form", "view")
    assert [e.attrib for e in form.iter()] == [e.attrib for e in find(whole, "form", id="view").iter()]


async def test_htmx_restoring_history_gets_the_whole_page(client: httpx.AsyncClient) -> None:
    response = await client.get("/", headers={"hx-request": "true", "hx-request-type": "full"})
    assert response.text.startswith("<!doctype html>")


async def test_htmx_gets_lanes_to_stream_into_where_others_get_the_text(open_page: OpenPage, text_of: TextOf) -> None:
    fragment = await open_page(headers=PARTIAL, generate=1)
    assert find(fragment, "live-generation").get("data-state") == "stream"
    assert [text_of(e) for e in find_all(fragment, "span", class_="tokens")] == ["", ""]
    assert find(fragment, "input", type="hidden", name="generate").attrib["value"] == "1"


@pytest.mark.parametrize("headers", [{}, PARTIAL])
@pytest.mark.parametrize("query", ["", "?prompt=NO", "?recipe=nope", "?step=x"])
async def test_no_cache_takes_a_fragment_for_a_page(client: httpx.AsyncClient, query: str, headers: Any) -> None:
    response = await client.get(f"/{query}", headers=headers)
    assert response.headers["cache-control"] == "no-store"
    assert "hx-request-type" in response.headers["vary"].lower()


# The markup.

PAGES = [
    ("/", {}, 200),
    ("/?policy=unmasked&gradient=share&position=3&step=0&generate=1", {}, 200),
    ("/?recipe=reverse4", {}, 200),
    ("/?prompt=<b>", {}, 422),
    ("/?recipe=nope", {}, 404),
    ("/nope", {}, 404),
    ("/?generate=1", PARTIAL, 200),
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
    for address in addresses - {"#main"}:
        response = await client.get(address)
        assert response.status_code == 200, address


async def test_the_form_works_by_htmx_as_it_does_without(open_page: OpenPage) -> None:
    form = find(await open_page(), "form", id="view")
    assert (form.attrib["action"], form.attrib["method"]) == ("/", "get")
    assert form.attrib["hx-get"] == form.attrib["action"]
    names = {e.attrib["name"] for e in form.iter() if e.tag in ("input", "button") and "name" in e.attrib}
    assert names == {"recipe", "prompt", "policy", "step", "gradient", "position", "generate"}


async def test_what_the_form_would_send_opens_the_same_view(client: httpx.AsyncClient, read_html: Any) -> None:
    address = "/?policy=unmasked&step=500&gradient=share&position=2&prompt=word&generate=1"
    page = read_html((await client.get(address)).text)
    sent = [
        (e.attrib["name"], e.attrib["value"])
        for e in find_all(page, "input")
        if e.get("type") != "radio" or "checked" in e.attrib
    ]
    assert dict(sent).items() >= {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}.items()
    again = await client.get("/", params=sent)
    assert read_html(again.text).find(".//main") is not None
    assert [e.attrib for e in read_html(again.text).iter()] == [e.attrib for e in page.iter()]


async def test_the_page_is_told_in_words_and_not_by_colour_alone(open_page: OpenPage) -> None:
    page = await open_page()
    labels = [find(page, "input", id=f"position-{t}").attrib["aria-label"] for t in range(12)]
    assert labels[0].startswith("Position 0: reads <, target h, ignored, gradient 0")
    assert labels[6].startswith("Position 6: reads >, target o, trained, gradient ")


@pytest.mark.parametrize("word", ["a", "zz", "abcdefghij"])
async def test_words_of_every_length_are_shown(open_page: OpenPage, text_of: TextOf, word: str) -> None:
    page = await open_page(prompt=word, generate=1)
    assert len(find_all(page, "label", class_="chip")) == 2 * len(word) + 2
    assert f"A right answer is {word[::-1]}#." in text_of(page)
    assert json.loads(shlex.split(text_of(find_all(page, "pre")[-1]))[-1])["prompt"] == word
    assert f"prompt={quote(word)}" in find(find(page, "section", class_="code"), "a").attrib["href"]


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
    section = find(await open_page(mask=mask), "section", class_="other-mask")
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
    assert find(page, "input", name="recipe").attrib["value"] == "reverse4"
    assert checked(page, "step") == "325"
    seeds = find(page, "figure", class_="seeds")
    assert "At step 325 mask on is ahead in 10 of 10 seeds: 99.8 % against 12.9 % on average." in text_of(seeds)
    assert "Every pair says the same." in text_of(seeds)


@pytest.mark.parametrize(("recipe", "step"), [("reverse4", 325), ("reverse", 900), ("reverse", 3000)])
async def test_every_seed_is_drawn_and_the_shown_one_is_marked(
    open_page: OpenPage, text_of: TextOf, recipe: str, step: int
) -> None:
    figure = find(await open_page(recipe=recipe, step=step), "figure", class_="seeds")
    dots = [*figure.iter("circle"), *figure.iter("rect")]
    assert len(dots) == 20
    assert len([dot for dot in dots if "shown" in dot.attrib["class"].split()]) == 2
    ablation = load_ablation(Settings().trained_folder)
    at = seeds_at(ablation.findings.ablation, ablation.comparison(recipe).setting, step)
    assert at.sentence() in text_of(figure)
    assert [text_of(b) for b in figure.iter("b")] == [percent(at.masked.value, 1), percent(at.unmasked.value, 1)]
    assert "Ringed: seed 0" in text_of(figure)


async def test_a_word_of_another_length_moves_to_the_models_that_read_it_and_says_so(
    open_page: OpenPage, text_of: TextOf
) -> None:
    page = await open_page(recipe="reverse4", prompt="hello", step=325)
    assert find(page, "input", name="recipe").attrib["value"] == "reverse"
    assert checked(page, "step") == "900"
    moved = text_of(find(page, "p", class_="moved"))
    assert "“hello” has 5 letters, so these are now the models for words of 1 to 10 letters." in moved
    assert "in 4 of 10 seeds: 75.6 % against 70.3 % on average. One pair tells you little here." in moved
    assert not find_all(await open_page(recipe="reverse", prompt="abcd"), "p", class_="moved")
