"""What a browser may keep, and how many bytes travel."""

import asyncio

import httpx
import pytest

from app.templating import static_url
from tests.app.conftest import Connect, StartApp

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["app.css", "vendor/htmx.min.js", "icon.svg", "elements/page-menu.js"])
async def test_a_file_addressed_by_its_content_is_kept_for_good(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(static_url(path))
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_files_hold_no_places_while_they_are_found(start_app: StartApp, connect: Connect) -> None:
    """A class that opens a page asks for thousands of them at once."""
    async with start_app(max_requests=2) as app, connect(app) as client:
        asked = (client.get(static_url("app.css")) for _ in range(20))
        assert {response.status_code for response in await asyncio.gather(*asked)} == {200}


@pytest.mark.parametrize("query", ["", "?v=", "?v=000000000000", "?v=a&v=b"])
async def test_any_other_address_of_it_is_asked_after_and_costs_no_body(client: httpx.AsyncClient, query: str) -> None:
    first = await client.get(f"/static/app.css{query}")
    again = await client.get(f"/static/app.css{query}", headers={"if-none-match": first.headers["etag"]})
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-cache"
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


@pytest.mark.parametrize("path", ["/claims", "/static/app.css", "/static/vendor/htmx.min.js", "/api/v1/recipes"])
async def test_what_is_text_travels_compressed_to_those_who_can_read_it(client: httpx.AsyncClient, path: str) -> None:
    compressed = await client.get(path, headers={"accept-encoding": "gzip"})
    plain = await client.get(path, headers={"accept-encoding": "identity"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in compressed.headers["vary"]
    assert int(compressed.headers["content-length"]) < len(plain.content) / 2
    assert compressed.text == plain.text
    assert "content-encoding" not in plain.headers


async def test_a_browser_that_asks_for_an_icon_of_its_own_accord_finds_ours(client: httpx.AsyncClient) -> None:
    response = await client.get("/favicon.ico", follow_redirects=True)
    assert (response.status_code, response.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, BR; q=0.5", "br"),
        ("gzip, br;q=0", "gzip"),
        ("deflate, br;q=0.000", None),
        ("identity", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("path", ["/static/app.css", "/static/icon.svg", "/static/vendor/htmx.min.js"])
async def test_a_file_travels_in_the_smallest_form_that_the_peer_reads(
    client: httpx.AsyncClient, path: str, accepted: str, encoding: str | None
) -> None:
    plain = await client.get(path, headers={"accept-encoding": "identity"})
    response = await client.get(path, headers={"accept-encoding": accepted})
    assert response.headers.get("content-encoding") == encoding
    assert response.text == plain.text
    assert response.headers["etag"] == plain.headers["etag"]
    assert plain.headers["etag"].startswith("W/")  # not byte for byte the same
    assert response.headers["cache-control"] == plain.headers["cache-control"]
    assert response.headers["content-type"] == plain.headers["content-type"]
    assert (int(response.headers["content-length"]) < len(plain.content)) == (encoding is not None)


async def test_a_stream_of_tokens_is_not_held_back_by_compression(client: httpx.AsyncClient) -> None:
    asked = {"recipe": "reverse", "prompt": "ab", "policy": "prompt-masked", "stream": True}
    response = await client.post("/api/v1/generate", json=asked, headers={"accept-encoding": "gzip"})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "content-encoding" not in response.headers
