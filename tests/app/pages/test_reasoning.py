"""The page on reasoning as the server writes it: masks and answers of the models in memory, accuracies as shipped."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.catalog import Catalog
from app.settings import Settings
from model.claims.evidence import gather
from model.claims.ledger import CLAIMS, enter
from model.experiments.reasoning.controls import CONTROLS, control_rows
from model.experiments.reasoning.traces import KEPT_REASONING, TRACE_PAIRS, runs_of
from model.intervals import rate_over_seeds
from model.training.evaluation import complete_prompts

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]
numbers = pytest.mark.parametrize("numbers", TRACE_PAIRS)


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Callable[..., Any]:
    async def opened(*, status: int = 200, **query: Any) -> Element:
        response = await client.get("/reasoning", params=query)
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


def of_class(page: Element, tag: str, class_: str) -> list[Element]:
    return [element for element in page.iter(tag) if class_ in element.get("class", "").split()]


async def test_the_trace_is_part_of_the_response_and_all_of_it_is_trained(open_page: Any) -> None:
    page = await open_page(prompt="3+4+5")
    direct, thought = of_class(page, "ol", "mask-row")
    for row, response in ((direct, "12#"), (thought, "{3+4=7;7+5=12}12#")):
        trained = [of_class(chip, "span", "target")[0].text for chip in of_class(row, "li", "trained")]
        assert "".join(map(str, trained)) == response
        assert len(of_class(row, "li", "ignored")) == len("<3+4+5>") - 1


@numbers
async def test_both_answers_are_the_models_own(open_page: Any, catalog: Catalog, numbers: str) -> None:
    comparison = TRACE_PAIRS[numbers]
    page = await open_page(numbers=numbers, generate=1)
    lanes = of_class(page, "div", "lane")
    for lane, recipe in zip(lanes, comparison.recipes, strict=True):
        model, _ = catalog.model(recipe, "prompt-masked", None)
        written = "".join(of_class(lane, "span", "tokens")[0].itertext())
        assert [written] == complete_prompts(model, recipe.task, recipe.tokenizer, [comparison.sums.example])
        assert lane.get("data-answer") == recipe.task.answer(comparison.sums.example) + "#"


async def test_accuracies_are_those_measured(open_page: Any, text_of: TextOf) -> None:
    reasoning = KEPT_REASONING.read(Settings().trained_folder)
    tables = of_class(await open_page(), "table", "terms-table")
    for table, comparison in zip(tables, TRACE_PAIRS.values(), strict=True):
        for line, terms in zip(table.findall("tbody/tr"), comparison.terms(), strict=True):
            cells = [text_of(cell) for cell in line.findall("td")]
            for cell, recipe in zip(cells, comparison.recipes, strict=False):
                rate = rate_over_seeds([run.at(terms).right for run in runs_of(reasoning, recipe.slug)])
                told = f"{100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})"
                assert cell == f"{told} seeds {'; '.join(f'{round(100 * seed, 1):g}' for seed in rate.seeds)}"
            assert cells[-1] == str(len(set(comparison.sums.held_out(terms, 200))))


async def test_sentences_say_what_the_intervals_allow(open_page: Any, text_of: TextOf) -> None:
    text = text_of(await open_page())
    assert "With 6 digits no clear gap was found" in text
    assert "With 6 numbers to 99 the trace helps" in text
    assert "slug, title, task differ" in text


async def test_the_arms_beside_the_pair_are_shown_with_what_tells_them_apart(open_page: Any, text_of: TextOf) -> None:
    evidence = gather(Settings().trained_folder)
    page = await open_page()
    (table,) = of_class(page, "table", "controls-table")
    shown = [[text_of(cell) for cell in line] for line in table.findall("tbody/tr")]
    for cells, row in zip(shown, control_rows(evidence.controls, evidence.reasoning), strict=True):
        assert cells[:3] == [row.title, f"{row.steps:,}", f"{row.targets:,.0f}"]
        assert cells[3] == f"{row.positions:.1f}"
        assert cells[4].startswith(f"{100 * row.right.value:.1f} % (")
    text = text_of(page)
    assert enter(CLAIMS["reasoning"], evidence).judgement.sentence in text
    for control in CONTROLS.values():
        assert control.differs in text


@numbers
@pytest.mark.parametrize("prompt", ["", "3", "3+", "hello", "3+4=7", "100+1", "1+2+3+4+5+6+7+8", "07+1", "<3+4>"])
async def test_what_is_no_sum_is_told_and_the_rest_stays(
    open_page: Any, text_of: TextOf, numbers: str, prompt: str
) -> None:
    page = await open_page(numbers=numbers, prompt=prompt, status=422)
    (notice,) = of_class(page, "p", "notice")
    assert text_of(notice)
    assert len(of_class(page, "table", "terms-table")) == 2


async def test_unknown_numbers_are_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/reasoning?numbers=nope")).status_code == 404
