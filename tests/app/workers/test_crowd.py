"""app/workers/crowd.py: what it times, and what it counts as an error. How answers are read: test_school.py."""

import asyncio
import time
from contextlib import suppress
from itertools import repeat

import pytest

from app.workers import crowd
from app.workers.crowd import Question

pytestmark = pytest.mark.anyio

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy"


@pytest.mark.parametrize(("answer", "wrong"), [(WHOLE, 0), (CHUNKED, 0), (BUSY, 1)])
async def test_every_answer_is_timed_and_wrong_ones_are_counted(answer: bytes, wrong: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
        writer.close()
        await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1")
    host, port = server.sockets[0].getsockname()
    milliseconds: list[float] = []
    questions = repeat(Question("/", expected=b"hell"))
    errors = await crowd._ask_for(f"http://{host}:{port}", questions, time.perf_counter() + 0.05, milliseconds)
    assert milliseconds
    assert errors == wrong * len(milliseconds)
    await ended.wait()
    server.close()
    await server.wait_closed()


async def test_the_pages_asked_for_are_those_of_the_menu(live_server: str) -> None:
    pages = await crowd._pages(live_server)
    assert {"/", "/claims", "/dispatcher", "/race", "/inspect"} <= set(pages)
