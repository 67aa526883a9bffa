"""The ablation's page as the server writes it: every figure from the file, every choice a link, no claim of its own."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.settings import Settings
from model.experiments.ablation.runs import ABLATION_FILE, Ablation, write_ablation
from model.experiments.ablation.sentences import headline, ratio_of, verdict_sentence
from model.experiments.ablation.shipped import ShippedAblation, load_ablation
from model.training.recipes import Variation

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]
TINY = Variation(width=8, steps=400, evaluate_every=20, evaluation_words=10)
EARLY = [100, 120, 140, 100, 120, 140]
LATE = [200, 220, 260, 240, 200, 300]


@pytest.fixture(scope="session")
def shipped() -> ShippedAblation:
    return load_ablation(Settings().trained_folder)


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Callable[..., Any]:
    """`await open_page(setting="reverse4")`: the page under these query parameters as a tree."""

    async def opened(*, status: int = 200, **query: str) -> Element:
        response = await client.get("/ablation", params=query)
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


@pytest.fixture
def page_of(
    tmp_path: Path,
    trained_copy: Path,
    start_app: Callable[..., Any],
    connect: Callable[..., httpx.AsyncClient],
    read_html: Callable[[str], Element],
) -> Callable[[Ablation], Any]:
    """`await page_of(ablation)`: the page of a server that ships it."""

    async def opened(ablation: Ablation) -> Element:
        (trained_copy / ABLATION_FILE).write_bytes(write_ablation(ablation))
        async with start_app(trained_folder=trained_copy) as app, connect(app) as client:
            return read_html((await client.get("/ablation")).text)

    return opened


def by_class(page: Element, name: str) -> list[Element]:
    return [e for e in page.iter() if name in e.get("class", "").split()]


def by_id(page: Element, name: str) -> Element:
    (found,) = (e for e in page.iter() if e.get("id") == name)
    return found


# What it says is what the file shows.


async def test_the_headline_and_the_verdict_are_the_findings(
    open_page: Any, text_of: TextOf, shipped: ShippedAblation
) -> None:
    page = await open_page()
    text = text_of(page)
    assert headline(shipped.findings.comparisons) in text
    assert verdict_sentence(shipped.first()) in text
    assert shipped.findings.ablation.commit in text


@pytest.mark.parametrize(
    ("masked", "unmasked", "said", "never_said"),
    [
        (LATE, EARLY, "Masking hurt", r"helped in|Masking helped|No clear difference:|Where it helped"),
        (EARLY, EARLY, "No clear difference:", r"helped in|hurt in|Masking (helped|hurt)|Where it"),
        ([None] * 6, [None] * 6, "Not learned:", r"helped in|hurt in|Masking (helped|hurt)|No clear difference:"),
        (EARLY, LATE, "Masking helped", r"hurt in|Masking hurt|No clear difference:"),
    ],
)
async def test_no_sentence_claims_what_the_file_does_not_show(
    page_of: Any,
    text_of: TextOf,
    make_ablation: Callable[..., Ablation],
    masked: list[int | None],
    unmasked: list[int | None],
    said: str,
    never_said: str,
) -> None:
    ablation = make_ablation(("reverse4", TINY, {"prompt-masked": masked, "unmasked": unmasked}))
    page = await page_of(ablation)
    text = text_of(page)
    assert said in text
    assert not re.search(never_said, text)
    verdicts = {e.text for e in by_class(page, "word")} | {
        e.text for table in by_class(page, "map") for e in table.iter("span")
    }
    assert len(verdicts) == 1


async def test_the_map_shows_each_setting_s_ratio_and_verdict(
    open_page: Any, text_of: TextOf, shipped: ShippedAblation
) -> None:
    (table,) = by_class(await open_page(), "map")
    cells = {parse_qs(urlsplit(a.attrib["href"]).query)["setting"][0]: a for a in table.iter("a")}
    assert set(cells) == {c.setting.slug for c in shipped.grid()}
    for comparison in shipped.grid():
        cell = cells[comparison.setting.slug]
        ratio = "\N{EN DASH}" if comparison.verdict == "not learned" else ratio_of(comparison, "≥", "≤")
        assert text_of(cell) == f"{ratio} {comparison.verdict}"
        assert cell.get("class") == comparison.verdict.replace(" ", "-")


async def test_every_setting_is_chosen_by_its_link_and_every_run_is_in_its_table(
    open_page: Any, text_of: TextOf, shipped: ShippedAblation
) -> None:
    ablation = shipped.findings.ablation
    rows = by_id(await open_page(), "chart-ratios")
    links = [urlsplit(a.attrib["href"]) for a in rows.iter("a")]
    assert len(links) == len(ablation.settings)
    for comparison, link in zip(shipped.findings.comparisons, links, strict=True):
        assert (link.path, link.fragment) == ("/ablation", "setting")
        page = await open_page(setting=parse_qs(link.query)["setting"][0])
        assert verdict_sentence(comparison) in text_of(page)
        assert [text_of(a) for a in by_id(page, "chart-ratios").iter("a") if a.get("aria-current")]
        body = [[text_of(cell) for cell in row] for row in by_class(page, "runs")[0].iter("tr")][2:]
        expected = []
        for place, seed in enumerate(ablation.seeds):
            reached = [
                a
                for arrivals in comparison.arrivals.values()
                for a in (arrivals[place].masked, arrivals[place].unmasked)
            ]
            ended = [ablation.run(comparison.setting, p, seed).exact_match[-1] for p in ("prompt-masked", "unmasked")]
            steps = ["\N{EN DASH}" if step is None else f"{step:,}" for step in reached]
            expected.append([str(seed), *steps, *(f"{100 * rate:.1f} %" for rate in ended)])
        assert body == expected


async def test_without_a_sweep_there_is_no_section_of_it(page_of: Any, make_ablation: Callable[..., Ablation]) -> None:
    arrivals = {"prompt-masked": EARLY, "unmasked": LATE}
    page = await page_of(make_ablation(("reverse4", TINY, arrivals)))
    assert "sweep-heading" not in {e.get("id") for e in page.iter()}
    asked = [("reverse4", replace(TINY, answer_length=n), arrivals) for n in (1, 2)]
    page = await page_of(make_ablation(*asked))
    assert len(list(by_id(page, "chart-sweep").iter("a"))) == 2


# Addresses


async def test_a_recipe_alone_is_the_recipe_as_it_is(open_page: Any, text_of: TextOf, shipped: ShippedAblation) -> None:
    assert text_of(await open_page(recipe="reverse4")) == text_of(
        await open_page(setting=shipped.of_recipe("reverse4").setting.slug)
    )


@pytest.mark.parametrize("name", ["setting", "recipe"])
async def test_what_does_not_exist_is_404_with_what_does(open_page: Any, text_of: TextOf, name: str) -> None:
    page = await open_page(status=404, **{name: "<b>nope"})
    assert "<b>nope" in text_of(page)
    assert "Choose one of: " in text_of(page)


async def test_every_download_on_the_page_is_there(client: httpx.AsyncClient, open_page: Any) -> None:
    links = [a.attrib["href"] for block in by_class(await open_page(), "files") for a in block.iter("a")]
    assert len(links) >= 7
    for link in links:
        assert (await client.get(link)).status_code == 200, link


async def test_nothing_is_inline(client: httpx.AsyncClient) -> None:
    html = (await client.get("/ablation")).text
    assert not re.search(r"\sstyle=|<style|<script>|\son\w+=|javascript:", html)


# A server without its file does not start.


@pytest.mark.parametrize("content", [None, b"{", b'{"version": 1}'])
async def test_a_missing_or_broken_file_stops_the_start_by_name(
    trained_copy: Path, start_app: Callable[..., Any], content: bytes | None
) -> None:
    path = trained_copy / ABLATION_FILE
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OSError, match=str(path)):
        async with start_app(trained_folder=trained_copy):
            pass
