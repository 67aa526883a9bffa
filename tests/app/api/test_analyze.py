"""/api/v1/analyze: what a script is answered, and what a link is."""

import json
from dataclasses import asdict
from typing import Any

import httpx
import pytest

from app.api.analyze import AnalyzeAnswer, write_answer
from app.catalog import Catalog
from model.explain.analysis import analyze
from model.masks.policies import MASK_POLICIES
from model.training.recipes import RECIPES

pytestmark = pytest.mark.anyio

HELLO = {"recipe": "reverse", "prompt": "hello", "policy": "prompt-masked"}


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


async def test_a_shifted_objective_is_told_with_its_own_targets_and_the_right_ones_beside_them(
    client: httpx.AsyncClient,
) -> None:
    query = {"recipe": "reverse4", "prompt": "abcd", "policy": "double-shift"}
    answer = (await client.get("/api/v1/analyze", params=query)).json()
    positions = answer["positions"]
    assert [p["target"] for p in positions] == [*"bcd>dcba#", None]
    assert [p["right_target"] for p in positions] == [*[None] * 5, *"dcba#"]
    assert [p["position"] for p in positions if p["supervised"]] == [4, 5, 6, 7, 8]
    assert answer["loss"] == pytest.approx(0.076, abs=5e-4)  # of the right targets it would be 7.05
    assert [positions[9][field] for field in ("loss", "target_probability", "supervised")] == [None, None, False]
    assert list(positions[0]) == [
        *("position", "input", "target", "right_target", "supervised", "loss", "target_probability"),
        *("gradient", "predictions"),
    ]


async def test_a_policy_that_cuts_answers_for_the_longest_word_too(client: httpx.AsyncClient) -> None:
    query = {"recipe": "reverse", "prompt": "abcdefghij", "policy": "truncated"}
    response = await client.get("/api/v1/analyze", params=query)
    assert response.status_code == 200
    assert "".join(response.json()["tokens"]) == "<abcdefghij>ji"


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


@pytest.mark.parametrize("similarity", [True, False])
async def test_the_answer_written_straight_from_the_analysis_is_the_schemas(catalog: Catalog, similarity: bool) -> None:
    model, step = catalog.model(RECIPES["reverse"], "unmasked", None)
    analysis = analyze(RECIPES["reverse"], model, MASK_POLICIES["no-shift"], "hello")
    head: dict[str, object] = {"recipe": "reverse", "policy": "no-shift", "trained_with": "unmasked", "step": step}
    plain = json.loads(json.dumps(asdict(analysis)))
    if not similarity:
        del plain["similarity"]
    for position in plain["positions"]:
        del position["input_segment"], position["target_segment"]
    written = write_answer(head, analysis, similarity)
    assert json.loads(written) == AnalyzeAnswer.model_validate(head | plain).model_dump(mode="json")
