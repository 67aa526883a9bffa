"""app/methods.py: HEAD where GET is, and an Allow that is complete."""

import httpx
import pytest
from fastapi import FastAPI

from app.api import API
from app.methods import methods_of
from app.pages import PAGES

pytestmark = pytest.mark.anyio

PATHS = sorted(
    {
        route.path
        for router in (*API, *(page.router for page in PAGES))
        for route in router.routes
        if "{" not in route.path
    }  # type: ignore[attr-defined]
)


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/api/v1/races"])
async def test_an_address_takes_what_its_allow_says_and_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    refused = await client.request("PUT", path)
    assert refused.status_code == 405
    allowed = set(refused.headers["allow"].split(", "))
    assert allowed
    assert ("GET" in allowed) == ("HEAD" in allowed)
    for method in {"GET", "POST", "PATCH", "DELETE"} - allowed:
        assert (await client.request(method, path)).status_code == 405


async def test_an_address_with_several_routes_says_all_of_their_methods(client: httpx.AsyncClient) -> None:
    for path, allowed in (
        ("/api/v1/races", "GET, HEAD, POST"),
        ("/api/v1/races/x", "DELETE, GET, HEAD"),
        ("/api/v1/openapi.json", "GET, HEAD"),
        ("/static/app.css", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
    ):
        response = await client.request("PUT", path)
        assert (response.status_code, response.headers["allow"]) == (405, allowed), path


@pytest.mark.parametrize("name", ["events", "result.json", "result.csv"])
async def test_what_a_race_gives_to_read_takes_no_command(client: httpx.AsyncClient, name: str) -> None:
    refused = await client.post(f"/api/v1/races/x/{name}")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert refused.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/metrics",
        "/api/v1/ablation.csv",
        "/api/v1/policies",
        "/static/app.css",
        "/lesson",
        "/api/v1/races/x",
    ],
)
async def test_head_is_answered_as_get_without_the_body(client: httpx.AsyncClient, path: str) -> None:
    get, head = await client.get(path), await client.head(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    for name in ("content-type", "content-disposition", "etag", "cache-control"):
        assert head.headers.get(name) == get.headers.get(name), name


async def test_head_of_a_stream_opens_none(app: FastAPI, client: httpx.AsyncClient) -> None:
    race = (await client.post("/api/v1/races", json={"policies": ["unmasked"], "width": 8, "steps": 5000})).json()
    head = await client.head(race["events"])
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")
    assert app.state.races.find(race["id"]).followers == 0
    assert len(app.state.races.followers) == 0
    app.state.races.stop(app.state.races.find(race["id"]))


def test_every_route_of_a_router_is_known() -> None:
    assert len(methods_of(page.router for page in PAGES)) >= len(PAGES)
