"""/api/v1/mask and /api/v1/policies: labels of any conversation, and what is refused."""

from typing import Any

import httpx
import pytest

from model.explain.cells import inspect_mask
from model.masks.policies import MASK_POLICIES
from model.text.chat_template import render
from model.training.recipes import ALL_RECIPES

pytestmark = pytest.mark.anyio


async def ask(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/api/v1/mask", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_hello_trains_six_of_twelve(client: httpx.AsyncClient) -> None:
    answer = await ask(client, prompts=["hello"])
    assert (answer["supervised_count"], answer["ignored_count"], answer["mistake_count"]) == (6, 6, 0)
    (row,) = answer["rows"]
    assert [cell["target"] for cell in row] == [None] * 6 + list("olleh#")
    assert [cell["weight"] for cell in row] == pytest.approx([0] * 6 + [1 / 6] * 6)


@pytest.mark.parametrize("policy", MASK_POLICIES)
async def test_every_policy_s_labels_are_those_that_training_reads(client: httpx.AsyncClient, policy: str) -> None:
    recipe = ALL_RECIPES["reverse"]
    answer = await ask(client, prompts=["hello", "ab"], policy=policy)
    conversations = [render(recipe.task.conversation(word), recipe.tokenizer) for word in ("hello", "ab")]
    inspection = inspect_mask(recipe, conversations, MASK_POLICIES[policy])
    for row, cells in zip(answer["rows"], inspection.rows, strict=True):
        for given, cell in zip(row, cells, strict=True):
            assert given == {name: getattr(cell, name) for name in given}


async def test_messages_may_say_anything_the_recipe_can_read(client: httpx.AsyncClient) -> None:
    messages = [
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "xyz"},
        {"role": "user", "content": "1"},
        {"role": "assistant"},
    ]
    answer = await ask(client, recipe="dialogue", conversations=[messages], policy="last-turn-only")
    (row,) = answer["rows"]
    assert "".join(cell["input"] for cell in row) == "<ab>xyz#<1>ba"
    assert [cell["target"] for cell in row if cell["target"]] == ["b", "a", "#"]
    assert answer["mistake_count"] == 4


async def test_a_query_answers_as_a_body_does(client: httpx.AsyncClient) -> None:
    query = [("recipe", "reverse"), ("policy", "packed"), ("prompt", "ab"), ("prompt", "cat"), ("row_tokens", "20")]
    by_query = (await client.get("/api/v1/mask", params=query)).json()
    assert by_query == await ask(client, prompts=["ab", "cat"], policy="packed", row_tokens=20)
    assert [[cell["place"] for cell in row] for row in by_query["rows"]] == [[*range(7), *range(8)]]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, "conversations"),
        ({"prompts": ["a"] * 9}, 422, "prompts"),
        ({"prompts": ["HI"]}, 422, "prompt"),
        ({"prompts": ["a" * 300]}, 422, "prompts.0"),
        ({"prompts": ["hello"], "policy": "nope"}, 404, "policy"),
        ({"prompts": ["hello"], "recipe": "nope"}, 404, "recipe"),
        ({"prompts": ["hello"], "row_tokens": 1}, 422, "row_tokens"),
        ({"prompts": ["hello"], "row_tokens": 10**9}, 422, "row_tokens"),
        ({"prompts": ["hello"], "row_tokens": 5, "policy": "packed"}, 422, "conversations"),
        ({"conversations": [[]]}, 422, "messages"),
        ({"conversations": [[{"role": "tool", "content": "a"}]]}, 422, "messages"),
        ({"conversations": [[{"role": "user", "content": "a", "name": "x"}]]}, 422, "conversations.0.0.name"),
        ({"conversations": [[{"role": "user", "content": "\u0000"}]]}, 422, "prompt"),
        (
            {"conversations": [[{"role": "user", "content": "ab"}, {"role": "assistant", "content": "#"}]]},
            422,
            "response",
        ),
        ({"prompts": "hello"}, 422, "prompts"),
    ],
)
async def test_what_cannot_be_labelled_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, param: str
) -> None:
    response = await client.post("/api/v1/mask", json=body)
    assert response.status_code == status, response.text
    assert response.json()["error"]["param"] == param


async def test_policies_say_in_what_they_differ_from_the_right_one(client: httpx.AsyncClient) -> None:
    policies = (await client.get("/api/v1/policies")).json()["policies"]
    assert [policy["slug"] for policy in policies] == list(MASK_POLICIES)
    differs = {policy["slug"]: policy["differs"] for policy in policies}
    assert differs["prompt-masked"] == {}
    assert differs["mask-late"] == {"start_offset": 1}
    assert differs["unmasked"] == {"supervised_segments": ["assistant", "template", "user"]}
    assert all(len(knobs) == 1 for slug, knobs in differs.items() if slug != "prompt-masked")
