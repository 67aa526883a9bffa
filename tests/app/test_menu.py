"""The frame around every page: its menu, and what it tells search engines and shared links."""

from collections.abc import Callable
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.menu import Menu, Page
from app.pages import PAGES

pytestmark = pytest.mark.anyio

ReadHtml = Callable[[str], Element]
TextOf = Callable[[Element], str]

MENU = Menu(PAGES).groups


def navs_of(document: Element) -> list[Element]:
    return [nav for nav in document.iter("nav") if nav.get("aria-label") == "Pages"]


def test_every_page_stands_in_one_group_and_a_new_one_goes_where_its_field_says() -> None:
    assert sorted(page.slug for group in MENU for page in group.pages) == sorted(page.slug for page in PAGES)
    new = Page("new", "New", "Evidence", "A hint", "about", PAGES[0].router)
    assert Menu((*PAGES, new)).groups[-1].pages == (*MENU[-1].pages, new)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("/bug", "/bugs"), ("/Packings/x", "/packing"), ("/mask-bugs", "/bugs"), ("/visualiser", "/"), ("/qqq", None)],
)
async def test_an_unknown_address_names_the_page_it_was_most_like_and_all_groups(
    client: httpx.AsyncClient, read_html: ReadHtml, text_of: TextOf, typed: str, meant: str | None
) -> None:
    response = await client.get(typed)
    assert response.status_code == 404
    main = next(read_html(response.text).iter("main"))
    links = [a.get("href") for a in main.iter("a")]
    assert links == [*([meant] if meant else []), *(page.path for group in MENU for page in group.pages)]
    assert all(group.title in text_of(main) for group in MENU)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.slug)
async def test_the_menu_names_every_page_and_marks_the_one_shown(
    client: httpx.AsyncClient, read_html: ReadHtml, text_of: TextOf, page: Page
) -> None:
    document = read_html((await client.get(page.path)).text)
    in_order = [listed.path for group in MENU for listed in group.pages]
    for nav in navs_of(document):
        assert [a.get("href") for a in nav.iter("a")] == in_order
        assert [a.get("href") for a in nav.iter("a") if a.get("aria-current") == "page"] == [page.path]
    row, pocket = navs_of(document)
    current = [text_of(d.findall("summary")[0]) for d in row.iter("details") if d.get("class") == "current"]
    assert current == [group.title for group in MENU if page in group.pages and not group.only]
    assert [text_of(summary) for summary in pocket.iter("summary")] == [page.title]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.slug)
async def test_every_page_describes_itself_with_a_picture_that_exists(
    client: httpx.AsyncClient, read_html: ReadHtml, page: Page
) -> None:
    document = read_html((await client.get(page.path)).text)
    told = {meta.get("name") or meta.get("property"): meta.get("content") for meta in document.iter("meta")}
    assert told["description"] == told["og:description"] == page.description
    title = next(document.iter("title"))  # others name what is drawn
    assert told["og:title"] == (title.text or "").strip()
    picture = await client.get(told["og:image"] or "")
    assert picture.headers["content-type"] == "image/png"
    assert 1_000 < len(picture.content) < 60_000
