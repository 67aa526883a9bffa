"""app/deps.py: a parameter given twice is refused where only one can be used."""

from collections.abc import Callable
from typing import get_origin
from xml.etree.ElementTree import Element

import httpx
import pytest
from fastapi.routing import APIRoute

from app.api import API
from app.deps import query_parameters
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
