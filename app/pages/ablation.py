"""The ablation (`/ablation`): when does masking the prompt help? One setting is chosen; the address says which."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.charts.ablation import curve_charts, name_of, pair_chart, ratio_chart, sweep_chart
from app.charts.comparisons import PairChart, RatioChart
from app.charts.curves import CurveChart
from app.deps import AblationDep
from app.templating import render
from model.experiments.ablation import sentences
from model.experiments.ablation.findings import Comparison
from model.experiments.ablation.runs import Ablation
from model.experiments.ablation.shipped import ShippedAblation
from model.masks.policies import RIGHT, UNMASKED
from model.training.recipes import RECIPES, Recipe

router = APIRouter(include_in_schema=False)


class State(BaseModel):
    """What the address says. A setting is of one recipe; a recipe alone stands for the recipe as it is."""

    setting: str | None = None
    recipe: str | None = None


@dataclass(frozen=True)
class Cell:
    """A setting on the map."""

    slug: str
    ratio: str
    verdict: str


@dataclass(frozen=True)
class SettingMap:
    """Widths by learning rates; None where there is no setting."""

    rates: tuple[str, ...]
    rows: tuple[tuple[int, tuple[Cell | None, ...]], ...]
    shared: str
    """The conditions that are the same all over the map."""
    elsewhere: str
    """What the settings that are not on the map show."""


@dataclass(frozen=True)
class SeedRow:
    """A seed's two runs, masked first: steps to each threshold (None: never) and the exact match they ended with."""

    seed: int
    reached: tuple[tuple[int | None, int | None], ...]
    ended: tuple[float, float]


@dataclass(frozen=True)
class Selected:
    """The chosen setting: what it shows, in words, as curves, seed by seed."""

    comparison: Comparison
    name: str
    sentences: tuple[str, ...]
    conditions: tuple[str, str]
    curves: tuple[CurveChart, ...]
    pairs: PairChart
    seeds: tuple[SeedRow, ...]


@dataclass(frozen=True)
class Sweep:
    """Settings that differ in how much of the word is asked."""

    chart: RatioChart
    sentence: str
    letters: int
    shares: tuple[float, float]
    """Of positions without a loss, smallest and largest."""
    prompts: tuple[float, float]
    """Tokens of the prompt for each of the answer, smallest and largest."""


@dataclass(frozen=True)
class AblationContext:
    ablation: Ablation
    headline: str
    catching_up: str
    recipes: tuple[Recipe, ...]
    """Those that are among the settings as they are."""
    map: SettingMap
    selected: Selected
    ratios: RatioChart
    sweep: Sweep | None


@router.api_route("/ablation", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], shipped: AblationDep) -> Response:
    """The whole page; every choice on it is a link."""
    if state.setting is not None:
        chosen = shipped.comparison(state.setting)
    elif state.recipe is not None:
        chosen = shipped.of_recipe(state.recipe)
    else:
        chosen = shipped.first()
    return render(request, "ablation/page.html", _context(shipped, chosen))


def _context(shipped: ShippedAblation, chosen: Comparison) -> AblationContext:
    comparisons = shipped.findings.comparisons
    return AblationContext(
        ablation=shipped.findings.ablation,
        headline=sentences.headline(comparisons),
        catching_up=sentences.catching_up(comparisons),
        recipes=tuple(recipe for recipe in RECIPES.values() if shipped.findings.curves_of(recipe.slug)),
        map=_map(shipped),
        selected=_selected(shipped.findings.ablation, chosen),
        ratios=ratio_chart(comparisons, chosen),
        sweep=_sweep(shipped, chosen),
    )


def _map(shipped: ShippedAblation) -> SettingMap:
    grid = shipped.grid()
    cells = {
        (c.setting.width, c.setting.learning_rate): Cell(c.setting.slug, sentences.ratio_of(c, "≥", "≤"), c.verdict)
        for c in grid
    }
    widths, rates = (sorted(set(values)) for values in zip(*cells, strict=True))
    return SettingMap(
        tuple(sentences.write_rate(rate) for rate in rates),
        tuple((int(width), tuple(cells.get((width, rate)) for rate in rates)) for width in widths),
        sentences.shared_conditions([c.setting for c in grid]),
        sentences.counted([c for c in shipped.findings.comparisons if c not in grid]),
    )


def _selected(ablation: Ablation, comparison: Comparison) -> Selected:
    return Selected(
        comparison=comparison,
        name=name_of(comparison.setting),
        sentences=sentences.sentences(comparison),
        conditions=(sentences.conditions(comparison.setting), sentences.budget_sentence(comparison.setting)),
        curves=curve_charts(comparison),
        pairs=pair_chart(comparison),
        seeds=_seeds(ablation, comparison),
    )


def _seeds(ablation: Ablation, comparison: Comparison) -> tuple[SeedRow, ...]:
    def ended(policy: str, seed: int) -> float:
        return ablation.run(comparison.setting, policy, seed).exact_match[-1]

    return tuple(
        SeedRow(
            seed,
            tuple((arrived[place].masked, arrived[place].unmasked) for arrived in comparison.arrivals.values()),
            (ended(RIGHT.slug, seed), ended(UNMASKED.slug, seed)),
        )
        for place, seed in enumerate(ablation.seeds)
    )


def _sweep(shipped: ShippedAblation, chosen: Comparison) -> Sweep | None:
    swept = shipped.sweep()
    if len(swept) < 2:
        return None
    shares = [c.setting.ignored_share() for c in swept]
    prompts = [c.setting.prompt_tokens / c.setting.answer_tokens for c in swept]
    return Sweep(
        chart=sweep_chart(swept, chosen),
        sentence=sentences.sweep_sentence(swept),
        letters=swept[0].setting.max_length,
        shares=(min(shares), max(shares)),
        prompts=(min(prompts), max(prompts)),
    )
