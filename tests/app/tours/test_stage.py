"""A step of the tour as a page: asked without its answer, told with it, in the address, to htmx and without."""

import gzip
import re
from collections.abc import Callable
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.tours.steps import EXITS, GUESSES, TOUR

pytestmark = pytest.mark.anyio

ReadHtml = Callable[[str], Element]
TextOf = Callable[[Element], str]
RIGHT_GUESSES = [GUESSES[[c.is_right for c in step.choices].index(True)] for step in TOUR]
NUMBERS = range(1, len(TOUR) + 1)


def rows(page: Element) -> dict[str, Element]:
    return {row.get("class", "").removesuffix(" looked"): row for row in page.iter("tr")}


@pytest.mark.parametrize("number", NUMBERS)
async def test_before_the_guess_neither_the_answer_nor_its_row_is_on_the_page(
    client: httpx.AsyncClient, read_html: ReadHtml, text_of: TextOf, number: int
) -> None:
    response = await client.get(f"/?tour={number}")
    assert response.status_code == 200
    page = read_html(response.text)
    assert not [e for e in page.iter() if e.get("id") == "tour-told"]
    assert "data-figure" not in response.text
    due = [text_of(row) for row in page.iter("tr") if "due" in row.get("class", "").split()]
    later = [n for text in due for n in map(int, re.findall(r"in step (\d)", text))]
    assert all(n > number for n in later)
    asked = [text for text in due if text.endswith("?")]
    assert len(asked) == {2: 1, 4: 1}.get(number, 0)
    marks = {mark for cell in page.iter("td") for mark in cell.get("class", "").split()} & {"trained", "ignored"}
    assert bool(marks) == (number > 1), "the mask is what the first step asks"


@pytest.mark.parametrize("number", NUMBERS)
async def test_after_it_the_step_is_told_and_leads_on(
    client: httpx.AsyncClient, read_html: ReadHtml, text_of: TextOf, number: int
) -> None:
    right = RIGHT_GUESSES[number - 1]
    page = read_html((await client.get(f"/?tour={number}&guess={right}")).text)
    (told,) = (e for e in page.iter("div") if e.get("id") == "tour-told")
    assert text_of(told).startswith("Right.")
    assert "{" not in text_of(page)
    links = {a.get("href") for a in page.iter("a")}
    assert {f"/?tour={number + 1}"} <= links if number < len(TOUR) else {e.address for e in EXITS} <= links


async def test_a_wrong_guess_gets_a_plain_answer_and_the_right_one_beside_it(
    client: httpx.AsyncClient, read_html: ReadHtml, text_of: TextOf
) -> None:
    for number, step in enumerate(TOUR, 1):
        for value in GUESSES:
            if value == RIGHT_GUESSES[number - 1]:
                continue
            page = read_html((await client.get(f"/?tour={number}&guess={value}")).text)
            (told,) = (e for e in page.iter("div") if e.get("id") == "tour-told")
            assert text_of(told).startswith("Not quite. "), step.title
            labels = [text_of(label) for label in page.iter("label") if label.get("class", "").strip()]
            assert len(labels) == 2
            assert [("✓ right" in text, "(your guess)" in text) for text in labels] in (
                [(True, False), (False, True)],
                [(False, True), (True, False)],
            )


async def test_the_exits_lead_somewhere(client: httpx.AsyncClient) -> None:
    for leading in EXITS:
        assert (await client.get(leading.address)).status_code == 200


async def test_the_third_model_takes_the_place_of_the_first_where_the_stop_is_ignored(
    client: httpx.AsyncClient, read_html: ReadHtml, text_of: TextOf
) -> None:
    page = read_html((await client.get("/?tour=6&guess=b")).text)
    last = list(rows(page)["targets"].iter("td"))[-1]
    assert last.get("class", "").split() == ["ignored", "looked"]
    assert "evillllllll" in text_of(rows(page)["writes eos-masked"]).replace(" ", "")
    assert "writes prompt-masked" not in rows(page)


async def test_the_mask_can_be_switched_off_once_it_has_been_seen(
    client: httpx.AsyncClient, read_html: ReadHtml
) -> None:
    def trained(html: str) -> int:
        return sum("trained" in cell.get("class", "").split() for cell in read_html(html).iter("td"))

    on = (await client.get("/?tour=1&guess=b")).text
    assert trained(on) == 5
    assert "/?tour=1&amp;guess=b&amp;policy=unmasked" in on
    assert trained((await client.get("/?tour=1&guess=b&policy=unmasked")).text) == 10
    assert trained((await client.get("/?tour=1&policy=unmasked")).text) == 0


@pytest.mark.parametrize(("given", "number"), [(-3, 1), (0, 1), (7, 6), (10**15, 6)])
async def test_a_step_outside_of_the_tour_is_moved_into_it(client: httpx.AsyncClient, given: int, number: int) -> None:
    assert TOUR[number - 1].title in (await client.get(f"/?tour={given}")).text


@pytest.mark.parametrize("query", ["tour=2&guess=d", "tour=2&guess=", "tour=1&guess=b&policy=eos-masked"])
async def test_a_choice_that_is_not_there_is_refused(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/?{query}")
    assert response.status_code == 404
    assert "Choose one of" in response.text


async def test_htmx_gets_the_tour_alone(client: httpx.AsyncClient, read_html: ReadHtml) -> None:
    part = read_html((await client.get("/?tour=3&guess=b", headers={"HX-Request-Type": "partial"})).text)
    assert [child.get("id") for child in part] == ["tour"]
    assert next(part.iter("title")).text == f"{TOUR[2].title} · Tour, step 3 of 6 · Maskscope"


async def test_the_first_screen_offers_it_and_every_step_is_light(client: httpx.AsyncClient) -> None:
    assert '<a class="take-tour" href="/?tour=1">Tour in six steps</a>' in (await client.get("/")).text
    for number, right in zip(NUMBERS, RIGHT_GUESSES, strict=True):
        html = (await client.get(f"/?tour={number}&guess={right}")).content
        assert len(gzip.compress(html)) < 20_000
