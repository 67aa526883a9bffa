"""Several answers (`/limits`): models shown one answer to a word, or two, or wrong ones. State: the address."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog
from app.charts.curves import CurveChart
from app.charts.limits import answers_chart, labeller_chart
from app.deps import CatalogDep, EngineDep, EvidenceDep
from app.engine import Engine
from app.templating import render_view
from model.claims.evidence import Evidence
from model.claims.ledger import CLAIMS, Entry, enter
from model.errors import check_known
from model.experiments.limits import ASKED, AskedArm, LimitRun, LimitsRow, asked_run, limits_rows
from model.experiments.other_answers import APPEARANCES, limit_recipe
from model.experiments.shipped import SEEDS
from model.explain.both_answers import BothAnswers, ask_for_both
from model.training.recipes import Recipe

router = APIRouter(include_in_schema=False)

FIRST_ARM = "both-50"


class State(BaseModel):
    """What the address says. The arm must exist; a seed is moved to the nearest that does."""

    arm: str = FIRST_ARM
    seed: int = SEEDS[0]
    prompt: str | None = None


@dataclass(frozen=True)
class Choices:
    arms: tuple[AskedArm, ...]
    arm: AskedArm
    seeds: tuple[int, ...]
    seed: int
    prompt: str
    run: LimitRun
    """What was measured of the chosen model."""
    recipe: Recipe


@dataclass(frozen=True)
class LimitsContext:
    choices: Choices
    claims: dict[str, Entry]
    charts: tuple[CurveChart, ...]
    """Of both answers: each word shown with both, and with one."""
    labeller: CurveChart
    rows: tuple[LimitsRow, ...]
    appearances: int = APPEARANCES


@router.api_route("/limits", methods=["GET", "HEAD"])
async def page(
    request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep, evidence: EvidenceDep
) -> Response:
    """The whole page."""
    choices = _choices(state, evidence)
    return await render_view(request, "limits/page.html", _context(choices, evidence), _view(choices, catalog, engine))


def _choices(state: State, evidence: Evidence) -> Choices:
    check_known(state.arm, ASKED, "arm")
    arm, seed = ASKED[state.arm], min(SEEDS, key=lambda seed: abs(seed - state.seed))
    recipe = limit_recipe(arm.where, arm.share)
    prompt = recipe.task.example if state.prompt is None else state.prompt
    run = asked_run(evidence.limits, arm, seed)
    return Choices(tuple(ASKED.values()), arm, SEEDS, seed, prompt, run, recipe)


def _context(choices: Choices, evidence: Evidence) -> LimitsContext:
    runs = evidence.limits
    return LimitsContext(
        choices=choices,
        claims={slug: enter(CLAIMS[slug], evidence) for slug in ("answers", "preferences", "labeller")},
        charts=(
            answers_chart(runs, "both", "Each word shown with both answers"),
            answers_chart(runs, "scattered", "Each word shown with one answer"),
        ),
        labeller=labeller_chart(runs),
        rows=limits_rows(runs),
    )


async def _view(choices: Choices, catalog: Catalog, engine: Engine) -> BothAnswers:
    """Raises InvalidText for what is no word of four letters."""
    model = catalog.several[choices.arm.slug, choices.seed]
    return await engine.call(partial(ask_for_both, model, choices.recipe, choices.prompt))
