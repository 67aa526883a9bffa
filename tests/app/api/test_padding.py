"""/api/v1/padding and /api/v1/budget: what the pages show, as numbers."""

from typing import Any

import httpx
import pytest

from app.catalog import Catalog
from model.experiments.padding.arms import PADDINGS
from model.experiments.padding.rows import logit_changes
from model.explain.budgets import policy_budgets
from model.masks.policies import MASK_POLICIES
from model.training.conversations import render_prompts
from model.training.loop import training_conversations
from model.training.recipes import ALL_RECIPES, MASK_RECIPES

pytestmark = pytest.mark.anyio

REVERSE = ALL_RECIPES["reverse"]


async def test_padding_is_measured_on_the_words_given(client: httpx.AsyncClient, catalog: Catalog) -> None:
    answer = (await client.get("/api/v1/padding?first=mask&second=ab&policy=left-pad")).json()
    model, _ = catalog.model(REVERSE, "prompt-masked", None)
    conversations = render_prompts(REVERSE, ("mask", "ab"))
    for told, policy in zip(answer["changes"], PADDINGS, strict=True):
        change = max(logit_changes(model, REVERSE, conversations, MASK_POLICIES[policy]))
        assert told["policy"] == policy
        assert told["logit_change"] == pytest.approx(change, abs=1e-4)
    mask, ab = answer["rows"]
    assert "".join(mask["tokens"]) == "<mask>ksam"
    assert ab["real"] == [False] * 4 + [True] * 6
    for layer in ab["weights"]:
        for head in layer:
            for position in head[4:]:
                assert sum(position) == pytest.approx(1, abs=1e-5)
                assert sum(position[:4]) == 0
    assert len(answer["accuracies"]) == 20
    both, *others = answer["left"]
    assert (both["hidden"], both["corrected"], both["written"]) == (True, True, ["ksam#", "ba#"])
    for arm in others:
        assert arm["written"][0] == "ksam#"  # as long as the batch: it gets no pads
        assert arm["written"][1] != "ba#" or not arm["hidden"]
    for row in answer["accuracies"]:
        assert row["with_pads"]["n"] + row["without_pads"]["n"] == row["exact_match"]["n"]
        assert sum(count["n"] for count in row["by_length"]) == row["exact_match"]["n"]
    assert [batch["tokens"] for batch in answer["batches"]] == [answer["batches"][0]["tokens"]] * 3


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("first=ab&second=cd", 422, "words"),
        ("first=HEY", 422, "prompt"),
        ("first=" + "a" * 300, 422, "first"),
        ("policy=unmasked", 404, "policy"),
        ("words=a", 422, "words"),
    ],
)
async def test_what_cannot_be_padded_is_refused(client: httpx.AsyncClient, query: str, status: int, param: str) -> None:
    response = await client.get(f"/api/v1/padding?{query}")
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)


@pytest.mark.parametrize("slug", MASK_RECIPES)
async def test_a_budget_is_counted_from_the_first_batch(client: httpx.AsyncClient, slug: str) -> None:
    answer: dict[str, Any] = (await client.get(f"/api/v1/budget?recipe={slug}")).json()
    budgets = policy_budgets(ALL_RECIPES[slug], training_conversations(ALL_RECIPES[slug], 0))
    assert [(p["policy"], p["supervised"], p["positions"]) for p in answer["policies"]] == [
        (b.policy.slug, b.supervised, b.positions) for b in budgets.values()
    ]
    assert sum(segment["loss_share"] for segment in answer["segments"]) == pytest.approx(1)
    assert sum(segment["token_share"] for segment in answer["segments"]) == pytest.approx(1)


async def test_a_budget_of_no_recipe_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/budget?recipe=nope")).status_code == 404


async def test_lengths_are_counted_without_any_text(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/budget/lengths")).json() == {
        "prompt_tokens": 200,
        "response_tokens": 50,
        "turns": 1,
        "batch": 1,
        "positions": 249,
        "supervised": 50,
        "share": pytest.approx(50 / 249),
        "ignored": pytest.approx(199 / 249),
        "batch_positions": 249,
        "batch_supervised": 50,
    }
    answer = (await client.get("/api/v1/budget/lengths?prompt_tokens=30&response_tokens=70&turns=4&batch=16")).json()
    assert (answer["positions"], answer["supervised"]) == (399, 280)
    assert (answer["batch_positions"], answer["batch_supervised"]) == (16 * 399, 16 * 280)


@pytest.mark.parametrize(
    "query",
    ["prompt_tokens=0", "response_tokens=0", "turns=0", "batch=0", "prompt_tokens=100001", "turns=1001", "batch=x"],
)
async def test_lengths_are_bounded(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/api/v1/budget/lengths?{query}")
    assert (response.status_code, response.json()["error"]["param"]) == (422, query.split("=")[0])
