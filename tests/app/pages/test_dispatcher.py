"""The dispatcher's page as the server writes it: answers and shares from models in memory."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import httpx
import pytest

from app.catalog import Catalog
from app.settings import Settings
from model.claims.evidence import gather
from model.claims.ledger import CLAIMS, enter
from model.experiments.dispatcher.arms import ARMS, KEPT_DISPATCHED, SHARES
from model.experiments.dispatcher.factors import factors
from model.experiments.dispatcher.openings import masses, openings
from model.experiments.dispatcher.rates import KEPT_RATES, RATES, SKILLS, factors_by_model, skill_rate
from model.intervals import difference_over_seeds
from model.training.evaluation import complete_prompts
from model.training.pretraining import continue_texts
from model.training.recipes import SUM_RECIPES, TEXT_TOKENIZER

pytestmark = pytest.mark.anyio

TextOf = Callable[[Element], str]
RECIPE = SUM_RECIPES["answers"]
UNSEEN = "What is 7+8?"
FOLDER = Settings().trained_folder


@pytest.fixture
def open_page(client: httpx.AsyncClient, read_html: Callable[[str], Element]) -> Callable[..., Any]:
    """`await open_page(prompt="What is 7+8?")`: the page as a tree."""

    async def opened(*, status: int = 200, **query: Any) -> Element:
        response = await client.get("/dispatcher", params=query)
        assert response.status_code == status, response.text[:300]
        return read_html(response.text)

    return opened


def of_class(page: Element, tag: str, class_: str) -> list[Element]:
    return [element for element in page.iter(tag) if class_ in element.get("class", "").split()]


def percents(rate: Any) -> str:
    """A rate over seeds, as a cell shows it."""
    seeds = "; ".join(f"{round(100 * seed, 1):g}" for seed in rate.seeds)
    return f"{100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f}) seeds {seeds}"


async def test_every_answer_is_the_model_s_own(open_page: Any, catalog: Catalog, text_of: TextOf) -> None:
    page = await open_page(prompt=UNSEEN, generate=1, step=300)
    lanes = of_class(page, "div", "lane")
    written = ["".join(of_class(lane, "span", "tokens")[0].itertext()) for lane in lanes]
    plain, framed, _ = openings(RECIPE, UNSEEN)
    base = catalog.base.model
    assert written[:2] == [continue_texts(base, TEXT_TOKENIZER, [opening.text], 32)[0] for opening in (plain, framed)]
    for arm, given in zip(ARMS.values(), written[3:], strict=True):
        model, _ = catalog.model(catalog.recipe(arm.recipe), arm.policy, 300)
        assert [given] == complete_prompts(model, RECIPE.task, RECIPE.tokenizer, [UNSEEN])
    assert "What is" in written[0]
    assert written[1].startswith("15\n")
    assert written[3] == "15#"
    assert "SFT never saw this sum" in text_of(page)


async def test_without_being_asked_nothing_is_generated(open_page: Any) -> None:
    page = await open_page()
    assert all(not "".join(of.itertext()) for of in of_class(page, "span", "tokens"))
    (element,) = page.iter("live-generation")
    assert element.get("data-state") == "ready"


async def test_shares_of_samples_are_drawn_from_the_models(open_page: Any, catalog: Catalog, text_of: TextOf) -> None:
    (table,) = of_class(await open_page(prompt=UNSEEN), "table", "mass")
    bodies = table.findall("tbody")
    models = [catalog.base.model]
    models += [catalog.model(catalog.recipe(arm.recipe), arm.policy, None)[0] for arm in ARMS.values()]
    found = [masses(model, openings(RECIPE, UNSEEN), "15", TEXT_TOKENIZER) for model in models]
    for body, of_models in zip(bodies, zip(*found, strict=True), strict=True):
        for mass, row in zip(of_models, body.findall("tr")[1:], strict=True):
            assert mass.answer is not None
            shown = [text_of(cell) for cell in row.findall("td")]
            assert shown == [f"{100 * rate.value:.0f} %" for rate in (mass.question, mass.answer, mass.stop)]


async def test_tables_show_what_was_measured(open_page: Any, text_of: TextOf, catalog: Catalog) -> None:
    dispatched = KEPT_DISPATCHED.read(Settings().trained_folder)
    page = await open_page()
    (table,) = of_class(page, "table", "outcomes-table")
    rows = [[text_of(cell) for cell in row] for row in table.findall("tbody/tr")]
    for row, arm in zip(rows[3:], ARMS, strict=True):
        told = [percents(dispatched.rate(arm, name)) for name in ("right", "exact", "stops", "continues")]
        assert [*row[2:4], *row[5:]] == told
        stop = [run.last.endings.stop.value for run in dispatched.of(arm)]
        assert f"#: {100 * sum(stop) / len(stop):.1f} %" in row[4]
    (table,) = of_class(page, "table", "share-table")
    for line, arm in zip(table.findall("tbody/tr"), ARMS, strict=True):
        shown = [text_of(cell) for cell in line.findall("td")]
        for cell, share in zip(shown, SHARES, strict=True):
            stopped = f"right and stopped {100 * dispatched.rate(arm, 'exact', share).value:.1f} %"
            assert cell == f"{percents(dispatched.rate(arm, 'right', share))} {stopped}"
    charts = of_class(page, "figure", "chart")
    assert [chart.get("id") for chart in charts] == [
        f"chart-{slug}" for slug in ("right", "stops", "continues", "pretraining", "rates")
    ]
    (base,) = (svg for svg in charts[-2].iter("svg") if svg.get("role"))
    assert "goes on with another question: 0 % at 0 to 100 % at 4,000" in base.get("aria-label", "")


async def test_factors_are_the_models_own_and_add_up(open_page: Any, catalog: Catalog, text_of: TextOf) -> None:
    (table,) = of_class(await open_page(prompt=UNSEEN, step=100), "table", "factors-table")
    live, shipped = (body.findall("tr")[1:] for body in table.findall("tbody"))
    models = [catalog.base.model]
    models += [catalog.model(RECIPE, policy, 100)[0] for policy in ("prompt-masked", "unmasked")]
    for model, row in zip(models, live, strict=True):
        found = factors(model, RECIPE, (UNSEEN,))
        shown = [text_of(cell) for cell in row.findall("td")[1:]]
        assert shown == [
            f"{value:.1f}".replace("-", "\N{MINUS SIGN}") for value in (found.prompt, found.answer, found.both)
        ]
    for (_, _, seeds), row in zip(factors_by_model(KEPT_RATES.read(FOLDER)), shipped, strict=True):
        told = "; ".join(f"{one.prompt:.1f}" for one in seeds).replace("-", "\N{MINUS SIGN}")
        assert text_of(row.findall("td")[1]).endswith(f"seeds {told}")


async def test_every_learning_rate_is_shown_with_each_skill_and_the_verdict(open_page: Any, text_of: TextOf) -> None:
    tried, page = KEPT_RATES.read(FOLDER), await open_page()
    (table,) = of_class(page, "table", "rates-table")
    for rate, row in zip(RATES, table.findall("tbody/tr"), strict=True):
        shown = [text_of(cell) for cell in row.findall("td")]
        assert shown == [percents(skill_rate(tried, skill, rate)) for skill in SKILLS.values()]
    dots = [dot for shape in ("circle", "rect") for dot in of_class(page, shape, "seed-dot")]
    assert len(dots) == 3 * len(RATES) * len(SKILLS)
    assert enter(CLAIMS["learning-rate"], gather(FOLDER)).judgement.sentence in text_of(page)


async def test_a_text_that_asks_for_no_sum_has_no_right_answer(open_page: Any, text_of: TextOf) -> None:
    page = await open_page(prompt="a cat sees", generate=1)
    assert "there is no right answer" in text_of(page)
    assert "right ✓" not in text_of(page)
    assert {text_of(cell) for cell in of_class(page, "td", "unknown")} == {"no right answer"}
    (table,) = of_class(page, "table", "factors-table")
    assert len(table.findall("tbody")) == 1, "without an answer only the shipped means"
    await open_page(prompt="a")


@pytest.mark.parametrize("prompt", ["", "<hello>", "what#", "é", "x" * 41, "a\x00b", "<script>alert(1)</script>"])
async def test_what_cannot_be_read_is_told_and_the_rest_stays(open_page: Any, text_of: TextOf, prompt: str) -> None:
    page = await open_page(prompt=prompt, status=422)
    (notice,) = of_class(page, "p", "notice")
    assert text_of(notice)
    assert of_class(page, "table", "outcomes-table")
    assert not of_class(page, "table", "mass")


@pytest.mark.parametrize(("step", "nearest"), [(-5, 0), (10**12, 500), (60, 50), (260, 300)])
async def test_a_step_that_was_not_kept_is_moved_to_the_nearest(open_page: Any, step: int, nearest: int) -> None:
    page = await open_page(step=step)
    (chosen,) = (option for option in page.iter("option") if "selected" in option.attrib)
    assert chosen.get("value") == str(nearest)


async def test_drift_and_what_it_leaves_intact_are_the_ledger_s_words(
    client: httpx.AsyncClient, read_html: Callable[[str], Element], text_of: Callable[[Element], str]
) -> None:
    text = text_of(read_html((await client.get("/dispatcher")).text))
    evidence = gather(Settings().trained_folder)
    for slug in ("drift", "intact", "steps"):
        assert enter(CLAIMS[slug], evidence).judgement.sentence in text
    dispatched = evidence.dispatched
    masked, unmasked = (dispatched.rates(arm, "right", 0.05) for arm in ("prompt-masked", "unmasked"))
    found = difference_over_seeds(masked, unmasked)
    assert f"the difference is {100 * found.value:.1f} points" in text
    assert ("no difference found" in text) == (found.low <= 0 <= found.high)
