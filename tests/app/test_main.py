"""app/main.py as a process: many visitors, visitors who leave, and the end. Over real sockets, with real signals."""

import json
import re
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

HELLO = {"recipe": "reverse", "prompt": "hello", "policy": "prompt-masked"}
ENDLESS = b'{"recipe": "reverse", "policy": "unmasked", "prompt": "hello", "step": 0, "stream": true}'
"""Asks for a text that never stops by itself: 26 tokens."""


@pytest.fixture(scope="module")
def slow_server(start_server: Any) -> Iterator[Any]:
    with start_server(slowed=0.1) as server:
        yield server


@pytest.fixture(scope="module")
def narrow_server(start_server: Any) -> Iterator[Any]:
    """It is slow too, and answers four requests at a time, two of one address."""
    with start_server(slowed=0.5, MASKSCOPE_MAX_REQUESTS="4", MASKSCOPE_BODY_TIMEOUT_SECONDS="300") as server:
        yield server


def wait_for_load(server: Any, load: float) -> None:
    deadline = time.monotonic() + 60
    while server.load() != load:
        assert time.monotonic() < deadline, server.load()
        time.sleep(0.1)


def open_stream(
    address: str, path: str = "/api/v1/generate", body: bytes = ENDLESS, first: bytes = b"event: token"
) -> socket.socket:
    """A connection on which the first token of the endless text has arrived."""
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname, place.port), timeout=60)
    connection.sendall(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
    )
    received = b""
    while first not in received:
        piece = connection.recv(4096)
        assert piece, received
        received += piece
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"event: done" not in received
    return connection


@pytest.mark.anyio
async def test_the_application_starts_ready_and_ends_with_its_worker(start_app: Any, connect: Any) -> None:
    async with start_app() as app, connect(app) as client:
        assert (await client.get("/readyz")).status_code == 200
        engine = app.state.engine
    assert not engine.alive


@pytest.mark.anyio
async def test_twenty_visitors_at_once_each_get_their_own_answer(live_server: str, read_events: Any) -> None:
    words = ["".join(chr(97 + (visitor + i) % 26) for i in range(1 + visitor % 10)) for visitor in range(20)]
    streamed: dict[str, Any] = {}

    async def visit(client: httpx.AsyncClient, word: str) -> None:
        body = HELLO | {"prompt": word}
        page = await client.get("/", params={"prompt": word, "generate": 1})
        assert page.status_code == 200
        stream = await client.post("/api/v1/generate", json=body | {"stream": True})
        plain = await client.post("/api/v1/generate", json=body)
        analysis = await client.post("/api/v1/analyze", json=body)
        events = read_events(stream.text)
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        assert events[-1]["data"]["completion"] == plain.json()["completion"]
        assert "".join(analysis.json()["tokens"]) == f"<{word}>{word[::-1]}#"
        streamed[word] = plain.json()["completion"]

    async with httpx.AsyncClient(base_url=live_server, timeout=60) as client, anyio.create_task_group() as tasks:
        for word in words:
            tasks.start_soon(visit, client, word)
    right = [word for word, completion in streamed.items() if completion == f"{word[::-1]}#"]
    assert len(streamed) == 20
    assert len(right) >= 19  # the last checkpoint is right on at least 99 % of words


def test_a_short_text_ends_while_a_long_one_streams(slow_server: Any) -> None:
    with open_stream(slow_server.address) as long:
        short = httpx.post(f"{slow_server.address}/api/v1/generate", json=HELLO | {"max_new_tokens": 2}, timeout=60)
        analysis = httpx.post(f"{slow_server.address}/api/v1/analyze", json=HELLO, timeout=60)
        long.setblocking(False)
        assert short.json()["completion"] == "ol"
        assert analysis.status_code == 200
        assert slow_server.load() == 1  # the long text is not at its end
        assert b"event: done" not in long.recv(65536)
    wait_for_load(slow_server, 0)


def test_visitors_who_leave_in_the_middle_of_a_stream_leave_nothing_behind(slow_server: Any) -> None:
    politely, abruptly = open_stream(slow_server.address), open_stream(slow_server.address)
    assert slow_server.load() == 2
    politely.close()
    abruptly.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    abruptly.close()
    assert httpx.get(f"{slow_server.address}/healthz").status_code == 200
    wait_for_load(slow_server, 0)
    answer = httpx.post(f"{slow_server.address}/api/v1/generate", json=HELLO, timeout=60)
    assert answer.json()["completion"] == "olleh#"


def test_a_visitor_who_leaves_in_the_middle_of_a_body_takes_no_place_and_leaves_no_traceback(
    narrow_server: Any,
) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", narrow_server.address)
    assert httpx.get(f"{narrow_server.address}/", timeout=60).status_code == 200
    place = urlsplit(narrow_server.address)
    for _ in range(5):
        with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
            connection.sendall(b"POST /api/v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    deadline = time.monotonic() + 60  # far below the time after which a body is given up anyhow
    while httpx.get(f"{narrow_server.address}/api/v1/recipes", timeout=60).status_code != 200:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(("server", "number"), [("slow_server", signal.SIGHUP), ("narrow_server", signal.SIGINT)])
def test_a_signal_ends_the_server_although_streams_are_open_and_they_are_told(
    request: pytest.FixtureRequest, server: str, number: int
) -> None:
    """The last of those that share these servers: it ends them."""
    ended = request.getfixturevalue(server)
    asked = b'{"model": "reverse/unmasked@0", "prompt": "<hello>", "temperature": 0, "stream": true}'
    with (
        open_stream(ended.address) as ours,
        open_stream(ended.address, "/v1/completions", asked, b"data: ") as theirs,
    ):
        ended.process.send_signal(number)
        told, told_there = whole_answer(ours), whole_answer(theirs)
    ended.process.wait(timeout=60)
    assert b"event: error" in told
    assert b"event: done" not in told  # the stream alone would have lasted two and a half seconds and more
    assert b'data: {"error":{"type":"server_error"' in told_there
    assert told_there.endswith(b"0\r\n\r\n")


STUDENTS = 300
"""Of a school behind one address."""
WORDS = ("hello", "maskscope", "word", "abc", "live")


def ask_for_a_page(student: int) -> bytes:
    return f"GET /?prompt={WORDS[student % 5]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def ask_for_a_stream(student: int) -> bytes:
    asked = {"recipe": "reverse", "policy": "unmasked", "prompt": WORDS[student % 5], "stream": True}
    body = json.dumps(asked).encode()
    head = (
        "POST /api/v1/generate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    )
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def whole_answer(connection: socket.socket) -> bytes:
    answer = bytearray()
    while piece := connection.recv(65_536):
        answer += piece
    return bytes(answer)


@pytest.mark.parametrize(("question", "end"), [(ask_for_a_page, b"</html>"), (ask_for_a_stream, b"event: done")])
def test_three_hundred_students_behind_one_address_are_all_answered(
    live_server: str, question: Callable[[int], bytes], end: bytes
) -> None:
    place = urlsplit(live_server)
    with ExitStack() as stack, ThreadPoolExecutor(16) as readers:
        connections = []
        for _ in range(STUDENTS):
            connection = socket.create_connection((place.hostname, place.port), timeout=120)
            connections.append(stack.enter_context(connection))
        for student, connection in enumerate(connections):
            connection.sendall(question(student))
        answers = list(readers.map(whole_answer, connections))
    assert Counter(answer[9:12] for answer in answers) == {b"200": STUDENTS}
    assert all(end in answer and b"event: error" not in answer for answer in answers)
