"""app/forwarding.py: what one process keeps is reached through any, with the visitor's own address."""

import asyncio
import json
from contextlib import closing
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.forwarding import Forwarding, FromWorkers, KeeperLock, is_kept, keeper_of
from app.security import Guard
from app.settings import Settings

pytestmark = pytest.mark.anyio
SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/race/x",
    "raw_path": b"/race/x",
    "query_string": b"",
    "scheme": "http",
}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was asked, in two pieces."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    asked = {name: scope[name] for name in ("method", "path", "scheme")} | {
        "query": scope["query_string"].decode(),
        "body": body.decode(),
        "client": scope["client"] and scope["client"][0],
        "forwarded": [value.decode() for name, value in scope["headers"] if name.startswith(b"x-forwarded")],
    }
    await send(
        {"type": "http.response.start", "status": 201, "headers": [(b"x-kept", b"yes"), (b"connection", b"close")]}
    )
    await send({"type": "http.response.body", "body": json.dumps(asked).encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"\n"})


async def here(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def visitor(address: str, keeper: httpx.AsyncClient) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Forwarding(here, keeper), client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="https://localhost")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        *(
            (path, True)
            for path in ("/race", "/race/abc", "/api/v1/races", "/api/v1/races/x/events", "/votes/K7", "/r/Q4")
        ),
        *((path, False) for path in ("/", "/races", "/api/v1/recipes", "/healthz", "/votesx", "/reasoning", "/rooms")),
    ],
)
def test_only_what_lies_in_one_process_is_kept(path: str, kept: bool) -> None:
    assert is_kept(path) is kept


async def test_a_request_reaches_the_keeper_whole_and_in_the_visitor_s_name() -> None:
    there = httpx.AsyncClient(transport=httpx.ASGITransport(FromWorkers(echo)), base_url="http://keeper")
    async with there as keeper, visitor("192.0.2.7", keeper) as client:
        lie = {"x-forwarded-for": "203.0.113.1", "x-forwarded-proto": "ftp"}
        answer = await client.post("/api/v1/races?a=1&b=%3Cx%3E", content=b"body", headers=lie)
        assert (await client.get("/recipes")).status_code == 204
    assert (answer.status_code, answer.headers["x-kept"]) == (201, "yes")
    assert "connection" not in answer.headers
    assert answer.json() == {
        "method": "POST",
        "path": "/api/v1/races",
        "scheme": "https",
        "query": "a=1&b=%3Cx%3E",
        "body": "body",
        "client": "192.0.2.7",
        "forwarded": [],
    }


async def test_a_keeper_that_is_gone_is_told_with_503(tmp_path: Path) -> None:
    lock = KeeperLock(tmp_path)
    other = KeeperLock(tmp_path)
    assert (lock.held, other.held) == (True, False)
    assert keeper_of(lock, "") is None
    keeper = keeper_of(other, "")
    assert keeper is not None
    async with keeper, visitor("192.0.2.7", keeper) as client:
        answer = await client.get("/api/v1/races/x")
    lock.close()
    with closing(KeeperLock(tmp_path)) as next_one:
        assert next_one.held
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "keeper_gone"
    assert "retry-after" in answer.headers


@pytest.mark.parametrize(("kind", "held"), [(b"text/event-stream; charset=utf-8", 0), (b"application/json", 1)])
async def test_a_follower_whom_the_keeper_has_taken_holds_no_request_s_place(kind: bytes, held: int) -> None:
    held_meanwhile = []

    async def streams(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": b"first"})

    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop()

    async def send(message: Message) -> None:
        held_meanwhile.append(guard.in_flight.held.total())

    keeper = httpx.AsyncClient(transport=httpx.ASGITransport(FromWorkers(streams)), base_url="http://keeper")
    guard = Guard(Forwarding(here, keeper), Settings())
    async with keeper:
        headers = [(b"host", b"localhost")]
        await guard({**SCOPE, "headers": headers, "client": ("192.0.2.7", 1)}, receive, send)
    assert set(held_meanwhile) == {held}
    assert guard.in_flight.held.total() == 0


async def test_a_visitor_who_leaves_ends_the_keeper_s_stream() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pass

    transport = httpx.ASGITransport(FromWorkers(endless))
    async with httpx.AsyncClient(transport=transport, base_url="http://keeper") as keeper:
        await Forwarding(here, keeper)({**SCOPE, "headers": [], "client": ("192.0.2.7", 1)}, receive, send)
        await asyncio.wait_for(ended.wait(), 10)
