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
    parts = [part.slug for part in LESSON]
    assert list(sections) == sorted(CLAIMS, key=lambda slug: parts.index(CLAIMS[slug].part))
    for entry in entries:
        section = sections[entry.claim.slug]
        words = text_of(section)
        assert section.get("aria-label") == entry.claim.says
        assert f"{entry.judgement.word} {entry.judgement.sentence}" in words
        assert entry.claim.source.check in words
        rows = section.findall(".//tbody/tr")
        assert [text_of(row.findall("td")[0]) for row in rows] == [str(figure) for figure in entry.figures]
        assert [text_of(row.findall("td")[2]) for row in rows] == [figure.by_seed() for figure in entry.figures]


async def test_closed_each_claim_is_a_line_with_its_verdict_and_figures_drawn(page: Element, text_of: TextOf) -> None:
    summaries = {text_of(line.findall("span")[1]): line for line in page.iter("summary") if line.findall("svg")}
    for entry in ledger(gather(Settings().trained_folder)):
        line = summaries[entry.claim.says]
        assert text_of(line).startswith(f"{entry.judgement.word} {entry.claim.says}")
        assert all(f"{each.value} {each.words}" in text_of(line) for each in entry.line)
        drawn = line.findall("svg")[0]
        assert sum(shape.tag == "circle" for shape in drawn.iter()) == 1
        assert sum(e.get("class") == "interval" for e in drawn.iter()) == sum(
            each.figure.low is not None for each in entry.line
        )


async def test_verdicts_are_counted_and_choose_what_is_shown(
    client: httpx.AsyncClient, read_html: Callable[[str], Element], text_of: TextOf, page: Element
) -> None:
    entries = list(ledger(gather(Settings().trained_folder)))
    for word in {entry.judgement.word for entry in entries}:
        wanted = [entry.claim.says for entry in entries if entry.judgement.word == word]
        assert f"{word}: {len(wanted)}" in text_of(page)
        shown = read_html((await client.get("/claims", params={"verdict": word.replace(" ", "-")})).text)
        said = [text_of(line.findall("span")[1]) for line in shown.iter("summary") if line.findall("svg")]
        assert sorted(said) == sorted(wanted)
    assert (await client.get("/claims?verdict=nope")).status_code == 404


async def test_what_a_lesson_or_a_claim_leads_to_exists(
    client: httpx.AsyncClient, read_html: Callable[[str], Element]
) -> None:
    for address in {claim.source.page for claim in CLAIMS.values()} | {part.page for part in LESSON}:
        path, _, place = address.partition("#")
        response = await client.get(path)
        assert response.status_code == 200, address
        if place:
            assert any(e.get("id") == place for e in read_html(response.text).iter()), address
