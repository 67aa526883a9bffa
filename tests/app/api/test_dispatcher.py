"""/api/v1/dispatcher, /reasoning, /claims and /continue: what the pages show, as numbers."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import httpx
import pytest

from app.catalog import Catalog
from app.settings import Settings
from model.claims.evidence import gather
from model.claims.ledger import ledger
from model.experiments.dispatcher.arms import KEPT_DISPATCHED
from model.experiments.dispatcher.factors import factors
from model.experiments.dispatcher.rates import KEPT_RATES, RATES, SKILLS, factors_by_model, skill_rate
from model.experiments.reasoning.controls import control_rows
from model.experiments.reasoning.traces import KEPT_REASONING, TRACE_PAIRS, terms_rows
from model.training.pretraining import continue_texts
from model.training.recipes import SUM_RECIPES, TEXT_TOKENIZER

pytestmark = pytest.mark.anyio


async def test_what_was_measured_is_told_whole(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/v1/dispatcher")).json()
    dispatched = KEPT_DISPATCHED.read(Settings().trained_folder)
    assert [(run["arm"], run["seed"], run["share"]) for run in answer["runs"]] == [
        (run.arm, run.seed, run.share) for run in dispatched.runs
    ]
    for told in answer["over_seeds"]:
        rate = dispatched.rate(told["arm"], "right", told["share"])
        assert told["right"] == {**asdict(rate), "seeds": list(rate.seeds)}
    for told, run in zip(answer["runs"], dispatched.runs, strict=True):
        for rate in ("right", "exact", "stops", "continues"):
            found = [getattr(row, rate).value for row in run.answered]
            assert [row[rate]["value"] for row in told["answered"]] == found
        assert told["answered"][-1]["endings"]["line"]["value"] == run.last.endings.line.value
        assert (told["drift"] is None) == (run.drift is None)
        if run.drift:
            assert told["drift"]["moved"] == run.drift.moved
            assert told["drift"]["ability"]["knows"]["value"] == run.drift.ability.knows.value
            assert told["drift"]["ability"]["endings"]["stop"]["value"] == run.drift.ability.endings.stop.value


async def test_masses_are_sampled_for_every_model_and_opening(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/v1/dispatcher/mass", params={"prompt": "What is 7+8?"})).json()
    found = {(row["model"], row["opening"]): row for row in answer["masses"]}
    assert len(found) == 12
    assert found["base", "plain"]["question"]["value"] > 0.5
    assert found["base", "framed"]["answer"]["value"] > 0.9
    assert found["prompt-masked", "templated"]["answer"]["value"] > 0.8
    assert found["prompt-masked", "templated"]["stop"]["n"] == answer["samples"]
    nobody = (await client.get("/api/v1/dispatcher/mass", params={"prompt": "a cat"})).json()
    assert {row["answer"] for row in nobody["masses"]} == {None}


async def test_rates_are_told_as_they_were_measured(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/v1/dispatcher/rates")).json()
    tried = KEPT_RATES.read(Settings().trained_folder)
    for told, run in zip(answer["runs"], tried.runs, strict=True):
        assert (told["arm"], told["learning_rate"], told["seed"]) == run.key
        assert told["answered"]["exact"]["value"] == run.answered.exact.value
        assert told["ability"]["knows"]["value"] == run.ability.knows.value
    for told, rate in zip(answer["over_seeds"], RATES, strict=True):
        assert told["learning_rate"] == rate
        for slug, skill in SKILLS.items():
            assert told[slug]["seeds"] == list(skill_rate(tried, skill, rate).seeds)


async def test_factors_are_told_live_and_as_shipped(client: httpx.AsyncClient, catalog: Catalog) -> None:
    address = "/api/v1/dispatcher/factors"
    answer = (await client.get(address, params={"prompt": "What is 7+8?", "step": 100})).json()
    recipe = SUM_RECIPES["answers"]
    base, on, off = answer["models"]
    models = [catalog.base.model, *(catalog.model(recipe, p, 100)[0] for p in ("prompt-masked", "unmasked"))]
    for told, model in zip((base, on, off), models, strict=True):
        found = factors(model, recipe, ("What is 7+8?",))
        assert told["live"]["prompt"] == pytest.approx(found.prompt)
        assert told["live"]["both"] == pytest.approx(told["live"]["prompt"] + told["live"]["answer"])
    tried = KEPT_RATES.read(Settings().trained_folder)
    for told, (_, slug, seeds) in zip(answer["models"], factors_by_model(tried), strict=True):
        assert told["model"] == slug
        assert [one["answer"] for one in told["seeds"]] == [one.answer for one in seeds]
        assert told["mean"]["prompt"] == pytest.approx(sum(one.prompt for one in seeds) / len(seeds))
    nobody = (await client.get(address, params={"prompt": "a cat"})).json()
    assert [row["live"] for row in nobody["models"]] == [None] * 3
    assert (await client.get(address, params={"prompt": "<x>"})).status_code == 422


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ({"prompt": "<x>"}, 422, "prompt"),
        ({"prompt": ""}, 422, "prompt"),
        ({"prompt": "x" * 300}, 422, "prompt"),
        ({"step": 7}, 422, "step"),
        ({"step": -1}, 422, "step"),
        ({"steps": 1}, 422, "steps"),
    ],
)
async def test_what_cannot_be_sampled_is_refused(
    client: httpx.AsyncClient, query: dict[str, Any], status: int, param: str
) -> None:
    response = await client.get("/api/v1/dispatcher/mass", params=query)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)


async def test_the_base_goes_on_from_plain_text(client: httpx.AsyncClient, catalog: Catalog) -> None:
    answer = (await client.post("/api/v1/continue", json={"text": "What is 2+2?"})).json()
    assert [answer["completion"]] == continue_texts(catalog.base.model, TEXT_TOKENIZER, ["What is 2+2?"], 32)
    assert answer["text"] == "What is 2+2?" + answer["completion"]
    assert (answer["finish_reason"], answer["step"]) == ("length", catalog.base.run.steps)
    short = (await client.post("/api/v1/continue", json={"text": "What is 2+2?", "max_new_tokens": 5})).json()
    assert short["completion"] == answer["completion"][:5]
    templated = (await client.post("/api/v1/continue", json={"text": "What is 2+2?", "templated": True})).json()
    assert templated["text"].startswith("<What is 2+2?>")


async def test_a_continuation_can_be_streamed(
    client: httpx.AsyncClient, read_events: Callable[[str], list[dict[str, Any]]]
) -> None:
    body = {"text": "Q: What is 3+4?\nA: ", "stream": True, "max_new_tokens": 4}
    events = read_events((await client.post("/api/v1/continue", json=body)).text)
    assert [event["event"] for event in events] == ["token"] * 4 + ["done"]
    assert [event["id"] for event in events] == [1, 2, 3, 4, 5]
    assert events[0]["data"]["token"] == "7"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"text": ""}, "text"),
        ({"text": "<a>"}, "text"),
        ({"text": "a" * 65}, "text"),
        ({"text": "a" * 63, "templated": True}, "text"),
        ({"text": "a" * 5000}, "text"),
        ({"text": "a", "max_new_tokens": 65}, "max_new_tokens"),
        ({"text": "a", "max_new_tokens": 0}, "max_new_tokens"),
        ({"text": "a", "max_new_tokens": -1}, "max_new_tokens"),
        ({"text": "a", "seed": 1}, "seed"),
    ],
)
async def test_what_cannot_be_continued_is_refused(client: httpx.AsyncClient, body: dict[str, Any], param: str) -> None:
    response = await client.post("/api/v1/continue", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)


async def test_reasoning_and_claims_are_told_as_the_pages_show_them(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/v1/reasoning")).json()
    runs = answer["runs"]
    reasoning = KEPT_REASONING.read(Settings().trained_folder)
    assert [(run["recipe"], run["seed"]) for run in runs] == [(run.recipe, run.seed) for run in reasoning]
    assert [row["right"]["value"] for run in runs for row in run["by_terms"]] == [
        row.right.value for run in reasoning for row in run.by_terms
    ]
    for told, pair in zip(answer["over_seeds"], TRACE_PAIRS.values(), strict=True):
        for shown, row in zip(told["by_terms"], terms_rows(pair, reasoning), strict=True):
            assert [rate["seeds"] for rate in shown["rates"]] == [list(rate.seeds) for rate in row.rates]
            assert [rate["questions"] for rate in shown["rates"]] == [rate.questions for rate in row.rates]
    evidence = gather(Settings().trained_folder)
    for shown, row in zip(answer["controls"]["arms"], control_rows(evidence.controls, evidence.reasoning), strict=True):
        assert (shown["slug"], shown["steps"], shown["targets"]) == (row.slug, row.steps, row.targets)
        assert shown["right"] == {**asdict(row.right), "seeds": list(row.right.seeds)}
    assert len(answer["controls"]["runs"]) == len(evidence.controls)
    claims = (await client.get("/api/v1/claims")).json()["claims"]
    for told, entry in zip(claims, ledger(gather(Settings().trained_folder)), strict=True):
        assert (told["slug"], told["verdict"], told["sentence"]) == (
            entry.claim.slug,
            entry.judgement.word,
            entry.judgement.sentence,
        )
        assert [figure["value"] for figure in told["figures"]] == [figure.value for figure in entry.figures]
        assert [figure["seeds"] for figure in told["figures"]] == [list(figure.seeds) for figure in entry.figures]
        assert [figure["questions"] for figure in told["figures"]] == [figure.questions for figure in entry.figures]


def every_rate(told: Any) -> Iterator[dict[str, Any]]:
    """Whatever holds the values of several seeds and an interval, however deep."""
    if isinstance(told, dict):
        if told.get("seeds") and "low" in told:
            yield told
        for value in told.values():
            yield from every_rate(value)
    elif isinstance(told, list):
        for value in told:
            yield from every_rate(value)


@pytest.mark.parametrize("address", ["claims", "dispatcher", "reasoning"])
async def test_in_json_an_interval_over_seeds_holds_the_mean_and_questions_count_once(
    client: httpx.AsyncClient, address: str
) -> None:
    rates = list(every_rate((await client.get(f"/api/v1/{address}")).json()))
    assert rates
    for rate in rates:
        assert rate["value"] == pytest.approx(sum(rate["seeds"]) / len(rate["seeds"]))
        assert rate["low"] <= rate["value"] <= rate["high"]
        if rate["questions"] is not None:
            assert rate.get("n", rate["questions"]) == rate["questions"]
            assert rate["questions"] <= MOST_QUESTIONS


MOST_QUESTIONS = 499
"""Of all measurements over seeds the largest set: held-out words that are no palindromes."""
