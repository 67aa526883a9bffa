"""/api/v1: what a script is answered, what a link is answered, and what is refused in which words."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.catalog import Catalog
from model.experiments.shipped import SHIPPED_RUNS
from model.explain.analysis import analyze
from model.masks.policies import MASK_POLICIES
from model.network.generation import generate
from model.training.conversations import prompt_ids
from model.training.recipes import ALL_RECIPES, RECIPES

pytestmark = pytest.mark.anyio

HELLO = {"recipe": "reverse", "prompt": "hello", "policy": "prompt-masked"}
JSON_TYPE = {"content-type": "application/json"}
ReadEvents = Callable[[str], list[dict[str, Any]]]


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error a response carries, after a look at its shape."""
    assert 400 <= response.status_code < 500, (response.status_code, response.text[:500])
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert list(error) == ["type", "message", "param", "code"]
    assert error["type"] in {"invalid_request", "not_found", "rate_limit", "overloaded"}
    assert error["message"]
    assert "Traceback" not in response.text
    return error


# What can be asked for.


async def test_recipes_name_their_vocabulary_and_limits(client: httpx.AsyncClient) -> None:
    recipes = (await client.get("/api/v1/recipes")).json()["recipes"]
    assert [recipe["slug"] for recipe in recipes] == list(ALL_RECIPES)
    reverse, reverse4, dialogue, *_ = recipes
    assert "".join(reverse4["vocabulary"]) == "abcdefghijklmnopqrstuvwxyz<>#"
    assert reverse["vocabulary"] == [*reverse4["vocabulary"], "[pad]"]
    assert reverse["limits"] == {"prompt_min_length": 1, "prompt_max_length": 10, "context_length": 32}
    assert reverse4["limits"] == {"prompt_min_length": 4, "prompt_max_length": 4, "context_length": 16}
    assert "".join(dialogue["vocabulary"][:30]) == "abcdefghijklmnopqrstuvwxyz1<>#"


async def test_recipes_measure_each_run_step_by_step_with_intervals(client: httpx.AsyncClient) -> None:
    for recipe in (await client.get("/api/v1/recipes")).json()["recipes"]:
        shipped = {policy for slug, policy in SHIPPED_RUNS if slug == recipe["slug"]}
        policies = [run["policy"] for run in recipe["runs"]]
        assert policies == [policy for policy in MASK_POLICIES if policy in shipped]
        for run in recipe["runs"]:
            steps = [measured["step"] for measured in run["metrics"]]
            assert steps == sorted(set(steps))
            assert (steps[0], steps[-1]) == (0, run["steps"])
            words = ALL_RECIPES[recipe["slug"]].training.evaluation_words
            for measured in run["metrics"]:
                for name in ("exact_match", "token_accuracy", "stop_rate"):
                    rate = measured[name]
                    low, value, high = rate["low"], rate["value"], rate["high"]
                    assert 0 <= low <= value + 1e-12 <= high + 2e-12 <= 1 + 2e-12, (name, rate)
                    assert rate["n"] == words


async def test_every_step_said_to_be_kept_can_be_asked_for_and_no_other(client: httpx.AsyncClient) -> None:
    for recipe in (await client.get("/api/v1/recipes")).json()["recipes"]:
        word = ALL_RECIPES[recipe["slug"]].task.example
        for run in recipe["runs"]:
            for measured in run["metrics"]:
                body = {"recipe": recipe["slug"], "policy": run["policy"], "prompt": word, "step": measured["step"]}
                response = await client.post("/api/v1/generate", json=body | {"max_new_tokens": 1})
                assert response.status_code == (200 if measured["kept"] else 422), (body, response.text)


# analyze


async def test_analyze_hello_prompt_masked_trains_exactly_the_answer(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/api/v1/analyze", json=HELLO)).json()
    assert (answer["sequence_length"], answer["prompt_length"]) == (13, 7)
    assert answer["tokens"] == list("<hello>olleh#")
    assert answer["token_ids"] == [26, 7, 4, 11, 11, 14, 27, 14, 11, 11, 4, 7, 28]
    assert [p["position"] for p in answer["positions"]] == list(range(12))
    assert "".join(p["input"] for p in answer["positions"]) == "<hello>olleh"
    assert "".join(p["target"] for p in answer["positions"]) == "hello>olleh#"
    supervised = [p for p in answer["positions"] if p["supervised"]]
    assert [p["position"] for p in supervised] == [6, 7, 8, 9, 10, 11]
    assert [p["target"] for p in supervised] == ["o", "l", "l", "e", "h", "#"]
    assert (answer["supervised_count"], answer["ignored_count"]) == (6, 6)
    assert (answer["recipe"], answer["policy"], answer["trained_with"]) == ("reverse", "prompt-masked", "prompt-masked")
    assert answer["similarity"] is None


async def test_analyze_hello_unmasked_trains_all_twelve(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/api/v1/analyze", json=HELLO | {"policy": "unmasked"})).json()
    assert [p["position"] for p in answer["positions"] if p["supervised"]] == list(range(12))
    assert (answer["supervised_count"], answer["ignored_count"]) == (12, 0)
    assert answer["trained_with"] == "unmasked"


@pytest.mark.parametrize("policy", ["prompt-masked", "unmasked"])
async def test_the_loss_is_the_mean_of_the_supervised_positions(client: httpx.AsyncClient, policy: str) -> None:
    answer = (await client.post("/api/v1/analyze", json=HELLO | {"policy": policy, "step": 1000})).json()
    losses = [p["loss"] for p in answer["positions"] if p["supervised"]]
    assert answer["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-6)


async def test_ignored_positions_have_no_gradient_of_their_own_but_one_flows_through_them(
    client: httpx.AsyncClient,
) -> None:
    answer = (await client.post("/api/v1/analyze", json=HELLO | {"step": 1000})).json()
    for p in answer["positions"]:
        gradient = p["gradient"]
        own = (gradient["logit_norm"], gradient["parameter_norm"], gradient["share"])
        if p["supervised"]:
            assert min(gradient["logit_norm"], gradient["parameter_norm"]) > 0
            assert gradient["share"] != 0
        else:
            assert own == (0, 0, 0)
            assert gradient["input_norm"] > 0
    assert sum(p["gradient"]["share"] for p in answer["positions"]) == pytest.approx(1, abs=1e-5)


async def test_trained_with_changes_the_weights_and_not_the_objective(client: httpx.AsyncClient) -> None:
    own = (await client.post("/api/v1/analyze", json=HELLO)).json()
    crossed = (
        await client.post("/api/v1/analyze", json=HELLO | {"policy": "unmasked", "trained_with": "prompt-masked"})
    ).json()
    assert (crossed["policy"], crossed["trained_with"]) == ("unmasked", "prompt-masked")
    assert crossed["supervised_count"] == 12
    for own_position, crossed_position in zip(own["positions"], crossed["positions"], strict=True):
        assert own_position["predictions"] == crossed_position["predictions"]
        assert own_position["loss"] == crossed_position["loss"]


async def test_step_names_the_checkpoint_and_is_by_default_the_last(client: httpx.AsyncClient) -> None:
    untrained = (await client.post("/api/v1/analyze", json=HELLO | {"step": 0})).json()
    last = (await client.post("/api/v1/analyze", json=HELLO)).json()
    assert (untrained["step"], last["step"]) == (0, 3000)
    assert untrained["loss"] > 3  # near ln 30, a guess among all tokens
    assert last["loss"] < 0.1


@pytest.mark.parametrize(("response", "targets"), [("", "#"), ("zz", "zz#"), ("olleh", "olleh#")])
async def test_response_replaces_the_right_answer(client: httpx.AsyncClient, response: str, targets: str) -> None:
    answer = (await client.post("/api/v1/analyze", json=HELLO | {"response": response})).json()
    assert "".join(answer["tokens"]) == f"<hello>{response}#"
    assert "".join(p["target"] for p in answer["positions"] if p["supervised"]) == targets


@pytest.mark.parametrize("top_k", [1, 5, 30])
async def test_top_k_predictions_come_most_likely_first(client: httpx.AsyncClient, top_k: int) -> None:
    answer = (await client.post("/api/v1/analyze", json=HELLO | {"top_k": top_k, "step": 200})).json()
    for p in answer["positions"]:
        probabilities = [prediction["probability"] for prediction in p["predictions"]]
        assert len(probabilities) == len({prediction["token"] for prediction in p["predictions"]}) == top_k
        assert probabilities == sorted(probabilities, reverse=True)
        if top_k == 30:
            assert sum(probabilities) == pytest.approx(1, abs=1e-5)
            of_target = next(q["probability"] for q in p["predictions"] if q["token"] == p["target"])
            assert of_target == pytest.approx(p["target_probability"], rel=1e-4)


async def test_similarity_holds_the_cosines_of_all_pairs_of_supervised_positions(client: httpx.AsyncClient) -> None:
    cosines = (await client.post("/api/v1/analyze", json=HELLO | {"similarity": True, "step": 1000})).json()[
        "similarity"
    ]
    assert [len(row) for row in cosines] == [12] * 12
    for s, row in enumerate(cosines):
        for t, cosine in enumerate(row):
            assert cosine == pytest.approx(cosines[t][s], abs=1e-6)
            if min(s, t) < 6:
                assert cosine == 0
            elif s == t:
                assert cosine == pytest.approx(1, abs=1e-5)
            else:
                assert -1 <= cosine <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"policy": "unmasked", "trained_with": "prompt-masked", "step": 500},
        {"response": "abc", "top_k": 2, "similarity": True},
        {"recipe": "reverse4", "prompt": "abcd"},
    ],
)
async def test_a_link_is_answered_as_a_script_is(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    posted = await client.post("/api/v1/analyze", json=HELLO | changes)
    linked = await client.get("/api/v1/analyze", params=HELLO | changes)
    assert posted.status_code == linked.status_code == 200
    assert posted.json() == linked.json()


@pytest.mark.parametrize("policy", ["prompt-masked", "unmasked"])
async def test_every_number_is_the_domain_s(client: httpx.AsyncClient, catalog: Catalog, policy: str) -> None:
    recipe = RECIPES["reverse"]
    model, _ = catalog.model(recipe, policy, 1200)
    expected = asdict(analyze(recipe, model, MASK_POLICIES[policy], "mask"))
    body = HELLO | {"prompt": "mask", "policy": policy, "step": 1200, "similarity": True}
    answer = (await client.post("/api/v1/analyze", json=body)).json()
    for position in expected["positions"]:
        del position["input_segment"], position["target_segment"]
    assert json.loads(json.dumps(expected)) == {name: answer[name] for name in expected}


# generate


async def test_generate_answers_hello(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/api/v1/generate", json=HELLO)).json()
    assert (answer["prompt"], answer["text"], answer["completion"]) == ("hello", "<hello>olleh#", "olleh#")
    assert "".join(token["token"] for token in answer["tokens"]) == "olleh#"
    assert all(0 < token["probability"] <= 1 for token in answer["tokens"])
    assert (answer["finish_reason"], answer["step"]) == ("stop", 3000)


@pytest.mark.parametrize("word", ["a", "hello", "abcdefghij"])
@pytest.mark.parametrize("step", [0, 700, 3000])
async def test_generate_and_its_stream_give_the_model_s_own_tokens(
    client: httpx.AsyncClient, catalog: Catalog, read_events: ReadEvents, word: str, step: int
) -> None:
    recipe = RECIPES["reverse"]
    model, _ = catalog.model(recipe, "unmasked", step)
    ids = prompt_ids(recipe, word)
    (expected,) = generate(model, [ids], stop_id=recipe.tokenizer.end_of_turn_id)
    body = {"recipe": "reverse", "policy": "unmasked", "prompt": word, "step": step}
    plain = (await client.post("/api/v1/generate", json=body)).json()
    stream = await client.post("/api/v1/generate", json=body | {"stream": True})
    assert plain["completion"] == recipe.tokenizer.decode(expected.token_ids)
    assert plain["finish_reason"] == expected.finish_reason
    assert [t["probability"] for t in plain["tokens"]] == pytest.approx(expected.probabilities, rel=1e-4)
    assert read_events(stream.text)[-1]["data"] == plain


async def test_a_stream_counts_from_one_without_a_gap_and_ends_with_done(
    client: httpx.AsyncClient, read_events: ReadEvents
) -> None:
    response = await client.post("/api/v1/generate", json=HELLO | {"stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    events = read_events(response.text)
    assert [event["id"] for event in events] == list(range(1, 8))
    assert [event["event"] for event in events] == ["token"] * 6 + ["done"]
    assert "".join(event["data"]["token"] for event in events[:-1]) == "olleh#"
    assert events[-1]["data"]["tokens"] == [event["data"] for event in events[:-1]]


@pytest.mark.parametrize("cap", [1, 3])
async def test_max_new_tokens_cuts_an_answer_off_and_says_so(
    client: httpx.AsyncClient, read_events: ReadEvents, cap: int
) -> None:
    plain = (await client.post("/api/v1/generate", json=HELLO | {"max_new_tokens": cap})).json()
    assert (plain["completion"], plain["finish_reason"]) == ("olleh#"[:cap], "length")
    stream = await client.post("/api/v1/generate", json=HELLO | {"max_new_tokens": cap, "stream": True})
    assert read_events(stream.text)[-1]["data"] == plain


async def test_by_default_an_answer_may_fill_the_context_and_not_more(
    client: httpx.AsyncClient,
) -> None:
    body = HELLO | {"step": 0}
    untrained = (await client.post("/api/v1/generate", json=body)).json()
    assert untrained["finish_reason"] == "length"
    assert len(untrained["tokens"]) == 26  # 32 positions read 7 prompt tokens and 25 of these; the last is not read
    all_of_it = (await client.post("/api/v1/generate", json=body | {"max_new_tokens": 26})).json()
    assert all_of_it == untrained
    refused = await client.post("/api/v1/generate", json=body | {"max_new_tokens": 27})
    assert error_of(refused)["message"] == "max_new_tokens is 27; allowed after this prompt: 1 to 26"


@pytest.mark.parametrize(
    "changes", [{"prompt": "HELLO"}, {"step": 7}, {"policy": "nope"}, {"max_new_tokens": 99}, {"extra": 1}]
)
async def test_a_stream_is_refused_before_it_begins(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    plain = await client.post("/api/v1/generate", json=HELLO | changes)
    stream = await client.post("/api/v1/generate", json=HELLO | changes | {"stream": True})
    assert error_of(stream) == error_of(plain)
    assert stream.status_code == plain.status_code


# What is refused, and in which words.

BOTH = ("analyze", "generate")


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    ("changes", "status", "param", "message"),
    [
        ({"recipe": "nope"}, 404, "recipe", f"there is no recipe 'nope'; allowed: {', '.join(ALL_RECIPES)}"),
        (
            {"step": 7},
            422,
            "step",
            "step 7 was not kept; allowed: 0, 100, 200, 300, 400, 500, 600, 700, 800, "
            "900, 1000, 1100, 1200, 1300, 1500, 1750, 2000, 2500, 3000",
        ),
        ({"prompt": ""}, 422, "prompt", "the prompt has 0 characters; allowed: 1 to 10"),
        ({"prompt": "abcdefghijk"}, 422, "prompt", "the prompt has 11 characters; allowed: 1 to 10"),
        ({"prompt": "Hello"}, 422, "prompt", "character 1 is 'H' (U+0048); allowed: a-z"),
        ({"prompt": "a<b"}, 422, "prompt", "character 2 is '<' (U+003C); allowed: a-z"),
        ({"prompt": "a\0"}, 422, "prompt", "character 2 is '\\x00' (U+0000); allowed: a-z"),
        ({"prompt": "\u202eab"}, 422, "prompt", "character 1 is '\\u202e' (U+202E); allowed: a-z"),
        ({"prompt": "😀"}, 422, "prompt", "character 1 is '\\U0001f600' (U+1F600); allowed: a-z"),
        ({"prompt": "ａ"}, 422, "prompt", "character 1 is '\\uff41' (U+FF41); allowed: a-z"),  # noqa: RUF001
        ({"recipe": "reverse4"}, 422, "prompt", "the prompt has 5 characters; allowed: exactly 4"),
    ],
)
async def test_what_the_domain_refuses_is_said_in_its_words(
    client: httpx.AsyncClient, path: str, changes: dict[str, Any], status: int, param: str, message: str
) -> None:
    response = await client.post(f"/api/v1/{path}", json=HELLO | changes)
    error = error_of(response)
    assert (response.status_code, error["param"], error["message"]) == (status, param, message)
    assert error["type"] == ("not_found" if status == 404 else "invalid_request")


@pytest.mark.parametrize(
    ("path", "changes", "status", "param", "allowed"),
    [
        ("analyze", {"policy": "nope"}, 404, "policy", "prompt-masked, unmasked"),
        ("generate", {"policy": "nope"}, 404, "policy", "prompt-masked, unmasked"),
        ("analyze", {"trained_with": "nope"}, 404, "trained_with", "prompt-masked, unmasked"),
        ("analyze", {"response": "NO"}, 422, "response", "a-z"),
        ("analyze", {"response": "a" * 26}, 422, "response", "25 characters"),
        ("analyze", {"top_k": 31}, 422, "top_k", "1 to 30"),
        ("analyze", {"top_k": 0}, 422, "top_k", "greater than or equal to 1"),
        ("analyze", {"top_k": 65}, 422, "top_k", "less than or equal to 64"),
        ("generate", {"max_new_tokens": 0}, 422, "max_new_tokens", "greater than or equal to 1"),
        ("generate", {"max_new_tokens": 4097}, 422, "max_new_tokens", "less than or equal to 4096"),
    ],
)
async def test_a_field_of_one_call_is_bounded_on_both_sides(
    client: httpx.AsyncClient, path: str, changes: dict[str, Any], status: int, param: str, allowed: str
) -> None:
    response = await client.post(f"/api/v1/{path}", json=HELLO | changes)
    error = error_of(response)
    assert (response.status_code, error["param"]) == (status, param)
    assert allowed in error["message"]


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    ("changes", "param", "given"),
    [
        ({"step": -1}, "step", "-1"),
        ({"step": 2**63}, "step", "9223372036854775808"),
        ({"step": 10**4000}, "step", "1000000000"),
        ({"step": 2.5}, "step", "2.5"),
        ({"step": "last"}, "step", "'last'"),
        ({"step": [1]}, "step", "[1]"),
        ({"step": float("nan")}, "step", "nan"),
        ({"step": float("inf")}, "step", "inf"),
        ({"step": float("-inf")}, "step", "-inf"),
        ({"prompt": None}, "prompt", "None"),
        ({"prompt": 5}, "prompt", "5"),
        ({"prompt": {"a": 1}}, "prompt", "{'a': 1}"),
        ({"prompt": "a" * 257}, "prompt", "'aaaa"),
        ({"prompt": "\ud800"}, "prompt", "'\\ud800'"),
        ({"recipe": "\udfff\ud800"}, "recipe", "'\\udfff\\ud800'"),
        ({"recipe": ""}, "recipe", "''"),
        ({"recipe": "r" * 65}, "recipe", "'rrrr"),
        ({"recipe": None}, "recipe", "None"),
        ({"policy": False}, "policy", "False"),
        ({"temperature": 0.5}, "temperature", "0.5"),
        ({"Prompt": "hello"}, "Prompt", "'hello'"),
    ],
)
async def test_what_does_not_fit_the_schema_is_named_and_repeated(
    client: httpx.AsyncClient, path: str, changes: dict[str, Any], param: str, given: str
) -> None:
    response = await client.post(f"/api/v1/{path}", content=json.dumps(HELLO | changes), headers=JSON_TYPE)
    error = error_of(response)
    assert (response.status_code, error["param"]) == (422, param)
    assert given in error["message"]
    assert len(error["message"]) < 200


@pytest.mark.parametrize("missing", ["recipe", "prompt", "policy"])
@pytest.mark.parametrize("path", BOTH)
async def test_a_missing_field_is_named(client: httpx.AsyncClient, path: str, missing: str) -> None:
    body = {name: value for name, value in HELLO.items() if name != missing}
    error = error_of(await client.post(f"/api/v1/{path}", json=body))
    assert (error["param"], error["message"]) == (missing, f"{missing}: Field required")


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("analyze", {"top_k": True}),
        ("analyze", {"top_k": "3"}),
        ("analyze", {"step": False}),
        ("analyze", {"similarity": 1}),
        ("analyze", {"similarity": "yes"}),
        ("generate", {"max_new_tokens": True}),
        ("generate", {"stream": "true"}),
        ("generate", {"stream": 0}),
    ],
)
async def test_a_body_is_taken_at_its_types_as_the_schema_states_them(
    client: httpx.AsyncClient, path: str, changes: dict[str, Any]
) -> None:
    error = error_of(await client.post(f"/api/v1/{path}", json=HELLO | changes))
    assert error["param"] == next(iter(changes))


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize("name", ["k" * 50_000, "\u202e", "<img src=x onerror=alert(1)>", "\ud800"])
async def test_the_name_of_an_unknown_field_is_repeated_short_and_in_ascii(
    client: httpx.AsyncClient, path: str, name: str
) -> None:
    response = await client.post(f"/api/v1/{path}", content=json.dumps(HELLO | {name: 1}), headers=JSON_TYPE)
    assert error_of(response)["type"] == "invalid_request"
    assert response.content.isascii()
    assert len(response.content) < 600


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'"hello"',
        b"3",
        b'{"recipe"',
        b'{"recipe": "reverse",}',
        b'{"recipe": "\xff\xfe"}',
        b"\xff\xff\xff\xff",
        b'\xef\xbb\xbf{"recipe": "reverse"}',
        b'{"recipe": "\\ud800"}',
        b"[" * 60_000,
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"recipe": ' + b"9" * 60_000 + b"}",
        b"\0" * 1000,
        b"recipe=reverse&prompt=hello",
    ],
    ids=lambda body: ascii(body[:24]),
)
async def test_a_body_that_is_no_request_is_refused(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    response = await client.post(f"/api/v1/{path}", content=body, headers=JSON_TYPE)
    assert error_of(response)["type"] == "invalid_request"
    assert len(response.content) < 600


@pytest.mark.parametrize("body", [b'{"recipe": "\xff\xfe"}', b"[" * 60_000, b'{"step": ' + b"9" * 5000 + b"}"])
async def test_a_body_that_cannot_be_parsed_is_refused_with_the_reason(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/api/v1/analyze", content=body, headers=JSON_TYPE)
    assert "not JSON" in error_of(response)["message"]
    assert response.status_code == 422


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/", "é", ""]
)
async def test_only_json_is_read_as_json(client: httpx.AsyncClient, path: str, content_type: str) -> None:
    headers = {"content-type": content_type.encode()}
    response = await client.post(f"/api/v1/{path}", content=json.dumps(HELLO), headers=headers)
    assert error_of(response)["type"] == "invalid_request"
    assert response.status_code in (415, 422)


@pytest.mark.parametrize("path", BOTH)
async def test_a_megabyte_is_refused(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(f"/api/v1/{path}", json=HELLO | {"prompt": "a" * 1_000_000})
    assert response.status_code == 413
    assert error_of(response)["message"] == "the body is too large; allowed: 65536 bytes"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("recipe=reverse&policy=unmasked", "prompt"),
        ("recipe=reverse&prompt=hello&policy=unmasked&step=2.5", "step"),
        ("recipe=reverse&prompt=hello&policy=unmasked&step=" + "9" * 5000, "step"),
        ("recipe=reverse&prompt=hello&policy=unmasked&top_k=true", "top_k"),
        ("recipe=reverse&prompt=hello&policy=unmasked&similarity=2", "similarity"),
        ("recipe=reverse&prompt=hello&policy=unmasked&more=1", "more"),
        ("recipe=reverse&policy=unmasked&prompt=" + "a" * 60_000, "prompt"),
        ("recipe=reverse&policy=unmasked&prompt=%00", "prompt"),
        ("recipe=reverse&policy=unmasked&prompt=%ff%fe", "prompt"),
        ("recipe=reverse&policy=unmasked&prompt=%3Cimg%20onerror%3Dx%3E", "prompt"),
        ("&" * 50_000, "recipe"),
    ],
    ids=lambda value: value[-24:],
)
async def test_a_link_is_refused_as_a_script_is(client: httpx.AsyncClient, query: str, param: str) -> None:
    response = await client.get(f"/api/v1/analyze?{query}")
    assert error_of(response)["param"] == param
    assert len(response.content) < 600


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/generate", 405),
        ("DELETE", "/api/v1/recipes", 405),
        ("PATCH", "/api/v1/analyze", 405),
        ("GET", "/api/v1/nope", 404),
        ("GET", "/api/v2/recipes", 404),
        ("GET", "/api/v1/<script>alert(1)</script>", 404),
    ],
)
async def test_an_address_that_does_not_exist_is_told_in_json(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert error_of(response)["type"] == "not_found"


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
ALMOST_A_REQUEST = st.fixed_dictionaries(
    {},
    optional={
        "recipe": st.sampled_from(["reverse", "reverse4"]) | ANY_JSON,
        "prompt": st.text("abcz<>#", max_size=11) | ANY_JSON,
        "policy": st.sampled_from(["prompt-masked", "unmasked"]) | ANY_JSON,
        "response": st.text("abcz", max_size=30) | ANY_JSON,
        "trained_with": st.sampled_from(["prompt-masked", "unmasked"]) | ANY_JSON,
        "step": st.sampled_from([0, 500, 1000]) | ANY_JSON,
        "top_k": st.integers(-1, 70) | ANY_JSON,
        "max_new_tokens": st.integers(-1, 40) | ANY_JSON,
        "similarity": st.booleans() | ANY_JSON,
        "stream": st.booleans() | ANY_JSON,
    },
)


@pytest.mark.parametrize("path", BOTH)
@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=ANY_JSON | ALMOST_A_REQUEST)
async def test_whatever_is_posted_is_answered_or_refused(client: httpx.AsyncClient, path: str, body: Any) -> None:
    response = await client.post(f"/api/v1/{path}", content=json.dumps(body), headers=JSON_TYPE)
    if response.status_code != 200:
        error_of(response)
    elif response.headers["content-type"] == "application/json":
        json.loads(response.text, parse_constant=pytest.fail)


# The document.


async def test_openapi_describes_the_calls_and_every_reference_leads_somewhere(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {path: sorted(calls) for path, calls in document["paths"].items()} == {
        "/api/v1/recipes": ["get"],
        "/api/v1/analyze": ["get", "post"],
        "/api/v1/generate": ["post"],
        "/api/v1/continue": ["post"],
        "/api/v1/races": ["get", "post"],
        "/api/v1/races/{id}": ["delete", "get"],
        "/api/v1/races/{id}/events": ["get"],
        "/api/v1/races/{id}/{command}": ["post"],
        "/api/v1/races/{id}/result.json": ["get"],
        "/api/v1/races/{id}/result.csv": ["get"],
        "/api/v1/ablation": ["get"],
        "/api/v1/ablation.csv": ["get"],
        "/api/v1/ablation/findings": ["get"],
        "/api/v1/ablation/charts/{chart}.svg": ["get"],
        "/api/v1/gallery": ["get"],
        "/api/v1/mask": ["get", "post"],
        "/api/v1/policies": ["get"],
        "/api/v1/packing": ["get"],
        "/api/v1/budget": ["get"],
        "/api/v1/padding": ["get"],
        "/api/v1/dispatcher": ["get"],
        "/api/v1/dispatcher/mass": ["get"],
        "/api/v1/reasoning": ["get"],
        "/api/v1/claims": ["get"],
    }
    schemas = document["components"]["schemas"]
    references = {value for key, value in _leaves(document) if key == "$ref"}
    assert references == {f"#/components/schemas/{name}" for name in schemas}


async def test_openapi_states_the_error_body_for_every_refusal(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    for calls in document["paths"].values():
        for call in calls.values():
            refusals = {status: answer for status, answer in call["responses"].items() if status[0] != "2"}
            assert {"404", "413", "422", "429", "503"} <= set(refusals)
            for answer in refusals.values():
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}


async def test_openapi_bounds_every_number_and_text_of_a_request(client: httpx.AsyncClient) -> None:
    schemas = (await client.get("/api/v1/openapi.json")).json()["components"]["schemas"]
    for name in ("AnalyzeRequest", "GenerateRequest", "RaceRequest", "MaskRequest", "MessageRequest"):
        assert schemas[name]["additionalProperties"] is False
        for field, schema in schemas[name]["properties"].items():
            kinds = [kind for kind in schema.get("anyOf", [schema]) if kind["type"] != "null"]
            for kind in kinds:
                if kind["type"] in ("integer", "number"):
                    assert {"minimum", "maximum"} <= set(kind), field
                elif kind["type"] == "string":
                    assert "maxLength" in kind, field


async def test_the_examples_of_openapi_work(client: httpx.AsyncClient) -> None:
    schemas = (await client.get("/api/v1/openapi.json")).json()["components"]["schemas"]
    for path, name in (("analyze", "AnalyzeRequest"), ("generate", "GenerateRequest"), ("mask", "MaskRequest")):
        assert schemas[name]["examples"]
        for example in schemas[name]["examples"]:
            assert (await client.post(f"/api/v1/{path}", json=example)).status_code == 200


def _leaves(value: Any, key: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in _leaves(item, name)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item, key)]
    return [(key, value)]
