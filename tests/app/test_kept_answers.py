"""app/kept_answers.py: what is asked again is not computed again, and is the same to the byte."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response

from app.api import API
from app.kept_answers import BEGINNINGS, DECIDED_BY_ADDRESS, DECIDED_BY_BODY, KeptAnswers
from app.pages import PAGES
from app.shares import asking as whose

pytestmark = pytest.mark.anyio

LIVE = {
    *("/healthz", "/readyz", "/metrics", "/race", "/race/{id}", "/race/{id}/{chart}.svg", "/api/v1/races"),
    *("/api/v1/races/{id}", "/api/v1/races/{id}/events", "/api/v1/races/{id}/result.json"),
    *("/api/v1/races/{id}/result.csv", "/inspect", "/room", "/r/{code}"),
    *("/votes", "/votes/{code}", "/api/v1/votes/{code}", "/v1/models/{name:path}"),
}
"""What says something else from one time to the next, or may."""
HELLO = {"recipe": "reverse", "prompt": "hello", "policy": "prompt-masked"}


class Counted:
    """An application that counts what it is asked, and answers once it is let go."""

    def __init__(self, status: int = 200, size: int = 2000):
        self.asked: list[str] = []
        self.status, self.size = status, size
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asked = scope["query_string"].decode()
        self.asked.append(asked)
        await self.go.wait()
        if self.status == 500:
            raise RuntimeError("a bug")
        await Response(asked * self.size, self.status, media_type="text/plain")(scope, receive, send)


def asking(app: Any, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers)


@pytest.fixture
async def forgetful(start_app: Any) -> AsyncIterator[FastAPI]:
    async with start_app(kept_answers_bytes=0) as app:
        yield app


async def test_every_address_that_can_be_read_is_either_kept_or_known_to_change() -> None:
    routes: list[Any] = [route for router in (*API, *(page.router for page in PAGES)) for route in router.routes]
    readable = {route.path for route in routes if "GET" in route.methods} | {"/api/v1/openapi.json"}
    kept = {path for path in readable if path in DECIDED_BY_ADDRESS or path.startswith(BEGINNINGS)}
    assert readable - kept == LIVE
    assert kept - {"/api/v1/ablation/charts/{chart}.svg", "/api/v1/recipes/{recipe}"} == DECIDED_BY_ADDRESS


@pytest.mark.parametrize("path", ["/", "/?prompt=live&step=0", "/claims", "/lesson?part=3", "/api/v1/recipes"])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
async def test_what_is_kept_is_what_would_be_computed(
    client: httpx.AsyncClient, forgetful: FastAPI, connect: Any, path: str, encoding: str
) -> None:
    async with connect(forgetful) as other:
        headers = {"Accept-Encoding": encoding}
        first, again, uncached = [await c.get(path, headers=headers) for c in (client, client, other)]
    assert first.status_code == again.status_code == uncached.status_code == 200
    assert first.content == again.content == uncached.content
    assert first.headers == again.headers == uncached.headers
    assert first.headers.get("content-encoding", "identity") == encoding


@pytest.mark.parametrize("path", ["/", "/claims", "/ablation", "/api/v1/recipes", "/api/v1/ablation"])
async def test_who_has_the_page_is_told_so_in_no_bytes(client: httpx.AsyncClient, path: str) -> None:
    first = await client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for given in (tag, f'"other", W/{tag}', "*"):
        again = await client.get(path, headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "content-length" not in again.headers
    assert (await client.get(path, headers={"If-None-Match": '"other"'})).content == first.content


async def test_a_fragment_and_its_page_are_two_answers(client: httpx.AsyncClient) -> None:
    page = await client.get("/?prompt=live")
    part = await client.get("/?prompt=live", headers={"HX-Request-Type": "partial"})
    again = await client.get("/?prompt=live", headers={"HX-Request-Type": "partial"})
    assert part.content == again.content != page.content
    assert "etag" not in part.headers
    assert part.headers["cache-control"] == "no-store"
    assert part.headers["vary"] == "HX-Request-Type, Accept-Encoding"


async def test_a_page_names_the_host_it_was_asked_by(client: httpx.AsyncClient) -> None:
    for host in ("localhost", "127.0.0.1:9"):
        assert f"http://{host}/static/card.png" in (await client.get("/lesson", headers={"Host": host})).text


async def test_a_body_decides_too(client: httpx.AsyncClient) -> None:
    answers = [(await client.post("/api/v1/analyze", json=HELLO | {"prompt": w})).json() for w in ("ab", "cd", "ab")]
    assert [answer["tokens"][1] for answer in answers] == ["a", "c", "a"]
    assert "/api/v1/analyze" in DECIDED_BY_BODY
    asked_as_text = await client.post("/api/v1/analyze", content=b"{}", headers={"Content-Type": "text/plain"})
    assert asked_as_text.status_code == 422


async def test_what_is_kept_counts_in_the_metrics_under_its_route(client: httpx.AsyncClient) -> None:
    async def counted() -> float:
        lines = (await client.get("/metrics")).text.splitlines()
        name = 'maskscope_requests_total{method="GET",route="/claims",status="200"} '
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0)

    before = await counted()
    for _ in range(3):
        await client.get("/claims")
    assert await counted() == before + 3


async def test_equal_requests_in_flight_are_computed_once() -> None:
    counted = Counted()
    counted.go.clear()
    async with asking(KeptAnswers(counted, 10**6)) as client:
        requests = [asyncio.create_task(client.get(f"/?prompt={word}")) for word in "abaabbaaa"]
        while len(counted.asked) < 2:
            await asyncio.sleep(0)
        counted.go.set()
        answers = await asyncio.gather(*requests)
    assert sorted(counted.asked) == ["prompt=a", "prompt=b"]
    assert [answer.text[7] for answer in answers] == list("abaabbaaa")


async def test_who_waited_for_a_request_that_was_ended_asks_by_itself() -> None:
    counted = Counted()
    counted.go.clear()
    async with asking(KeptAnswers(counted, 10**6)) as client:
        first, second = (asyncio.create_task(client.get("/?prompt=a")) for _ in range(2))
        while not counted.asked:
            await asyncio.sleep(0)
        first.cancel()
        counted.go.set()
        assert (await second).status_code == 200
    assert first.cancelled()
    assert len(counted.asked) == 2


async def test_an_error_is_told_to_all_who_wait_and_kept_for_nobody() -> None:
    counted = Counted(status=503)
    async with asking(KeptAnswers(counted, 10**6)) as client:
        assert [(await client.get("/")).status_code for _ in range(2)] == [503, 503]
    assert len(counted.asked) == 2


async def test_who_waited_for_another_address_that_was_refused_asks_by_himself() -> None:
    counted = Counted(status=503)
    counted.go.clear()
    async with asking(KeptAnswers(counted, 10**6)) as client:
        requests = []
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
            whose.set(address)
            requests.append(asyncio.create_task(client.get("/")))
        while not counted.asked:
            await asyncio.sleep(0)
        counted.go.set()
        assert {(await request).status_code for request in requests} == {503}
    assert len(counted.asked) == 2


async def test_a_bug_leaves_nobody_waiting() -> None:
    async with asking(KeptAnswers(Counted(status=500), 10**6)) as client:
        for result in await asyncio.gather(*(client.get("/") for _ in range(3)), return_exceptions=True):
            assert isinstance(result, RuntimeError)


async def test_no_more_bytes_are_kept_than_allowed_and_the_longest_unused_leave_first() -> None:
    counted, limit = Counted(size=200), 60_000
    kept = KeptAnswers(counted, limit)
    async with asking(kept) as client:
        for word in ("first", *(f"{i:05}" for i in range(30)), "00029", "first"):
            await client.get(f"/?prompt={word}", headers={"Accept-Encoding": "identity"})
            assert kept.kept_bytes <= limit
    assert 5 < len(kept.kept) < 30
    assert counted.asked.count("prompt=00029") == 1
    assert counted.asked.count("prompt=first") == 2


async def test_an_answer_too_large_to_keep_is_still_given() -> None:
    kept = KeptAnswers(Counted(size=10_000), 10_000)
    async with asking(kept) as client:
        assert len((await client.get("/?prompt=a")).content) == 80_000
    assert (len(kept.kept), kept.kept_bytes) == (0, 0)


async def test_compressed_bytes_are_the_page(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/claims", headers={"Accept-Encoding": "gzip"}) as response:
        raw = b"".join([piece async for piece in response.aiter_raw()])
    plain = await client.get("/claims", headers={"Accept-Encoding": "identity"})
    assert gzip.decompress(raw) == plain.content
    assert response.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize(
    ("listens_on", "host", "path", "asked"),
    [
        ("127.0.0.1", "localhost", "/", 1),
        ("0.0.0.0", "class.example", "/", 1),
        ("0.0.0.0", "localhost", "/claims", 1),
        ("0.0.0.0", "localhost", "/", 2),
        ("::", "127.0.0.1:8000", "/", 2),
    ],
)
async def test_a_page_that_says_where_the_machine_is_found_looks_each_time(
    listens_on: str, host: str, path: str, asked: int
) -> None:
    counted = Counted()
    async with asking(KeptAnswers(counted, 10_000_000, listens_on), Host=host) as client:
        assert [(await client.get(path)).status_code for _ in range(2)] == [200, 200]
    assert len(counted.asked) == asked
