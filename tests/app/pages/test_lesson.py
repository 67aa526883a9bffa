"""The lesson as a path: contents, parts, the live pages with their text beside them, the way from each to the next."""

from collections.abc import Callable
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.lesson_path import LESSON, at_page, live_address
from model.claims.ledger import CLAIMS

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]
ORDER = (
    *("gap", "fix", "template", "loss", "line", "ablation", "padding", "slice", "reference", "limits", "trade-offs"),
    "reasoning",
)


def test_the_parts_are_in_the_lesson_s_order_and_every_claim_is_of_one() -> None:
    assert tuple(part.slug for part in LESSON) == ORDER
    assert {claim.part for claim in CLAIMS.values()} <= set(ORDER)


async def test_the_way_leads_along_every_live_page_with_its_text_beside_it_and_back(
    client: httpx.AsyncClient, read_html: Callable[[str], Element], text_of: TextOf
) -> None:
    address, seen = "/lesson", [""]
    for number in range(len(LESSON) + 1):
        response = await client.get(address.partition("#")[0])
        assert response.status_code == 200, address
        page = read_html(response.text)
        (way,) = page.iter("lesson-path")
        (link,) = (a for a in way.iter("a") if a.get("rel") == "next")
        assert link.get("href") == way.get("data-next")
        assert way.get("data-previous", "") == seen[-1]
        for paragraph in LESSON[number - 1].text if number else ():
            assert " ".join(paragraph.split()) in text_of(way)
        seen.append(address)
        address = way.get("data-next", "")
    assert seen[1:] == ["/lesson", *(live_address(number) for number in range(1, len(LESSON) + 1))]
    assert address == "/lesson"


async def test_a_part_s_own_page_leads_to_its_figure_and_the_contents_lead_to_both(
    client: httpx.AsyncClient, read_html: Callable[[str], Element]
) -> None:
    links = {a.get("href") for a in read_html((await client.get("/lesson")).text).iter("a")}
    for number in range(1, len(LESSON) + 1):
        assert {f"/lesson?part={number}", live_address(number)} <= links
        (way,) = read_html((await client.get(f"/lesson?part={number}")).text).iter("lesson-path")
        assert way.get("data-next") == live_address(number)
        assert way.get("data-previous") == (f"/lesson?part={number - 1}" if number > 1 else "/lesson")


async def test_closing_a_part_leads_to_the_same_view_without_it(
    client: httpx.AsyncClient, read_html: Callable[[str], Element]
) -> None:
    page = read_html((await client.get("/?prompt=wind&gradient=share&lesson=4&step=400")).text)
    (closing,) = (a for a in next(page.iter("aside")).iter("a") if a.get("class") == "close")
    assert closing.get("href") == "/?prompt=wind&gradient=share&step=400"
    assert not list(read_html((await client.get(closing.get("href", ""))).text).iter("aside"))


async def test_another_word_stays_in_the_part(client: httpx.AsyncClient) -> None:
    partial = {"HX-Request-Type": "partial"}
    response = await client.get("/?prompt=wind&lesson=4", headers=partial)
    assert response.headers["HX-Push-Url"].endswith("&lesson=4")
    assert "lesson" not in (await client.get("/?prompt=wind&lesson=5", headers=partial)).headers["HX-Push-Url"]
    assert '<input type="hidden" name="lesson" value="4">' in (await client.get("/?lesson=4")).text


async def test_a_part_shows_its_text_and_the_verdicts_behind_it(
    client: httpx.AsyncClient, read_html: Callable[[str], Element], text_of: TextOf
) -> None:
    for number, part in enumerate(LESSON, 1):
        page = text_of(read_html((await client.get(f"/lesson?part={number}")).text))
        for paragraph in part.text:
            assert " ".join(paragraph.split()) in page
        for claim in CLAIMS.values():
            assert (claim.says in page) == (claim.part == part.slug)


@pytest.mark.parametrize(
    ("part", "title"), [(-3, "from start to end"), (0, "from start to end"), (10**15, "Reasoning")]
)
async def test_a_number_outside_of_the_path_is_moved_into_it(client: httpx.AsyncClient, part: int, title: str) -> None:
    response = await client.get(f"/lesson?part={part}")
    assert response.status_code == 200
    assert title in response.text


@pytest.mark.parametrize("given", ["", "0", "13", "-1", "1e3", "x", "٣", "9" * 5000])
def test_what_is_no_part_shows_no_way(given: str) -> None:
    assert at_page("/dispatcher", {"lesson": given}) is None


async def test_a_page_that_is_not_the_part_s_shows_no_way(client: httpx.AsyncClient) -> None:
    assert "<lesson-path" in (await client.get("/shift?lesson=5")).text
    for address in ("/shift", "/shift?lesson=1", "/race?lesson=5", "/nowhere?lesson=5"):
        assert "<lesson-path" not in (await client.get(address)).text
