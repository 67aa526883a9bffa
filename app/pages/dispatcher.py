"""The dispatcher (`/dispatcher`): one request to a base, to SFT from it, and to SFT from nothing. State: address."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.catalog import BASE_SEED, Catalog
from app.charts.curves import CurveChart, Link
from app.charts.dispatcher import curves_over_steps, pretraining_curve
from app.charts.rates import RateChart, draw_rates
from app.deps import CatalogDep, EngineDep, EvidenceDep
from app.engine import Engine
from app.generations import Generation, admit, admit_text
from app.templating import render_view
from model.claims.about_rates import SMALLER
from model.claims.claim import Judgement
from model.claims.evidence import Evidence
from model.claims.ledger import CLAIMS, Entry, enter
from model.experiments.dispatcher.arms import ARMS, SHARES, Arm, ArmRun, Dispatched
from model.experiments.dispatcher.drift import Drift
from model.experiments.dispatcher.factors import Factors, factors, mean_factors
from model.experiments.dispatcher.openings import (
    MARGIN,
    SAMPLED_TOKENS,
    SAMPLES,
    Mass,
    Opening,
    PositionDrift,
    drift_rows,
    masses,
    openings,
    position_drift,
)
from model.experiments.dispatcher.outcomes import ENDINGS, Outcome, ShareRow, outcomes, seeds_ahead, share_rows
from model.experiments.dispatcher.rates import (
    PRETRAINING_RATE,
    RATES,
    SKILLS,
    USED_RATE,
    Skill,
    Tried,
    factors_by_model,
    skill_rate,
)
from model.intervals import Interval, SeedRate, difference_over_seeds
from model.masks.policies import COMPARED_POLICIES, RIGHT
from model.network.gpt import GPT
from model.text.corpus import SUMS, question
from model.text.tokenizer import END_OF_TURN
from model.training.pretraining import BaseRun
from model.training.recipes import SUM_RECIPES

router = APIRouter(include_in_schema=False)

RECIPE = SUM_RECIPES["answers"]
EXAMPLES = (question("2+2"), question("7+8"), question("9+4"), "a cat sees")


class State(BaseModel):
    """What the address says. A step that was not kept is moved to the nearest."""

    prompt: Annotated[str, Field(max_length=256)] = EXAMPLES[0]
    step: int = RECIPE.training.steps
    generate: bool = False


@dataclass(frozen=True)
class Choices:
    prompt: str
    step: int
    steps: tuple[int, ...]
    generate: bool
    examples: tuple[str, ...] = EXAMPLES


@dataclass(frozen=True)
class Lane:
    """A model, the text it goes on from, and its answer if it was asked for."""

    name: str
    style: str
    note: str
    given: str
    """The opening as it is shown."""
    step: int
    text: str = ""
    """What the base is asked to go on from; empty for the others."""
    recipe: str = ""
    """Of the API; empty for the base, which continues text."""
    policy: str = ""
    right: str = ""
    generation: Generation | None = None


@dataclass(frozen=True)
class MassRow:
    model: str
    style: str
    masses: tuple[Mass, ...]
    """One per opening."""


@dataclass(frozen=True)
class FactorRow:
    """A model's log probabilities of prompt and answer."""

    model: str
    style: str
    found: Factors
    seeds: tuple[Factors, ...] = ()
    """Of each, where `found` is their mean."""


@dataclass(frozen=True)
class View:
    right: str
    """The answer; empty if no sum was asked for."""
    taught: bool
    lanes: tuple[Lane, ...]
    openings: tuple[Opening, ...]
    masses: tuple[MassRow, ...]
    drifts: dict[str, tuple[PositionDrift, ...]]
    """By how the request is written."""
    factors: tuple[FactorRow, ...]
    """Of this request; none if nobody knows the answer."""

    @property
    def most_nats(self) -> float:
        return max([position.nats for positions in self.drifts.values() for position in positions], default=0.0)


@dataclass(frozen=True)
class DispatcherContext:
    choices: Choices
    dispatched: Dispatched
    outcomes: tuple[Outcome, ...]
    shares: tuple[float, ...]
    share_rows: tuple[ShareRow, ...]
    ahead: int
    """Seeds in which, at the smallest share, the masked run is right more often than the unmasked one."""
    charts: tuple[CurveChart, ...]
    drifts: tuple[tuple[Arm, Drift], ...]
    """Of the arms that start from the base, the base's seed."""
    moved: tuple[str, ...]
    """What the ledger finds of the drift and of what it leaves intact, over seeds."""
    steps: Judgement
    """What it finds of the steps of SFT and of pretraining."""
    masking: Interval
    """At the smallest share, unseen sums right with the mask less those without, paired by seed."""
    base: BaseRun
    first: ArmRun
    endings: Mapping[str, str]
    """Names of what follows a number."""
    rate_chart: RateChart
    rate_rows: tuple[tuple[float, tuple[SeedRate, ...]], ...]
    """A learning rate with its share of each skill."""
    rate_claim: Entry
    factors: tuple[FactorRow, ...]
    """Means over the requests that SFT never saw."""
    skills: tuple[Skill, ...] = tuple(SKILLS.values())
    smaller: tuple[int, int] = SMALLER
    pretraining_rate: float = PRETRAINING_RATE
    used_rate: float = USED_RATE
    all_sums: int = len(SUMS)
    blind: float = -math.log(len(SUMS))
    """Log probability of a sum that is chosen from all of them."""
    samples: int = SAMPLES
    sampled_tokens: int = SAMPLED_TOKENS
    margin: float = MARGIN


@router.api_route("/dispatcher", methods=["GET", "HEAD"])
async def page(
    request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep, evidence: EvidenceDep
) -> Response:
    """The whole page."""
    choices = _choices(state)
    context = _context(choices, evidence, catalog)
    return await render_view(request, "dispatcher/page.html", context, _view(choices, catalog, engine))


def _choices(state: State) -> Choices:
    steps = RECIPE.training.checkpoint_steps
    return Choices(state.prompt, min(steps, key=lambda step: abs(step - state.step)), steps, state.generate)


def _context(choices: Choices, evidence: Evidence, catalog: Catalog) -> DispatcherContext:
    dispatched, tried = evidence.dispatched, evidence.tried
    every = {arm.slug: dispatched.of(arm.slug) for arm in ARMS.values()}
    first = {slug: next(run for run in runs if run.seed == BASE_SEED) for slug, runs in every.items()}
    links = [
        Link(step, f"step {step}", f"/dispatcher?{urlencode({'prompt': choices.prompt, 'step': step})}")
        for step in choices.steps
    ]
    return DispatcherContext(
        choices=choices,
        dispatched=dispatched,
        outcomes=tuple(outcomes(dispatched)),
        shares=SHARES,
        share_rows=tuple(share_rows(dispatched)),
        ahead=seeds_ahead(dispatched),
        charts=(*curves_over_steps(every, links, choices.step), pretraining_curve(catalog.base.run)),
        drifts=tuple((ARMS[slug], run.drift) for slug, run in first.items() if run.drift),
        moved=tuple(enter(CLAIMS[slug], evidence).judgement.sentence for slug in ("drift", "intact")),
        steps=enter(CLAIMS["steps"], evidence).judgement,
        masking=difference_over_seeds(*(dispatched.rates(arm, "right", SHARES[0]) for arm in COMPARED_POLICIES)),
        base=catalog.base.run,
        first=first[RIGHT.slug],
        endings=ENDINGS,
        rate_chart=draw_rates(tried, SMALLER),
        rate_rows=tuple((rate, tuple(skill_rate(tried, s, rate) for s in SKILLS.values())) for rate in RATES),
        rate_claim=enter(CLAIMS["learning-rate"], evidence),
        factors=tuple(_factor_rows(tried)),
    )


def _factor_rows(tried: Tried) -> Iterator[FactorRow]:
    for name, style, seeds in factors_by_model(tried):
        yield FactorRow(name, style, mean_factors(seeds), seeds)


async def _view(choices: Choices, catalog: Catalog, engine: Engine) -> View:
    """Raises InvalidText if the request cannot be read."""
    request, base = choices.prompt, catalog.base.model
    starts, right = openings(RECIPE, request), RECIPE.task.answer(request)
    models = {arm: catalog.model(catalog.recipe(arm.recipe), arm.policy, choices.step)[0] for arm in ARMS.values()}
    masked, rows = models[ARMS[RIGHT.slug]], drift_rows(request, RECIPE)
    return View(
        right=right,
        taught=request in RECIPE.task.taught,
        lanes=tuple([await _lane(lane, choices, catalog, engine) for lane in _lanes(choices, starts, right)]),
        openings=starts,
        masses=await _masses(starts, right, base, models, engine),
        drifts={t: await engine.call(partial(position_drift, base, masked, RECIPE, row)) for t, row in rows},
        factors=await _factors(request, base, models, engine) if right else (),
    )


async def _factors(request: str, base: GPT, models: dict[Arm, GPT], engine: Engine) -> tuple[FactorRow, ...]:
    rows = []
    compared = [(ARMS[arm].title, arm, models[ARMS[arm]]) for arm in COMPARED_POLICIES]
    for name, style, model in (("Base", "base", base), *compared):
        rows.append(FactorRow(name, style, await engine.call(partial(factors, model, RECIPE, (request,)))))
    return tuple(rows)


async def _masses(
    starts: tuple[Opening, ...], right: str, base: GPT, models: dict[Arm, GPT], engine: Engine
) -> tuple[MassRow, ...]:
    rows = []
    for name, style, model in (("Base", "base", base), *((arm.title, arm.slug, m) for arm, m in models.items())):
        call = partial(masses, model, starts, right, RECIPE.tokenizer)
        rows.append(MassRow(name, style, await engine.call(call)))
    return tuple(rows)


def _lanes(choices: Choices, starts: tuple[Opening, ...], right: str) -> Iterator[Lane]:
    plain, framed, templated = starts
    for opening, note in (
        (plain, "plain text"),
        (framed, "framed as Q and A"),
        (templated, "in a template it never saw"),
    ):
        text = choices.prompt if opening is templated else opening.text
        yield Lane(name="Base", style="base", note=note, given=opening.text, step=choices.step, text=text)
    for arm in ARMS.values():
        yield Lane(
            name=arm.title,
            style=arm.slug,
            note=f"step {choices.step}",
            given=templated.text,
            step=choices.step,
            recipe=arm.recipe,
            policy=arm.policy,
            right=right and right + END_OF_TURN,
        )


async def _lane(lane: Lane, choices: Choices, catalog: Catalog, engine: Engine) -> Lane:
    """The lane with its answer, if that was asked for."""
    if not choices.generate:
        return lane
    if lane.recipe:
        recipe = catalog.recipe(lane.recipe)
        generation = admit(engine, recipe, catalog.model(recipe, lane.policy, lane.step)[0], choices.prompt)
    else:
        generation = admit_text(engine, catalog.base, lane.text, templated=lane.given != lane.text)
    return replace(lane, generation=await generation.whole())
