"""app/workers/school.py and what it is made of: what is sent, counted, timed and given up, against real servers."""

import asyncio
import gzip
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from subprocess import PIPE

import pytest

from app.workers.browser import Browser, named_in
from app.workers.load import is_loopback
from app.workers.memory import resident_mib
from app.workers.pupils import Ground, client_address, follow, offer_analyses
from app.workers.school import Arrival, Following, School, play
from app.workers.tallies import Tally
from app.workers.wire import Connections, NoAnswer

pytestmark = pytest.mark.anyio

Answering = Callable[[str, str, asyncio.StreamWriter], Awaitable[None]]
"""Of a request's method and path, who writes to the third."""


@asynccontextmanager
async def serving(answer: Answering) -> AsyncIterator[tuple[str, Counter[str]]]:
    """A server of this test's, and how many connections came from which address."""
    peers: Counter[str] = Counter()
    handlers: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())  # type: ignore[arg-type]
        peers[writer.get_extra_info("peername")[0]] += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path, _ = head.split(" ", 2)
                length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
                await reader.readexactly(int(length or 0))
                await answer(method, path, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1")
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}", peers
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*handlers), 10)  # the clients have closed


def whole(body: bytes = b"ok", status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def ground_of(server: str) -> Ground:
    return Ground(server, "reverse", (f"word{number}" for number in count()))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, b"hello")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", (200, b"hello")),
        (b"HTTP/1.1 304 Not Modified\r\nETag: a\r\n\r\n", (304, b"")),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", (503, b"")),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
async def test_an_answer_is_read_to_its_end_whatever_the_pieces(
    answer: bytes, expected: tuple[int, bytes], step: int
) -> None:
    async def in_pieces(method: str, path: str, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(answer), step):
            writer.write(answer[start : start + step])
            await asyncio.sleep(0)

    async with serving(in_pieces) as (server, peers):
        connections = ground_of(server).connections("127.0.0.9")
        for _ in range(2):
            reply = await connections.ask(b"GET / HTTP/1.1\r\n\r\n", 10)
            assert (reply.status, reply.body) == expected
            assert reply.first <= reply.last
        connections.close()
        assert peers == {"127.0.0.9": 1}


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (None, "too late"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "closed early"),
        (b"HTTP/1.1 hello\r\n\r\n", "not HTTP"),
    ],
)
async def test_what_is_no_answer_is_told_by_a_word(answer: bytes | None, word: str) -> None:
    async def badly(method: str, path: str, writer: asyncio.StreamWriter) -> None:
        if answer is None:
            await asyncio.sleep(0.3)
        else:
            writer.write(answer)
        writer.close()

    async with serving(badly) as (server, _):
        with pytest.raises(NoAnswer) as told:
            await ground_of(server).connections(None).ask(b"GET / HTTP/1.1\r\n\r\n", 0.2)
    assert told.value.word == word


async def test_a_server_that_is_not_there_refuses() -> None:
    with pytest.raises(NoAnswer, match="refused"):
        await Connections("http://127.0.0.1:9").ask(b"", 10)


def test_percentiles_are_those_of_right_answers_and_every_status_is_counted() -> None:
    tally = Tally("pages", goal_ms=95.0)
    for number in range(100, 0, -1):
        tally.count("200", number / 1000)
    right = tally.answers("a school", 10.0, None)
    assert (right.p50_ms, right.p95_ms, right.p99_ms) == pytest.approx((50, 95, 99))
    assert (right.per_second, right.verdict) == (10.0, "p95 95 ms, no error: met")
    tally.count("503", 99.0)
    wrong = tally.answers("a school", 10.0, None)
    assert (wrong.p99_ms, wrong.statuses) == (right.p99_ms, {"200": 100, "503": 1})
    assert wrong.verdict == "p95 95 ms, no error: missed"
    assert "200: 100, 503: 1" in wrong.line()


def test_without_a_right_answer_there_is_no_time() -> None:
    tally = Tally("pages", goal_ms=95.0)
    tally.count("reset", 0.0)
    answers = tally.answers("a school", 1.0, None)
    assert (answers.p95_ms, answers.per_second) == (None, 0.0)
    assert answers.verdict.endswith("missed")
    assert "no answer" in answers.line()


PAGE = b"""<head><link rel="icon" href="/static/icon.svg"><script type="module"
 src="/static/a.js?v=1"></script><link href="/static/app.css" rel="stylesheet"><link rel="next" href="/more"></head>
<script src="/static/late.js"></script>"""


def test_a_page_names_the_files_of_its_head() -> None:
    assert list(named_in(PAGE.decode())) == ["/static/icon.svg", "/static/a.js?v=1", "/static/app.css"]


async def test_a_browser_keeps_what_is_kept_for_good_and_asks_after_the_rest() -> None:
    asked: list[str] = []

    async def answer(method: str, path: str, writer: asyncio.StreamWriter) -> None:
        asked.append(path)
        if path == "/":
            writer.write(whole(gzip.compress(PAGE), more="Content-Encoding: gzip\r\n"))
        elif asked.count(path) > 1:
            writer.write(whole(b"", "304 Not Modified"))
        else:
            writer.write(whole(more="Cache-Control: immutable\r\n" if "?v=" in path else 'ETag: "x"\r\n'))

    async with serving(answer) as (server, peers):
        browser = Browser(server, "127.0.0.7")
        first, second = await browser.open("/"), await browser.open("/")
        browser.close()
    assert (first.status, first.whole_status, second.whole_status) == ("200", "200", "200")
    assert first.html_seconds <= first.whole_seconds
    assert Counter(asked) == {"/": 2, "/static/icon.svg": 2, "/static/a.js?v=1": 1, "/static/app.css": 2}
    assert 1 <= peers["127.0.0.7"] <= 6
    assert browser.etags == {"/static/icon.svg": '"x"', "/static/app.css": '"x"'}


async def test_a_page_whose_file_is_refused_is_not_whole() -> None:
    async def answer(method: str, path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(PAGE) if path == "/" else whole(b"", "429 Too Many"))

    async with serving(answer) as (server, _):
        browser = Browser(server, None)
        opened = await browser.open("/")
        browser.close()
    assert (opened.status, opened.whole_status) == ("200", "429")


async def test_analyses_are_sent_on_time_from_each_address_though_none_is_answered() -> None:
    came = count(1)

    async def never(method: str, path: str, writer: asyncio.StreamWriter) -> None:
        if next(came) == 20:
            arrived.set()
        await arrived.wait()
        writer.write(whole(b"", "503 Busy"))

    arrived = asyncio.Event()
    async with serving(never) as (server, peers):
        tally = Tally("analyze")
        addresses = [client_address(number) for number in range(5)]
        await offer_analyses(ground_of(server), addresses, 100, time.perf_counter() + 0.195, tally)
    assert peers == dict.fromkeys(addresses, 4)
    assert (tally.statuses, tally.milliseconds) == ({"503": 20}, [])


async def test_a_follower_s_events_are_timed_from_the_first_who_has_them() -> None:
    """Two followers; the second gets its events later, and then the race ends."""
    order = count()

    async def events(method: str, path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        late = next(order)
        await asyncio.sleep(0.1 * late)
        event = b"id: 1\r\nevent: step\r\n\r\nid: 2\r\nevent: step\r\n\r\n"
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(event), event))

    async with serving(events) as (server, _):
        lags = Tally("an event")
        await follow(ground_of(server), "/events", ["127.0.0.2", "127.0.0.3"], time.perf_counter() + 10, lags)
    assert lags.statuses == {"200": 4}
    assert sorted(lag > 50 for lag in lags.milliseconds) == [False, False, True, True]


async def test_a_server_that_answers_503_to_some_is_seen_to() -> None:
    """Every scenario, small: of each kind of request the second of three gets it."""
    asked: Counter[str] = Counter()

    async def answer(method: str, path: str, writer: asyncio.StreamWriter) -> None:
        if path.startswith("/api/v1/races"):
            running = {"id": "r", "address": "/api/v1/races/r", "events": "/events"}
            writer.write(whole(json.dumps(running).encode(), "201 Created"))
            return
        kind = path if method == "POST" or path == "/events" else "page"
        asked[kind] += 1
        if asked[kind] % 3 == 2:
            writer.write(whole(b"", "503 Busy"))
        else:
            writer.write(whole(b"<head></head> event: token event: done"))

    scenarios = (Arrival(9, "/?prompt={word}", "nine browsers"), Following(2, 1, 0.3, 0.1), School(2, 30, 0.1))
    async with serving(answer) as (server, peers):
        played = [answers async for answers in play(server, 0.5, 1, scenarios)]
    found = {(answers.scenario, answers.name): answers.statuses for answers in played}
    assert found["nine browsers", "the page"] == {"200": 6, "503": 3}
    assert found[scenarios[1].name, "an event, after the first follower has it"] == {"503": 1}
    assert [set(statuses) for statuses in found.values()].count({"200", "503"}) == len(found) - 1 == 7
    assert sum(found[scenarios[2].name, "analyze, different words"].values()) == 15
    assert all((answers.memory_mib or 0) > 10 for answers in played)
    assert len(peers) > 9


async def test_what_a_real_server_answers_is_right(live_server: str) -> None:
    scenarios = (Arrival(3, "/?prompt={word}", "three browsers"), School(2, 4, 0.5))
    played = [answers async for answers in play(live_server, 1.0, 1, scenarios)]
    assert [set(answers.statuses) for answers in played] == [{"200"}] * 6
    first, stream = played[2], played[3]
    assert first.statuses == stream.statuses
    assert first.p50_ms is not None
    assert stream.p50_ms is not None
    assert first.p50_ms <= stream.p50_ms


def test_the_memory_of_a_process_includes_what_it_started() -> None:
    holding = "held = b'x' * 90_000_000; print(len(held)); input()"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {holding!r}])"
    with subprocess.Popen([sys.executable, "-c", program], stdin=PIPE, stdout=PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "90000000\n"
        assert resident_mib(frozenset({started.pid})) > 80
        started.communicate("\n")
    assert resident_mib(frozenset({started.pid})) == 0


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.3.0.1:1", True),
        ("http://127.0.0.1", False),
        ("http://localhost:8000", False),
        ("https://127.0.0.1:8000", False),
        ("http://192.168.0.1:8000", False),
        ("http://127.0.0.1:80x", False),
        ("", False),
    ],
)
def test_clients_with_addresses_of_loopback_reach_loopback_alone(url: str, is_one: bool) -> None:
    assert is_loopback(url) is is_one
