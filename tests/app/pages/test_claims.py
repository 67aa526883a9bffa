"""The ledger's page: every claim with the verdict and the figures that the rules give, and nothing else."""

from collections.abc import Callable
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.lesson_path import LESSON
from app.settings import Settings
from model.claims.evidence import gather
from model.claims.ledger import CLAIMS, ledger

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]


@pytest.fixture
async def page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Element:
    response = await client.get("/claims")
    assert response.status_code == 200
    return read_html(response.text)


async def test_every_claim_stands_with_its_verdict_and_figures(page: Element, text_of: TextOf) -> None:
    sections = {section.get("id"): section for section in page.iter("section") if section.get("id")}
    entries = list(ledger(gather(Settings().trained_folder)))
    assert list(sections) == [entry.claim.slug for entry in entries] == list(CLAIMS)
    for entry in entries:
        section = sections[entry.claim.slug]
        words = text_of(section)
        assert entry.claim.says in words
        assert f"{entry.judgement.word} {entry.judgement.sentence}" in words
        assert entry.claim.source.check in words
        rows = section.findall(".//tbody/tr")
        assert [text_of(row.findall("td")[0]) for row in rows] == [str(figure) for figure in entry.figures]
        assert [text_of(row.findall("td")[2]) for row in rows] == [figure.by_seed() for figure in entry.figures]


async def test_the_headline_counts_the_verdicts(page: Element, text_of: TextOf) -> None:
    entries = list(ledger(gather(Settings().trained_folder)))
    count = {word: sum(e.judgement.word == word for e in entries) for word in ("holds", "holds when")}
    said = f"Of {len(entries)} claims {count['holds']} hold as they are said, {count['holds when']} under conditions"
    assert said in text_of(page)


async def test_what_a_lesson_or_a_claim_leads_to_exists(
    client: httpx.AsyncClient, read_html: Callable[[str], Element]
) -> None:
    for address in {claim.source.page for claim in CLAIMS.values()} | {part.page for part in LESSON}:
        path, _, place = address.partition("#")
        response = await client.get(path)
        assert response.status_code == 200, address
        if place:
            assert any(e.get("id") == place for e in read_html(response.text).iter()), address
