"""app/deps.py: a parameter given twice is refused where only one can be used, and one that is too long everywhere."""

import re
from collections.abc import Callable, MutableMapping
from typing import Any, get_origin
from xml.etree.ElementTree import Element

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api import API
from app.deps import PARAMETER_CHARACTERS, query_parameters
from app.pages import PAGES

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/packing", "/api/v1/packing"])
@pytest.mark.parametrize("query", ["words=a&words=b", "words=a&policy=packed&words=a", "words=&words="])
async def test_words_given_twice_are_neither_joined_nor_dropped(
    client: httpx.AsyncClient, path: str, query: str
) -> None:
    response = await client.get(f"{path}?{query}")
    assert response.status_code == 422
    said = "words: the address has this 2 times, but only one can be used; write it once, with commas between the words"
    assert said in response.text


async def test_words_with_commas_between_are_both_there(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/v1/packing", params={"words": "ab,cd"})).json()
    assert [document["text"] for document in answer["documents"]] == ["<ab>ba#", "<cd>dc#"]


SINGLE = [
    (route.path, name)
    for router in (*API, *(page.router for page in PAGES))
    for route in router.routes
    if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and "{" not in route.path
    for name, kind in query_parameters(route)
    if get_origin(kind) is not list
]


def test_all_that_pages_and_calls_read_is_looked_at() -> None:
    assert {("/", "step"), ("/race", "recipe"), ("/turns", "policy"), ("/api/v1/analyze", "prompt")} <= set(SINGLE)
    assert not {("/turns", "role"), ("/turns", "text"), ("/api/v1/mask", "prompt")} & set(SINGLE)


@pytest.mark.parametrize(("path", "name"), SINGLE)
async def test_no_page_or_call_takes_a_parameter_twice_where_one_is_meant(
    client: httpx.AsyncClient, path: str, name: str
) -> None:
    response = await client.get(f"{path}?{name}=1&{name}=2&{name}=3")
    assert response.status_code == 422
    assert f"{name}: the address has this 3 times, but only one can be used; write it once" in response.text


async def test_a_script_is_told_the_parameter(client: httpx.AsyncClient) -> None:
    error = (await client.get("/api/v1/analyze?recipe=reverse&prompt=a&prompt=b&policy=unmasked")).json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request", "prompt", "invalid")


async def test_a_list_is_given_by_repeating_it(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/mask?recipe=reverse&policy=unmasked&prompt=a&prompt=bc")
    assert response.status_code == 200
    assert len(response.json()["rows"]) == 2


async def test_what_no_page_reads_may_be_repeated(client: httpx.AsyncClient) -> None:
    assert (await client.get("/packing?source=a&source=b")).status_code == 200


@pytest.mark.parametrize("path", [page.path for page in PAGES if page.slug != "turns"])
async def test_no_form_of_a_page_sends_a_name_twice(
    client: httpx.AsyncClient, read_html: Callable[[str], Element], path: str
) -> None:
    for form in read_html((await client.get(path)).text).iter("form"):
        if form.attrib.get("method") == "post":
            continue
        sent = [
            field.attrib["name"]
            for field in form.iter()
            if field.tag in ("input", "select", "textarea")
            and "name" in field.attrib
            and (field.attrib.get("type") not in ("radio", "checkbox") or "checked" in field.attrib)
        ]
        assert len(sent) == len(set(sent)), (path, sent)


HOSTILE = {
    "nul": "%00",
    "lone surrogate": "%ED%A0%80",
    "no UTF-8": "%FF%FE",
    "right to left": "%E2%80%AE%F0%9F%98%80",
    "huge": "9" * PARAMETER_CHARACTERS,
    "negative": "-1" + "0" * 30,
    "no number": "NaN",
    "infinite": "1e999",
    "empty": "",
}
READ = sorted(
    {
        (re.sub(r"{[^}]+}", "x", route.path), name)
        for router in (*API, *(page.router for page in PAGES))
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
        for name, _ in query_parameters(route)
    }
)


async def ask(app: FastAPI, path: str, query: str) -> tuple[int, bytes]:
    """Status and body of a GET. By hand: httpx sends no address of 100 kB, and mends what is odd in others."""
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    scope |= {"path": path, "raw_path": path.encode(), "root_path": "", "query_string": query.encode()}
    scope |= {"headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("localhost", 80)}
    status, body = 0, bytearray()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    await app(scope, receive, send)
    return status, bytes(body)


async def test_a_parameter_of_a_hundred_kilobytes_is_refused_by_every_address(app: FastAPI) -> None:
    for path, name in (*READ, ("/healthz", "unknown"), ("/lesson", "a" * 100_000)):
        status, body = await ask(app, path, f"{name}={'a' * 100_000}")
        assert status == 422, (path, name)
        assert f"a parameter has at most {PARAMETER_CHARACTERS} characters, this one ".encode() in body
        assert len(body) < 100_000, (path, name)


async def test_what_a_page_repeats_is_bounded_further(app: FastAPI) -> None:
    status, body = await ask(app, "/dispatcher", "prompt=" + "a" * 257)
    assert status == 422
    assert b"prompt: String should have at most 256 characters" in body


async def test_no_parameter_of_any_address_can_be_given_what_it_has_no_answer_to(app: FastAPI) -> None:
    """Three of HOSTILE for each, so that each address meets most of them."""
    kinds = list(HOSTILE.items())
    for place, (path, name) in enumerate(READ):
        for step in range(3):
            kind, value = kinds[(place * 3 + step) % len(kinds)]
            status, _ = await ask(app, path, f"{name}={value}")
            assert status in (200, 303, 404, 422), (path, name, kind)
