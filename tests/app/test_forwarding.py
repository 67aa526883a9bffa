"""app/forwarding.py: what one process keeps is reached through any, with the visitor's own address."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import anyio
import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from app.forwarding import Forwarding, FromWorkers, KeeperLock, is_kept, keeper_of
from app.security import Guard
from app.serving.connections import Connections
from app.serving.protocol import DeadlineProtocol, ServingConfig
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
        "headers": [name.decode() for name, _ in scope["headers"]],
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


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """As a worker has it, of a keeper that echoes at its socket."""
    config = ServingConfig(FromWorkers(echo), Settings(), Connections(9, 9), log_config=None, access_log=False)
    config.load()
    state, loop = ServerState(), asyncio.get_running_loop()
    with closing(KeeperLock(tmp_path)) as held:
        server = await loop.create_unix_server(lambda: DeadlineProtocol(config, state, {}), held.socket)
        with closing(KeeperLock(tmp_path)) as lock, closing(server):
            client = keeper_of(lock, "")
            assert client is not None
            async with client:
                yield client
    while state.connections:
        await asyncio.sleep(0)


@pytest.mark.parametrize("path", ["/api/v1/races", "/race/../healthz", "/race/%2e%2e/..%2f", "/race/" + 40_000 * '"'])
async def test_a_request_reaches_the_keeper_as_it_came_and_in_the_visitor_s_name(
    path: str, keeper: httpx.AsyncClient
) -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"body", "more_body": False}]
    answer: list[Message] = []
    lie = [(b"x-forwarded-for", b"203.0.113.1"), (b"x-forwarded-proto", b"ftp")]
    scope = {
        **{"type": "http", "method": "POST", "scheme": "https", "client": ("192.0.2.7", 4711)},
        **{"path": unquote(path), "raw_path": path.encode(), "query_string": b"a=1&b=%3Cx%3E"},
        "headers": [(b"host", b"localhost"), *lie, (b"content-length", b"4")],
    }

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message: Message) -> None:
        answer.append(message)

    await Forwarding(here, keeper)(scope, receive, send)
    start, *pieces = answer
    assert (start["status"], start["headers"]) == (201, [(b"x-kept", b"yes")])
    assert json.loads(b"".join(piece["body"] for piece in pieces)) == {
        "method": "POST",
        "path": unquote(path),
        "scheme": "https",
        "query": "a=1&b=%3Cx%3E",
        "body": "body",
        "client": "192.0.2.7",
        "headers": ["host", "content-length"],
    }


async def test_what_is_not_kept_is_answered_here(keeper: httpx.AsyncClient) -> None:
    async with visitor("192.0.2.7", keeper) as client:
        assert (await client.get("/recipes")).status_code == 204


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


def who_stays() -> Receive:
    """A client that has sent a request without a body, and does not leave."""
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop()

    return receive


@pytest.mark.parametrize(("kind", "held"), [(b"text/event-stream; charset=utf-8", 0), (b"application/json", 1)])
async def test_a_follower_whom_the_keeper_has_taken_holds_no_request_s_place(kind: bytes, held: int) -> None:
    held_meanwhile = []

    async def streams(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": b"first"})

    async def send(message: Message) -> None:
        held_meanwhile.append(guard.in_flight.held.total())

    keeper = httpx.AsyncClient(transport=httpx.ASGITransport(FromWorkers(streams)), base_url="http://keeper")
    guard = Guard(Forwarding(here, keeper), Settings())
    async with keeper:
        headers = [(b"host", b"localhost")]
        await guard({**SCOPE, "headers": headers, "client": ("192.0.2.7", 1)}, who_stays(), send)
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
        async with asyncio.timeout(10):  # a stream that is never ended fails here, instead of holding up all tests
            await Forwarding(here, keeper)({**SCOPE, "headers": [], "client": ("192.0.2.7", 1)}, receive, send)
            await ended.wait()


async def followed(folder: Path, rest: bytes) -> list[Message]:
    """What a follower is sent by a keeper that sends `rest`, and is gone, when the first piece has come to him."""
    came, answer = asyncio.Event(), list[Message]()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await came.wait()
        writer.write(rest)
        writer.close()
        await writer.wait_closed()

    async def send(message: Message) -> None:
        answer.append(message)
        if message.get("body") == b"first":
            came.set()

    with closing(KeeperLock(folder)) as held, closing(KeeperLock(folder)) as lock:
        keeper = keeper_of(lock, "")
        assert keeper is not None
        async with await asyncio.start_unix_server(keep, held.socket), keeper, asyncio.timeout(10):
            await Forwarding(here, keeper)({**SCOPE, "headers": [], "client": ("192.0.2.7", 1)}, who_stays(), send)
    return answer


async def test_what_the_keeper_has_sent_reaches_the_visitor_before_there_is_more(tmp_path: Path) -> None:
    answer = await followed(tmp_path, b"6\r\nsecond\r\n0\r\n\r\n")
    assert [message.get("body") for message in answer] == [None, b"first", b"second", b""]
    assert answer[-1]["more_body"] is False


async def test_an_answer_that_the_keeper_breaks_off_is_not_ended_as_if_it_were_whole(tmp_path: Path) -> None:
    answer = await followed(tmp_path, b"")
    assert [message.get("body") for message in answer] == [None, b"first"]
    assert answer[-1]["more_body"] is True
