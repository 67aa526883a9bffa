"""/api/v1/votes: from the question to the truth over HTTP, and what nobody learns too early."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

pytestmark = pytest.mark.anyio

VOTES = "/api/v1/votes"


@pytest.fixture(scope="module")
async def app(start_app: Any) -> AsyncIterator[FastAPI]:
    async with start_app(max_votes_per_client=6) as app:
        yield app


@pytest.fixture(scope="module")
async def client(app: FastAPI, connect: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(app) as client:
        yield client


async def ask(client: httpx.AsyncClient, question: str = "first") -> dict[str, Any]:
    response = await client.post(VOTES, json={"question": question, "prompt": "live"})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    assert response.headers["location"] == body["address"] == f"{VOTES}/{body['code']}"
    return body


async def test_a_vote_from_its_question_to_its_truth(client: httpx.AsyncClient) -> None:
    opened = await ask(client)
    address, teacher = opened["address"], {"teacher": opened["teacher"]}
    for choice in ("prompt-masked", "prompt-masked", "both"):
        assert (await client.post(f"{address}/answers", json={"choice": choice})).status_code == 200
    voter = (await client.post(f"{address}/answers", json={"choice": "both"})).json()["voter"]
    changed = await client.post(f"{address}/answers", json={"choice": "unmasked", "voter": voter})
    assert changed.json() == {"voter": voter, "choice": "unmasked", "answers": 4}
    state = (await client.get(address)).json()
    assert (state["status"], state["answers"], state["truth"]) == ("open", 4, None)
    assert {choice["votes"] for choice in state["choices"]} == {None}
    assert "teacher" not in state
    assert (await client.post(f"{address}/reveal", json=teacher)).status_code == 409
    closed = (await client.post(f"{address}/close", json=teacher)).json()
    votes = {choice["slug"]: choice["votes"] for choice in closed["choices"]}
    assert votes == {"prompt-masked": 2, "unmasked": 1, "both": 1, "neither": 0}
    assert closed["truth"] is None
    late = await client.post(f"{address}/answers", json={"choice": "both"})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "wrong_state")
    revealed = (await client.post(f"{address}/reveal", json=teacher)).json()
    assert revealed["truth"]["choice"] == "prompt-masked"
    assert (await client.get(revealed["truth"]["link"])).status_code == 200
    assert (await client.get(opened["teacher_page"])).status_code == 200


async def test_only_its_teacher_commands_a_vote(client: httpx.AsyncClient) -> None:
    opened = await ask(client, "stop")
    for command in ("close", "reveal"):
        response = await client.post(f"{opened['address']}/{command}", json={"teacher": "guessed"})
        assert (response.status_code, response.json()["error"]["code"]) == (403, "not_the_teacher")
        assert opened["teacher"] not in response.text
    assert (await client.get(opened["address"])).json()["status"] == "open"


async def test_an_unknown_code_says_what_codes_look_like(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{VOTES}/none")
    assert response.status_code == 404
    assert "CFHJKMNPRTWXY3479" in response.json()["error"]["message"]


async def test_one_address_cannot_open_votes_without_end(client: httpx.AsyncClient) -> None:
    refused = None
    for _ in range(7):
        response = await client.post(VOTES, json={"question": "spill"})
        if response.status_code != 201:
            refused = response
            break
    assert refused is not None
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["code"] == "busy"
