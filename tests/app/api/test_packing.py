"""/api/v1/packing: what the page shows, as numbers."""

from typing import Any

import httpx
import pytest

from app.catalog import Catalog
from model.experiments.packing.effects import measure_documents, measure_effects
from model.experiments.packing.rows import measure_filling
from model.masks.policies import MASK_POLICIES
from model.training.conversations import render_prompts
from model.training.loop import training_conversations
from model.training.recipes import ALL_RECIPES

pytestmark = pytest.mark.anyio

REVERSE = ALL_RECIPES["reverse"]


async def ask(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    response = await client.get("/api/v1/packing", params=query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_effects_and_documents_are_those_of_the_model_in_memory(
    client: httpx.AsyncClient, catalog: Catalog
) -> None:
    answer = await ask(client, words="hello, ab", policy="packed-naive", step=500)
    model, conversations = catalog.model(REVERSE, "prompt-masked", 500)[0], render_prompts(REVERSE, ["hello", "ab"])
    effects = measure_effects(model, REVERSE, conversations)
    assert (answer["step"], answer["loss"]) == (500, pytest.approx(effects.loss))
    assert [e["separation"] for e in answer["effects"]] == [e.separation.slug for e in effects.packed]
    for given, effect in zip(answer["effects"], effects.packed, strict=True):
        assert given["loss_difference"] == pytest.approx(effect.loss_difference, abs=1e-9)
        assert given["gradient_difference"] == pytest.approx(effect.gradient_difference, abs=1e-9)
    changes = measure_documents(model, REVERSE, conversations, MASK_POLICIES["packed-naive"])
    assert [d["text"] for d in answer["documents"]] == ["<hello>olleh#", "<ab>ba#"]
    assert [d["logit_change"] for d in answer["documents"]] == pytest.approx(
        [change.logit_change for change in changes], abs=1e-9
    )


async def test_rows_hold_places_documents_and_targets(client: httpx.AsyncClient) -> None:
    (row,) = (await ask(client, words="a,b"))["rows"]
    assert "".join(cell["input"] for cell in row) == "<a>a#<b>b"
    assert [cell["place"] for cell in row] == [0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert [cell["document"] for cell in row] == [1] * 5 + [2] * 4
    assert [cell["target"] for cell in row] == [None, None, "a", "#", None, None, None, "b", "#"]
    (naive,) = (await ask(client, words="a,b", policy="packed-naive"))["rows"]
    assert [cell["place"] for cell in naive] == list(range(9))
    assert [cell["target"] for cell in naive] == [cell["target"] for cell in row]


async def test_batches_are_counted(client: httpx.AsyncClient) -> None:
    answer = await ask(client, words="hello ab mask abcdefg")
    padded, packed = (answer["these"][name] for name in ("padded", "packed"))
    assert (padded["rows"], padded["columns"], padded["real"], padded["cells"]) == (4, 17, 48, 68)
    assert (packed["rows"], packed["columns"], packed["real"], packed["cells"]) == (2, 31, 48, 62)
    expected = measure_filling(REVERSE, training_conversations(REVERSE, 0), MASK_POLICIES["packed"])
    assert answer["training_batch"]["packed"]["share"] == pytest.approx(expected.share)


async def test_the_models_trained_so_are_as_they_were_measured(client: httpx.AsyncClient, catalog: Catalog) -> None:
    trained = (await ask(client))["trained"]
    assert list(trained) == ["prompt-masked", "packed", "packed-naive"]
    for slug, rate in trained.items():
        assert rate == vars(catalog.measured["reverse", slug].symptoms.exact_match)


async def test_every_recipe_has_an_example(client: httpx.AsyncClient) -> None:
    for recipe, turns in (("reverse", 5), ("dialogue", 4)):
        answer = await ask(client, recipe=recipe)
        assert (len(answer["documents"]), len(answer["rows"])) == (turns, 2)


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ({"recipe": "reverse4"}, 404, "recipe"),
        ({"policy": "unmasked"}, 404, "policy"),
        ({"words": "HELLO"}, 422, "prompt"),
        ({"words": "a,b,c,d,e,f,g"}, 422, "words"),
        ({"words": "x" * 257}, 422, "words"),
        ({"step": 1}, 422, "step"),
        ({"step": -1}, 422, "step"),
        ({"color": "red"}, 422, "color"),
    ],
)
async def test_what_cannot_be_answered_is_told(
    client: httpx.AsyncClient, query: dict[str, Any], status: int, param: str
) -> None:
    response = await client.get("/api/v1/packing", params=query)
    assert response.status_code == status
    assert response.json()["error"]["param"] == param
