"""app/serving/protocol.py, with a small application over real sockets: deadlines, limits, and how a connection ends.

Deadlines are short here, and nothing is asserted on time: whoever waits for an end gets it or waits for ever.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.serving.connections import Connections
from app.serving.protocol import DeadlineProtocol, ServingConfig
from app.settings import Settings

pytestmark = pytest.mark.anyio

LARGE = 20_000_000
GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Small:
    """`/large` is a large answer, `/endless` a stream without end, `/refuse` answers before it reads; others echo."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        finally:
            self.ended.append(scope["path"])

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b"" if scope["path"] == "/refuse" else (await receive())["body"]
        body += f"{scope['path']} {dict(scope['headers'])[b'host'].decode()}\n".encode()
        if scope["path"] == "/large":
            body = b"x" * LARGE
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/endless":
            await self._stream(receive, send)
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            await asyncio.sleep(0)


@asynccontextmanager
async def serving(places: int = 100, **settings: Any) -> AsyncIterator[tuple[Small, int]]:
    """The application and the port it is served on."""
    small = Small()
    connections = Connections(places, places)
    config = ServingConfig(small, Settings(**settings), connections, log_config=None, access_log=False)
    config.load()
    state, loop = ServerState(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: DeadlineProtocol(config, state, {}), "127.0.0.1", 0)
    yield small, server.sockets[0].getsockname()[1]
    server.close()
    for connection in list(state.connections):
        connection.ending.abort()  # type: ignore[union-attr]
    while state.connections or state.tasks:
        await asyncio.sleep(0.01)
    assert len(connections) == 0


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def trickle(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def ask(port: int, *pieces: bytes) -> bytes:
    """Everything that is answered until the server closes."""
    async with connected(port) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()


async def test_a_connection_that_asks_for_nothing_is_closed_without_a_word() -> None:
    async with serving(header_timeout_seconds=0.1) as (_, port):
        assert await ask(port) == b""


async def test_headers_that_do_not_end_are_given_up_and_told_so() -> None:
    async with serving(header_timeout_seconds=0.2) as (_, port):
        answer = await ask(port, b"GET /api/v1/x HTTP/1.1\r\nHost:")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"headers_too_slow"' in answer


async def test_bytes_now_and_then_buy_no_more_time_for_headers() -> None:
    async with serving(header_timeout_seconds=0.3) as (_, port), connected(port) as (reader, writer):
        writer.write(b"GET /")
        answer = asyncio.ensure_future(reader.read())
        while not answer.done():
            writer.write(b"a")
            await asyncio.wait([answer], timeout=0.02)
    assert answer.result().startswith(b"HTTP/1.1 408 ")


async def test_the_headers_of_a_second_request_have_their_deadline_too() -> None:
    async with serving(header_timeout_seconds=0.2, idle_timeout_seconds=300) as (small, port):
        answer = await ask(port, GET % b"/first", b"GET /second HTTP/1.1\r\nHost:")
    assert small.ended == ["/first"]
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answer


async def test_a_connection_that_idles_after_an_answer_is_closed() -> None:
    async with serving(idle_timeout_seconds=0.1) as (_, port):
        assert (await ask(port, GET % b"/")).count(b"HTTP/1.1 200 ") == 1


async def test_requests_in_a_row_are_all_answered() -> None:
    async with serving(idle_timeout_seconds=0.1) as (small, port):
        answer = await ask(port, (GET % b"/a") + (GET % b"/b") + (GET % b"/c"))
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert small.ended == ["/a", "/b", "/c"]


@pytest.mark.parametrize("path", ["/large", "/endless"])
async def test_a_reader_that_stalls_is_cut_off_and_its_answer_ends(path: str) -> None:
    async with serving(send_timeout_seconds=0.2) as (small, port), connected(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % path.encode())
        while not small.ended:
            await asyncio.sleep(0.01)


async def test_a_reader_that_stalls_and_sends_no_more_is_cut_off_too() -> None:
    limits = {"send_timeout_seconds": 3600, "close_timeout_seconds": 0.2}
    async with serving(**limits) as (small, port), connected(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % b"/large")
        writer.write_eof()
        while not small.ended:
            await asyncio.sleep(0.01)


async def test_a_large_answer_is_whole_for_whoever_reads_it() -> None:
    async with serving(idle_timeout_seconds=0.1) as (_, port):
        answer = await ask(port, GET % b"/large")
    assert answer.count(b"x") >= LARGE


async def test_an_end_that_is_not_read_does_not_hold_the_connection() -> None:
    """What is left in the buffer is less than what is waited for; uvicorn's close would wait for it for ever."""
    async with serving(close_timeout_seconds=0.2, idle_timeout_seconds=0.1) as (small, port):
        async with connected(port) as (_, writer):
            writer.write(b"POST /refuse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
            with pytest.raises(ConnectionError):
                await trickle(writer)  # it half-closes, goes on reading, and then cuts off
        assert small.ended == ["/refuse"]


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
async def test_who_is_refused_while_sending_three_megabytes_sees_the_answer(close: bytes) -> None:
    body = b"x" * 3_000_000
    head = b"POST /refuse HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n" % (close, len(body))
    async with serving() as (_, port):
        answer = await ask(port, head, body)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()


async def test_a_body_without_end_is_read_up_to_a_bound_after_its_refusal() -> None:
    head = b"POST /refuse HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    async with serving(close_timeout_seconds=300) as (_, port):
        with pytest.raises(ConnectionError):
            await ask(port, head, *(chunk for _ in range(2000)))


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, None),
        (b"GET /api/v1/x\r\n\r\n", 400, "not_http"),
        (b"GET /api/v1/x HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000, 431, "headers_too_large"),
        (b"GET /v1/" + b"a" * 200_000, 431, "headers_too_large"),
        (b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "not_http"),
        (b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "not_http"),
        (
            b"POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "not_http",
        ),
    ],
    ids=lambda value: ascii(value)[2:40] if isinstance(value, bytes) else None,
)
async def test_what_is_no_request_is_told_so_in_our_shape(sent: bytes, status: int, code: str | None) -> None:
    async with serving() as (small, port):
        answer = await ask(port, sent)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-security-policy: " in answer.lower()
    assert answer.count(b"HTTP/1.1") == 1
    assert small.ended == []
    shape = b"<!doctype html>" if code is None else b'"code":"%s"' % code.encode()
    assert shape in answer


async def test_a_target_with_a_host_is_taken_and_its_host_counts() -> None:
    async with serving(idle_timeout_seconds=0.1) as (_, port):
        for target in (b"http://class.example/a%20b?c=d", b"HTTPS://class.example/a%20b"):
            assert (await ask(port, GET % target)).split(b"\r\n\r\n")[1].startswith(b"13\r\n/a b class.example\n")
        assert b"/ class.example\n" in await ask(port, GET % b"http://class.example")
        assert b"ftp://class.example/ localhost\n" in await ask(port, GET % b"ftp://class.example/")


async def test_who_finds_no_place_is_told_so_and_idle_ones_give_way() -> None:
    async with serving(places=2) as (_, port), AsyncExitStack() as stack:
        streamed, streaming = await stack.enter_async_context(connected(port))
        streaming.write(GET % b"/endless")
        await streamed.read(100)
        refused = await ask(port)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in refused
        streaming.transport.abort()
        idle = [await stack.enter_async_context(connected(port)) for _ in range(3)]
        with suppress(ConnectionError):
            assert await idle[0][0].read() == b""
