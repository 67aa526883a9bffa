"""/api/v1/generate: a greedy answer at once, and as a stream."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.catalog import Catalog
from model.network.generation import generate
from model.training.conversations import prompt_ids
from model.training.recipes import RECIPES

pytestmark = pytest.mark.anyio

HELLO = {"recipe": "reverse", "prompt": "hello", "policy": "prompt-masked"}
ReadEvents = Callable[[str], list[dict[str, Any]]]


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
    assert refused.json()["error"]["message"] == "max_new_tokens must be 1 to 26 behind this prompt, not 27"


@pytest.mark.parametrize(
    "changes", [{"prompt": "HELLO"}, {"step": 7}, {"policy": "nope"}, {"max_new_tokens": 99}, {"extra": 1}]
)
async def test_a_stream_is_refused_before_it_begins(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    plain = await client.post("/api/v1/generate", json=HELLO | changes)
    stream = await client.post("/api/v1/generate", json=HELLO | changes | {"stream": True})
    assert stream.json() == plain.json()
    assert stream.status_code == plain.status_code >= 400
