"""The page on several answers as the server writes it: a model in memory asked, beside what was measured of it."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.catalog import Catalog
from app.settings import Settings
from model.claims.evidence import gather
from model.claims.ledger import CLAIMS, enter
from model.experiments.limits import ASKED, KEPT_LIMITS, asked_run, limits_rows
from model.experiments.other_answers import SPREADS, limit_recipe
from model.experiments.shipped import SEEDS
from model.explain.both_answers import ask_for_both

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]
RUNS = KEPT_LIMITS.read(Settings().trained_folder)


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Callable[..., Any]:
    async def opened(*, status: int = 200, **query: Any) -> Element:
        response = await client.get("/limits", params=query)
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


def table(page: Element, class_: str, text_of: TextOf) -> list[list[str]]:
    """Rows of the table's bodies; a group's name is a row of one cell."""
    (found,) = (t for t in page.iter("table") if class_ in t.get("class", "").split())
    return [[text_of(cell) for cell in row] for body in found.findall("tbody") for row in body.findall("tr")]


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


@pytest.mark.parametrize("slug", ASKED)
async def test_probabilities_are_those_of_the_model_in_memory_beside_what_was_measured_of_it(
    open_page: Any, catalog: Catalog, text_of: TextOf, slug: str
) -> None:
    arm, seed = ASKED[slug], 1
    asked = ask_for_both(catalog.several[slug, seed], limit_recipe(arm.where, arm.share), "mask")
    run = asked_run(RUNS, arm, seed)
    page = await open_page(arm=slug, seed=seed, prompt="mask")
    reversal, copied, mixed, rest = table(page, "odds", text_of)
    for row, odds, measured in ((reversal, asked.reversal, run.p_reversal), (copied, asked.copied, run.p_other)):
        assert row[1:-2] == [f"{token} {100 * p:.0f} %" for token, p in odds.tokens]
        assert row[-2:] == [percent(odds.probability), percent(measured)]
    assert run.p_mixed is not None
    assert mixed[-2:] == [percent(asked.mixed), percent(run.p_mixed)]
    assert rest[-2] == percent(asked.rest)
    assert f"Greedily it writes {asked.written}" in text_of(page)


async def test_every_model_that_can_be_chosen_is_in_memory(open_page: Any, catalog: Catalog) -> None:
    page = await open_page()
    offered = {name: [e.get("value") for e in page.iter("input") if e.get("name") == name] for name in ("arm", "seed")}
    assert offered == {"arm": list(ASKED), "seed": [str(seed) for seed in SEEDS]}
    assert set(catalog.several) == {(arm, seed) for arm in ASKED for seed in SEEDS}


async def test_verdicts_are_those_of_the_ledger(open_page: Any, text_of: TextOf) -> None:
    text, evidence = text_of(await open_page()), gather(Settings().trained_folder)
    for slug in ("answers", "preferences", "labeller"):
        judgement = enter(CLAIMS[slug], evidence).judgement
        assert f"{judgement.word} {judgement.sentence}" in text


async def test_every_seed_is_a_dot(open_page: Any) -> None:
    page = await open_page()
    for where, lines in (("both", 3), ("scattered", 2)):
        (chart,) = (e for e in page.iter("figure") if e.get("id") == f"chart-answers-{where}")
        shares = {run.share for run in RUNS if run.where == where} | {0.0}
        assert sum(e.get("class") == "spot" for e in chart.iter("line")) == lines * len(shares) * len(SEEDS)


async def test_every_measured_row_is_there_with_its_seeds(open_page: Any, text_of: TextOf) -> None:
    cells = table(await open_page(), "limits-table", text_of)
    assert [shown for shown in cells if len(shown) == 1] == [
        [f"The word itself is the label {spread.title}"] for spread in SPREADS.values()
    ]
    for row, shown in zip(limits_rows(RUNS), (shown for shown in cells if len(shown) > 1), strict=True):
        assert shown[0] == f"{100 * row.share:.0f} %"
        for cell, rate in zip(shown[1:5], (row.reversal, row.other, row.mixed, row.stopped), strict=True):
            assert cell.startswith(percent(rate.value) if rate else "not counted")
        for cell, values in zip(shown[5:], (row.p_reversal, row.p_other, row.p_mixed), strict=True):
            told = "; ".join(f"{100 * value:.1f}" for value in values)
            assert cell == (f"{percent(sum(values) / len(values))} seeds {told}" if values else "not counted")


async def test_a_palindrome_has_one_answer(open_page: Any, text_of: TextOf) -> None:
    assert "the word reads the same backwards" in text_of(await open_page(arm="scattered-0", prompt="abba"))


@pytest.mark.parametrize("prompt", ["", "abc", "abcde", "ABCD", "<b>a", "a" * 500])
async def test_what_is_no_word_of_four_letters_is_told_and_the_measurements_stay(
    open_page: Any, text_of: TextOf, prompt: str
) -> None:
    page = await open_page(prompt=prompt, status=422)
    (notice,) = (e for e in page.iter("p") if "notice" in e.get("class", "").split())
    assert text_of(notice)
    assert len(table(page, "limits-table", text_of)) == len(RUNS) // len(SEEDS) + len(SPREADS)


@pytest.mark.parametrize(("seed", "used"), [(-4, 0), (10**9, 2)])
async def test_a_seed_is_moved_to_one_that_was_trained(open_page: Any, seed: int, used: int) -> None:
    page = await open_page(seed=seed)
    (checked,) = (e for e in page.iter("input") if e.get("name") == "seed" and e.get("checked") is not None)
    assert checked.get("value") == str(used)


async def test_an_unknown_arm_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/limits?arm=nope")).status_code == 404
