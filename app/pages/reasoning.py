"""Reasoning (`/reasoning`): sums answered at once and with a trace, and what else could explain the gap."""

from dataclasses import dataclass, fields
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog
from app.charts.curves import RATE, CurveChart, Series, Unit, draw_curves
from app.deps import CatalogDep, EngineDep, EvidenceDep
from app.engine import Engine
from app.generations import Generation, admit
from app.templating import render_view
from model.claims.evidence import Evidence
from model.claims.ledger import CLAIMS, Entry, enter
from model.errors import check_known
from model.experiments.reasoning.controls import CONTROLS, PAIR, Control, ControlRow, control_rows
from model.experiments.reasoning.traces import (
    TRACE_PAIRS,
    Reasoning,
    TermsRow,
    TracePair,
    terms_rows,
    verdict_sentence,
)
from model.experiments.shipped import SEEDS
from model.explain.cells import Inspection, inspect_mask
from model.masks.policies import RIGHT
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import render_prompt
from model.training.recipes import Recipe

router = APIRouter(include_in_schema=False)

POLICY = RIGHT
STYLES = ("direct", "thought")
"""CSS classes of the answers at once and with a trace."""
NAMES = {"direct": "at once", "thought": "with a trace"}
TERMS = Unit(lambda value: f"{value:.0f}", low=2.0, high=2.0)


class State(BaseModel):
    """What the address says; the comparison must exist."""

    numbers: str = next(iter(TRACE_PAIRS))
    prompt: str | None = None
    generate: bool = False


@dataclass(frozen=True)
class Choices:
    comparisons: tuple[TracePair, ...]
    comparison: TracePair
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
class Table:
    comparison: TracePair
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
    pair: TracePair
    """That with further arms beside it."""
    controls: dict[str, Control]
    control_rows: tuple[ControlRow, ...]
    entry: Entry
    """What the ledger makes of it."""


@router.api_route("/reasoning", methods=["GET", "HEAD"])
async def page(
    request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep, evidence: EvidenceDep
) -> Response:
    """The whole page."""
    choices = _choices(state)
    context = _context(choices, evidence)
    return await render_view(request, "reasoning/page.html", context, _lanes(choices, catalog, engine))


def _choices(state: State) -> Choices:
    check_known(state.numbers, TRACE_PAIRS, "numbers")
    comparison = TRACE_PAIRS[state.numbers]
    prompt = comparison.sums.example if state.prompt is None else state.prompt
    return Choices(tuple(TRACE_PAIRS.values()), comparison, prompt, state.generate)


def _context(choices: Choices, evidence: Evidence) -> ReasoningContext:
    direct, thought = choices.comparison.recipes
    names = [field.name for field in fields(Recipe)]
    same = [name for name in names if getattr(direct, name) == getattr(thought, name)]
    return ReasoningContext(
        choices=choices,
        tables=tuple(_table(comparison, evidence.reasoning) for comparison in TRACE_PAIRS.values()),
        seeds=len(SEEDS),
        same=tuple(same),
        different=tuple(name for name in names if name not in same),
        names=NAMES,
        pair=PAIR,
        controls=CONTROLS,
        control_rows=control_rows(evidence.controls, evidence.reasoning),
        entry=enter(CLAIMS["reasoning"], evidence),
    )


def _table(comparison: TracePair, reasoning: Reasoning) -> Table:
    rows = terms_rows(comparison, reasoning)
    return Table(comparison, rows, _chart(comparison, rows), verdict_sentence(comparison, rows))


def _chart(comparison: TracePair, rows: tuple[TermsRow, ...]) -> CurveChart:
    series = [
        Series(
            style,
            NAMES[style],
            tuple((float(row.terms), row.rates[i].value) for row in rows),
            tuple((float(row.terms), min(row.rates[i].seeds), max(row.rates[i].seeds)) for row in rows),
        )
        for i, style in enumerate(STYLES)
    ]
    return draw_curves(
        comparison.slug,
        f"Sums of {comparison.title}",
        series,
        y_title="right, of unseen sums",
        y_unit=RATE,
        x_title="terms",
        x_unit=TERMS,
        x_high=float(rows[-1].terms),
    )


async def _lanes(choices: Choices, catalog: Catalog, engine: Engine) -> tuple[Lane, ...]:
    """Raises InvalidText for what is no sum of this kind."""
    pairs = zip(STYLES, choices.comparison.recipes, strict=True)
    return tuple([await _lane(style, recipe, choices, catalog, engine) for style, recipe in pairs])


async def _lane(style: str, recipe: Recipe, choices: Choices, catalog: Catalog, engine: Engine) -> Lane:
    conversation = render_prompt(recipe, choices.prompt)
    model, step = catalog.model(recipe, POLICY.slug, None)
    generation = await admit(engine, recipe, model, choices.prompt).whole() if choices.generate else None
    return Lane(
        name=NAMES[style],
        style=style,
        recipe=recipe,
        step=step,
        inspection=inspect_mask(recipe, [conversation], POLICY),
        right=recipe.task.answer(choices.prompt) + END_OF_TURN,
        generation=generation,
    )
