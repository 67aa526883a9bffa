"""Reasoning (`/reasoning`): sums answered at once and with a trace, all else equal. State is the address."""

from dataclasses import dataclass, fields, replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog
from app.charts.curves import RATE, CurveChart, Series, Unit, draw_curves
from app.deps import CatalogDep, EngineDep, EvidenceDep
from app.engine import Engine
from app.generations import Generation, admit
from app.templating import render
from model.errors import InvalidText, check_known
from model.experiments.reasoning import COMPARISONS, SEEDS, Comparison, Reasoning, runs_of
from model.explain.cells import Inspection, inspect_mask
from model.masks.policies import RIGHT
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import render_prompt
from model.training.evaluation import Rate, pooled
from model.training.recipes import Recipe

router = APIRouter(include_in_schema=False)

POLICY = RIGHT
STYLES = ("direct", "thought")
"""CSS classes of the answers at once and with a trace."""
NAMES = {"direct": "at once", "thought": "with a trace"}
TERMS = Unit(lambda value: f"{value:.0f}", low=2.0, high=2.0)


class State(BaseModel):
    """What the address says; the comparison must exist."""

    numbers: str = next(iter(COMPARISONS))
    prompt: str | None = None
    generate: bool = False


@dataclass(frozen=True)
class Choices:
    comparisons: tuple[Comparison, ...]
    comparison: Comparison
    prompt: str
    generate: bool


@dataclass(frozen=True)
class Lane:
    name: str
    style: str
    recipe: Recipe
    step: int
    inspection: Inspection
    right: str
    generation: Generation | None


@dataclass(frozen=True)
class TermsRow:
    terms: int
    trained: bool
    rates: tuple[Rate, ...]
    """At once, with a trace; all seeds together."""
    spreads: tuple[tuple[float, float], ...]
    """The lowest and the highest seed of each."""
    whole: Rate
    """The trace right as well."""
    passes: tuple[float, ...]


@dataclass(frozen=True)
class Table:
    comparison: Comparison
    rows: tuple[TermsRow, ...]
    chart: CurveChart
    sentence: str


@dataclass(frozen=True)
class ReasoningContext:
    choices: Choices
    tables: tuple[Table, ...]
    seeds: int
    same: tuple[str, ...]
    """Fields of the two recipes that are equal, and those that are not."""
    different: tuple[str, ...]
    names: dict[str, str]
    lanes: tuple[Lane, ...] = ()
    message: str | None = None
    """Why there are no lanes."""


@router.api_route("/reasoning", methods=["GET", "HEAD"])
async def page(
    request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep, evidence: EvidenceDep
) -> Response:
    """The whole page."""
    choices = _choices(state)
    context = _context(choices, evidence.reasoning)
    try:
        lanes = await _lanes(choices, catalog, engine)
    except InvalidText as error:
        return render(request, "reasoning/page.html", replace(context, message=error.message), 422)
    return render(request, "reasoning/page.html", replace(context, lanes=lanes))


def _choices(state: State) -> Choices:
    check_known(state.numbers, COMPARISONS, "numbers")
    comparison = COMPARISONS[state.numbers]
    prompt = comparison.sums.example if state.prompt is None else state.prompt
    return Choices(tuple(COMPARISONS.values()), comparison, prompt, state.generate)


def _context(choices: Choices, reasoning: Reasoning) -> ReasoningContext:
    direct, thought = choices.comparison.recipes
    names = [field.name for field in fields(Recipe)]
    same = [name for name in names if getattr(direct, name) == getattr(thought, name)]
    return ReasoningContext(
        choices=choices,
        tables=tuple(_table(comparison, reasoning) for comparison in COMPARISONS.values()),
        seeds=len(SEEDS),
        same=tuple(same),
        different=tuple(name for name in names if name not in same),
        names=NAMES,
    )


def _table(comparison: Comparison, reasoning: Reasoning) -> Table:
    rows = []
    for terms in comparison.terms():
        measured = [[run.at(terms) for run in runs_of(reasoning, recipe.slug)] for recipe in comparison.recipes]
        rows.append(
            TermsRow(
                terms,
                terms <= comparison.sums.most,
                tuple(pooled([row.right for row in of_recipe]) for of_recipe in measured),
                tuple(_spread([row.right.value for row in of_recipe]) for of_recipe in measured),
                pooled([row.whole for row in measured[1]]),
                tuple(sum(row.passes for row in of_recipe) / len(of_recipe) for of_recipe in measured),
            )
        )
    return Table(comparison, tuple(rows), _chart(comparison, rows), _sentence(comparison, rows))


def _spread(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def _chart(comparison: Comparison, rows: list[TermsRow]) -> CurveChart:
    series = [
        Series(
            style,
            NAMES[style],
            tuple((float(row.terms), row.rates[i].value) for row in rows),
            tuple((float(row.terms), *row.spreads[i]) for row in rows),
        )
        for i, style in enumerate(STYLES)
    ]
    return draw_curves(
        comparison.slug,
        f"Sums of {comparison.title}",
        series,
        y_title="right, of held-out sums",
        y_unit=RATE,
        x_title="terms",
        x_unit=TERMS,
        x_high=float(rows[-1].terms),
    )


def _sentence(comparison: Comparison, rows: list[TermsRow]) -> str:
    """What the intervals allow to be said, and no more."""
    most = next(row for row in rows if row.terms == comparison.sums.most)
    beyond = rows[-1]
    direct, thought = most.rates
    found = f"{100 * thought.value:.1f} % with a trace, {100 * direct.value:.1f} % at once"
    if thought.low > direct.high:
        verdict = f"With {most.terms} {comparison.title} the trace helps: {found}."
    elif direct.low > thought.high:
        verdict = f"With {most.terms} {comparison.title} the trace hurts: {found}."
    else:
        verdict = f"With {most.terms} {comparison.title} there is no gap: {found}, and the intervals overlap."
    rest = f"One term more than trained: {100 * beyond.rates[1].value:.1f} % and {100 * beyond.rates[0].value:.1f} %."
    return f"{verdict} {rest}"


async def _lanes(choices: Choices, catalog: Catalog, engine: Engine) -> tuple[Lane, ...]:
    """Raises InvalidText for what is no sum of this kind."""
    lanes = []
    for style, recipe in zip(STYLES, choices.comparison.recipes, strict=True):
        rendered = render_prompt(recipe, choices.prompt)
        model, step = catalog.model(recipe, POLICY.slug, None)
        generation = admit(engine, recipe, model, choices.prompt) if choices.generate else None
        if generation:
            async for _ in generation.tokens():
                pass
        right = recipe.task.answer(choices.prompt) + END_OF_TURN
        inspection = inspect_mask(recipe, [rendered], POLICY)
        lanes.append(Lane(NAMES[style], style, recipe, step, inspection, right, generation))
    return tuple(lanes)
