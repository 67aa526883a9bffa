"""app/security.py: what every answer carries, and who is turned away before any work is done."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request

from app.engine import EngineBusy
from app.main import create_app
from app.settings import Settings
from app.shares import share_of

pytestmark = pytest.mark.anyio

HELLO = {"recipe": "reverse", "prompt": "hello", "policy": "prompt-masked"}
JSON_TYPE = {"content-type": "application/json"}


# What every answer carries.


def assert_is_read_as_what_it_is_by_us_alone(response: httpx.Response) -> None:
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in response.headers
    assert "access-control-allow-origin" not in response.headers


def assert_carries_the_headers(response: httpx.Response) -> None:
    assert_is_read_as_what_it_is_by_us_alone(response)
    policy = {
        name: sources
        for name, *sources in (part.split() for part in response.headers["content-security-policy"].split(";"))
    }
    assert policy == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert response.headers["permissions-policy"] == "camera=(), geolocation=(), microphone=()"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 200),
        ("GET", "/", {"hx-request-type": "partial"}, 200),
        ("GET", "/api/v1/recipes", {}, 200),
        ("GET", "/api/v1/openapi.json", {}, 200),
        ("GET", "/static/icon.svg", {}, 200),
        ("GET", "/healthz", {}, 200),
        ("GET", "/readyz", {}, 200),
        ("GET", "/metrics", {}, 200),
        ("GET", "/api/v1/recipes/", {}, 307),
        ("GET", "/", {"host": "evil.example"}, 400),
        ("GET", "/healthz", {"host": "evil.example"}, 400),
        ("POST", "/api/v1/generate", {"sec-fetch-site": "cross-site"}, 403),
        ("POST", "/", {"origin": "https://evil.example"}, 403),
        ("GET", "/nope", {}, 404),
        ("GET", "/api/v1/nope", {}, 404),
        ("GET", "/static/nope.js", {}, 404),
        ("GET", "/static/../app/main.py", {}, 404),
        ("POST", "/", {}, 405),
        ("HEAD", "/api/v1/generate", {}, 405),
        ("OPTIONS", "/api/v1/generate", {"origin": "https://evil.example"}, 405),
        ("GET", "/?prompt=N0", {}, 422),
        ("GET", "/?step=x", {"hx-request-type": "partial"}, 422),
        ("POST", "/api/v1/analyze", {}, 422),
    ],
)
async def test_every_answer_carries_the_headers(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    response = await client.request(method, path, headers=headers)
    assert response.status_code == status
    assert_carries_the_headers(response)


@pytest.mark.parametrize("path", ["app.css", "elements/mask-figure.js", "vendor/htmx.min.js"])
async def test_styles_and_scripts_carry_only_the_headers_that_act_on_them(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(f"/static/{path}")
    assert_is_read_as_what_it_is_by_us_alone(response)
    assert not {"content-security-policy", "x-frame-options", "permissions-policy"} & response.headers.keys()


async def test_a_file_that_was_not_modified_carries_the_headers(client: httpx.AsyncClient) -> None:
    first = await client.get("/static/app.css")
    again = await client.get("/static/app.css", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert_carries_the_headers(again)


async def test_a_stream_carries_the_headers(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/generate", json=HELLO | {"stream": True})
    assert_carries_the_headers(response)


async def test_the_answer_to_a_bug_carries_the_headers_and_tells_nothing(
    connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    never_started = create_app(Settings())
    async with connect(never_started, raises=False) as client:
        response = await client.get("/api/v1/recipes")
    assert response.status_code == 500
    assert response.json()["error"] == {
        "type": "server_error",
        "message": "Unexpected error; the server's log has it",
        "param": None,
        "code": "unexpected",
    }
    assert "AttributeError" in caplog.text
    assert_carries_the_headers(response)


# Host.


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST",
        "127.0.0.1",
        "127.0.0.1:80",
        "192.0.2.5:8000",
        "[::1]",
        "[::1]:8000",
    ],
)
async def test_localhost_and_addresses_are_names_of_this_server(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/healthz", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "class.example",
        "localhost:port",
        "localhost:99999",
        "[",
        "[::1",
        "[::g]",
        "",
        " ",
        ":8000",
        "0x7f.1",
    ],
)
async def test_any_other_name_is_refused(client: httpx.AsyncClient, host: str) -> None:
    response = await client.get("/api/v1/recipes", headers={"host": host})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "host_not_allowed"


@pytest.mark.parametrize(
    "host", ["evil@localhost", "evil.example@127.0.0.1", "localhost/evil", "localhost?evil", "localhost#evil"]
)
async def test_a_host_is_a_name_and_a_port_and_nothing_else(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/", headers={"host": host})).status_code == 400


async def test_a_configured_name_is_allowed_in_any_case_and_only_that_one(start_app: Any, connect: Any) -> None:
    async with start_app(allowed_hosts=("class.example",)) as app, connect(app) as client:
        for host, status in {
            "class.example": 200,
            "class.example:8000": 200,
            "Class.Example": 200,
            "other.class.example": 400,
            "class.example.evil.example": 400,
        }.items():
            assert (await client.get("/healthz", headers={"host": host})).status_code == status, host


async def test_a_name_configured_in_capitals_is_allowed(start_app: Any, connect: Any) -> None:
    async with start_app(allowed_hosts=("Class.Example",)) as app, connect(app) as client:
        assert (await client.get("/healthz", headers={"host": "class.example"})).status_code == 200


async def test_two_hosts_are_refused_even_if_they_agree(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/recipes", headers=[("host", "localhost"), ("host", "localhost")])
    assert response.json()["error"]["code"] == "host_not_allowed"
    assert response.status_code == 400


# Origin.


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "nonsense"},
        {"sec-fetch-site": ""},
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:1"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "http://evil@localhost"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "localhost"},
        {"origin": "file://"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
        {"origin": "http://localhost", "sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/api/v1/analyze", "/api/v1/generate", "/nope"])
async def test_another_site_s_page_may_not_post(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> None:
    response = await client.post(path, json=HELLO, headers=headers)
    assert response.status_code == 403
    if path.startswith("/api"):
        assert response.json()["error"]["code"] == "cross_origin"


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://\u2100.example", "http://a]b"])
async def test_an_origin_that_is_none_is_refused_too(client: httpx.AsyncClient, origin: str) -> None:
    response = await client.post("/api/v1/analyze", json=HELLO, headers={"origin": origin.encode()})
    assert response.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "http://localhost", "sec-fetch-site": "same-origin"},
        {"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000"},
    ],
    ids=str,
)
async def test_this_site_s_pages_and_scripts_may_post(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.post("/api/v1/analyze", json=HELLO, headers=headers)).status_code == 200


async def test_a_link_from_another_site_works(client: httpx.AsyncClient) -> None:
    response = await client.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})
    assert response.status_code == 200


# Bodies.


async def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(start_app: Any, connect: Any) -> None:
    body = json.dumps(HELLO).encode()
    async with start_app(body_limit_bytes=2048) as app, connect(app) as client:
        for length, status in ((2048, 200), (2049, 413)):
            padded = body + b" " * (length - len(body))
            counted = await client.post("/api/v1/analyze", content=padded, headers=JSON_TYPE)
            chunked = await client.post("/api/v1/analyze", content=_chunks(padded), headers=JSON_TYPE)
            assert "content-length" not in chunked.request.headers
            assert (counted.status_code, chunked.status_code) == (status, status)
        assert chunked.json()["error"]["message"] == "The body is too large: 2048 bytes at most"


async def test_a_body_without_end_is_refused_at_the_limit(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield b" " * 1000

    response = await client.post("/api/v1/analyze", content=endless(), headers=JSON_TYPE)
    assert response.status_code == 413
    assert sent <= 67_000


async def test_a_body_that_does_not_arrive_is_given_up(start_app: Any, connect: Any) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep_forever()

    async with start_app(body_timeout_seconds=0.05) as app, connect(app) as client:
        response = await client.post("/api/v1/analyze", content=stalled(), headers=JSON_TYPE)
    assert response.status_code == 408
    assert response.json()["error"]["message"] == "The body did not arrive within 0.05 s"
    assert_carries_the_headers(response)


# Places in flight.


class HeldRequest:
    """A POST whose body does not end before `release`: it takes a place in flight."""

    def __init__(self, client: httpx.AsyncClient):
        self.client = client
        self.taken = anyio.Event()
        self.release = anyio.Event()
        self.status = 0

    async def post(self, path: str = "/api/v1/analyze") -> None:
        response = await self.client.post(path, content=self._body(), headers=JSON_TYPE)
        self.status = response.status_code

    async def _body(self) -> AsyncIterator[bytes]:
        self.taken.set()
        await self.release.wait()
        yield json.dumps(HELLO).encode()


@pytest.mark.parametrize(
    ("settings", "other_status", "refusal", "kind"),
    [
        ({"max_requests_per_client": 1}, 200, 429, "rate_limit"),
        ({"max_requests": 1}, 503, 503, "overloaded"),
    ],
)
async def test_one_request_too_many_is_told_to_come_again(
    start_app: Any, connect: Any, settings: dict[str, int], other_status: int, refusal: int, kind: str
) -> None:
    async with (
        start_app(**settings) as app,
        connect(app, address="192.0.2.1") as one,
        connect(app, address="192.0.2.2") as other,
        anyio.create_task_group() as tasks,
    ):
        held = HeldRequest(one)
        tasks.start_soon(held.post)
        await held.taken.wait()
        refused = await one.post("/api/v1/analyze", json=HELLO)
        page = await one.get("/")
        fragment = await one.get("/", headers={"hx-request-type": "partial"})
        elsewhere = await other.post("/api/v1/analyze", json=HELLO)
        health = [(await one.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")]
        held.release.set()
    assert [r.status_code for r in (refused, page, fragment)] == [refusal] * 3
    assert refused.json()["error"]["type"] == kind
    assert fragment.headers["hx-retarget"] == "#notice"
    assert elsewhere.status_code == other_status
    assert health == [200, 200, 200]
    assert held.status == 200
    for response in (refused, page, fragment):
        assert int(response.headers["retry-after"]) >= 1
        assert_carries_the_headers(response)


async def test_an_address_leaves_as_many_places_for_large_bodies_as_it_takes_and_small_ones_need_none(
    start_app: Any, connect: Any
) -> None:
    large, small = b" " * 70_000 + b"{}", b"{}"
    async with (
        start_app(inspection_queue_size=2) as app,
        connect(app) as client,
        connect(app, address="192.0.2.7") as other,
        anyio.create_task_group() as tasks,
    ):
        held = HeldRequest(client)
        tasks.start_soon(held.post, "/api/v1/inspect")
        await held.taken.wait()
        asked = ((client, large), (client, small), (other, large))
        said = [await one.post("/api/v1/inspect", content=body, headers=JSON_TYPE) for one, body in asked]
        held.release.set()
        while not held.status:
            await anyio.sleep(0)
        after = await client.post("/api/v1/inspect", content=large, headers=JSON_TYPE)
    assert [response.status_code for response in (*said, after)] == [503, 422, 422, 422]
    assert said[0].headers["retry-after"] == "1"


async def test_requests_of_one_address_leave_as_many_places_as_they_take(start_app: Any, connect: Any) -> None:
    async with (
        start_app(max_requests=4) as app,
        connect(app, address="2001:db8:1:2::1") as one,
        connect(app, address="2001:db8:1:2:ffff::2") as neighbour,
        connect(app, address="2001:db8:1:3::1") as other,
        anyio.create_task_group() as tasks,
    ):
        requests = [HeldRequest(one), HeldRequest(neighbour)]
        for held in requests:
            tasks.start_soon(held.post)
            await held.taken.wait()
        statuses = [(await client.get("/api/v1/policies")).status_code for client in (one, neighbour, other)]
        for held in requests:
            held.release.set()
    assert statuses == [429, 429, 200]


async def test_a_full_server_still_stops_races(start_app: Any, connect: Any) -> None:
    async with start_app(max_requests=1) as app, connect(app) as client, anyio.create_task_group() as tasks:
        held = HeldRequest(client)
        tasks.start_soon(held.post)
        await held.taken.wait()
        full = await client.get("/api/v1/races/nope")
        through = [
            await client.request(method, f"/{path}")
            for method, path in (
                ("DELETE", "api/v1/races/nope"),
                ("POST", "api/v1/races/nope/pause"),
                ("POST", "race/nope/pause"),
                ("POST", "race/nope/stop"),
            )
        ]
        held.release.set()
    assert full.status_code == 503
    assert [response.status_code for response in through] == [404] * 4


@pytest.mark.parametrize(
    ("peer", "forwarded", "known_as"),
    [
        ("198.51.100.7", "192.0.2.1", "192.0.2.1"),
        ("198.51.100.7", "evil, 192.0.2.9, 192.0.2.1", "192.0.2.1"),
        ("198.51.100.7", "192.0.2.1, 198.51.100.8", "192.0.2.1"),
        ("198.51.100.7", "2001:DB8::1", "2001:db8::/64"),
        ("198.51.100.7", "no address\x1b[31m", "198.51.100.7"),
        ("198.51.100.7", "192.0.2.1:80", "198.51.100.7"),
        ("198.51.100.7", "", "198.51.100.7"),
        ("127.0.0.1", "192.0.2.1", "127.0.0.1"),
        ("203.0.113.1", "192.0.2.1", "203.0.113.1"),
    ],
)
async def test_only_a_proxy_of_ours_says_who_asks(
    start_app: Any, connect: Any, peer: str, forwarded: str, known_as: str
) -> None:
    async with start_app(trusted_proxies=("198.51.100.0/24",)) as app, connect(app, address=peer) as client:
        seen: list[str] = []

        @app.get("/who")
        async def who(request: Request) -> None:
            seen.append(share_of(request.client.host if request.client else ""))

        await client.get("/who", headers={"x-forwarded-for": forwarded})
    assert seen == [known_as]


async def test_a_place_is_free_again_when_its_request_ends_in_whatever_way(start_app: Any, connect: Any) -> None:
    async with start_app(max_requests=1, max_requests_per_client=1) as app, connect(app) as client:
        for _ in range(3):
            assert (await client.post("/api/v1/analyze", json=HELLO)).status_code == 200
            assert (await client.post("/api/v1/analyze", json={})).status_code == 422
            assert (await client.post("/api/v1/analyze", content=b" " * 100_000)).status_code == 413
            assert (await client.post("/api/v1/analyze", json=HELLO, headers={"origin": "null"})).status_code == 403
            assert (await client.post("/api/v1/generate", json=HELLO | {"stream": True})).status_code == 200
            async with anyio.create_task_group() as tasks:
                held = HeldRequest(client)
                tasks.start_soon(held.post)
                await held.taken.wait()
                tasks.cancel_scope.cancel()
        assert (await client.get("/")).status_code == 200


async def test_a_full_engine_is_said_in_the_language_of_who_asks(start_app: Any, connect: Any, gate: Any) -> None:
    async with start_app(queue_size=1) as app, connect(app) as client, anyio.create_task_group() as tasks:
        await _hold_worker(app, tasks, gate)
        api = await client.post("/api/v1/analyze", json=HELLO)
        stream = await client.post("/api/v1/generate", json=HELLO | {"stream": True})
        page = await client.get("/")
        fragment = await client.get("/", headers={"hx-request-type": "partial"})
        gate.open()
    for response in (api, stream, page, fragment):
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
    assert api.json() == stream.json()
    assert api.json()["error"]["message"] == "All 1 places are taken; try again"
    assert "All 1 places are taken; try again" in page.text
    assert page.text.startswith("<!doctype html>")
    assert fragment.text.strip().startswith('<p id="notice"')


async def test_an_answer_that_takes_too_long_is_a_503(start_app: Any, connect: Any, gate: Any) -> None:
    async with start_app(queue_timeout_seconds=0.05) as app, connect(app) as client:
        async with anyio.create_task_group() as tasks:
            await _hold_worker(app, tasks, gate)
            response = await client.post("/api/v1/analyze", json=HELLO)
        gate.open()
    assert response.status_code == 503
    assert response.json()["error"]["message"] == "No answer within 0.05 s; try again"
    assert response.headers["retry-after"] == "1"


async def test_a_stream_that_stalls_ends_with_an_error_event(
    start_app: Any, connect: Any, gate: Any, read_events: Any
) -> None:
    async with start_app(queue_timeout_seconds=0.2) as app, connect(app) as client:
        async with anyio.create_task_group() as tasks:
            await _hold_worker(app, tasks, gate)
            response = await client.post("/api/v1/generate", json=HELLO | {"stream": True})
        gate.open()
    (event,) = read_events(response.text)
    assert (event["id"], event["event"]) == (1, "error")
    assert event["data"]["error"]["code"] == "busy"
    assert event["data"]["error"]["message"] == "No answer within 0.2 s; try again"


async def _hold_worker(app: FastAPI, tasks: Any, gate: Any) -> None:
    """Give the engine a call that waits at the gate, longer than its caller may wait for it."""

    async def call() -> None:
        with suppress(EngineBusy):
            await app.state.engine.call(gate.wait)

    tasks.start_soon(call)
    await anyio.wait_all_tasks_blocked()
    assert app.state.engine.load == 1


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 500):
        yield body[start : start + 500]


# Over a real socket.


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
        (b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /api/v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n", 413),
        (b"POST /api/v1/analyze HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
        (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /static/../app/main.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /static/..%2fapp%2fmain.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /static/%2e%2e/pyproject.toml HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /static//etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /static/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ],
    ids=lambda value: ascii(value)[2:70] if isinstance(value, bytes) else None,
)
def test_bytes_that_no_client_of_ours_sends_are_refused(live_server: str, request_bytes: bytes, status: int) -> None:
    assert _status_of(live_server, request_bytes) == status
    assert httpx.get(f"{live_server}/healthz").status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_megabyte_over_a_socket_is_answered_413(live_server: str, chunked: bool) -> None:
    body = b" " * 1_000_000
    content = (body[i : i + 1000] for i in range(0, len(body), 1000)) if chunked else body
    response = httpx.post(f"{live_server}/api/v1/analyze", content=content, headers=JSON_TYPE)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"


def _status_of(address: str, request_bytes: bytes) -> int:
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        with suppress(ConnectionError):  # refused before all was read; the answer is there all the same
            connection.sendall(request_bytes)
        status_line = connection.makefile("rb").readline()
    return int(status_line.split()[1])
