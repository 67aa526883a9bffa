"""The loss mask visualizer (`/`): one word, two models, one mask switch. The whole state is in the address."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, field_validator
from starlette.responses import JSONResponse, Response

from app.catalog import Catalog, LoadedRun, RecipeRuns
from app.charts.chips import GRADIENT_CHOICES, GradientChoice, Span, spans_of
from app.charts.curves import CurveChart
from app.charts.figure import SIDES, Figure, Written, draw_side, judge_written, texts_of, texts_of_seeds
from app.charts.seeds import SeedChart, draw_seeds
from app.charts.timelines import bands_of, draw_timeline
from app.deps import AblationDep, CatalogDep, EngineDep, ExamplesDep, OpeningsDep
from app.engine import Engine
from app.generations import admit
from app.templating import is_partial, render_view
from model.errors import check_known
from model.experiments.ablation.seeds import SeedsAtStep, seeds_at
from model.experiments.ablation.shipped import ShippedAblation
from model.experiments.examples import Example
from model.explain.analysis import Analysis, analyze
from model.explain.cells import Inspection, inspect_mask
from model.explain.guessing import Guessing, measure_guessing
from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy, find_policy
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import render_prompt
from model.training.evaluation import Metrics
from model.training.recipes import Recipe, find_recipe

router = APIRouter(include_in_schema=False)

Openings = Mapping[str, SeedsAtStep]
NAMES = {"on": "mask on", "off": "mask off"}


class State(BaseModel):
    """What the address says. Names must exist; a number is moved to the nearest that does."""

    recipe: str | None = None
    """Without it, one that can read the word; without a word, the one whose seeds agree most."""
    shown: str | None = None
    """The recipe that `step` is meant for; the page's form says it, since a word may lead to another."""
    prompt: str | None = None
    policy: str = RIGHT.slug
    mask: str = "mask-late"
    step: int | None = None
    gradient: str = "parameter_norm"
    position: int | None = None

    @field_validator("prompt")
    @classmethod
    def _lower(cls, prompt: str | None) -> str | None:
        return prompt.lower() if prompt is not None and prompt.isascii() and prompt.isalpha() else prompt


@dataclass(frozen=True)
class Choices:
    """What the form offers and what is chosen: there even when the word cannot be read."""

    recipes: tuple[Recipe, ...]
    recipe: Recipe
    asked_recipe: str | None
    """As the address says it."""
    moved: bool
    """Whether the word was too short or too long for the recipe asked for, and another one reads it."""
    prompt: str
    policy: MaskPolicy
    mask: MaskPolicy
    """Any mask at all, to be seen on the word beside the two that models were trained with."""
    steps: tuple[int, ...]
    step: int
    gradient: GradientChoice
    masks: tuple[MaskPolicy, ...] = tuple(MASK_POLICIES.values())
    gradients: tuple[GradientChoice, ...] = tuple(GRADIENT_CHOICES.values())

    @property
    def side(self) -> str:
        return SIDES[self.policy.slug]

    @property
    def address(self) -> str:
        """Of what is shown, without the position."""
        asked = {"recipe": self.asked_recipe} if self.asked_recipe else {}
        moved = {"shown": self.recipe.slug} if self.asked_recipe and self.moved else {}
        state = asked | moved | {"prompt": self.prompt, "step": self.step, "policy": self.policy.slug}
        return "/?" + urlencode(state | {"gradient": self.gradient.field, "mask": self.mask.slug})


@dataclass(frozen=True)
class Chip:
    example: Example
    address: str


@dataclass(frozen=True)
class Timeline:
    """The training of both models."""

    charts: tuple[CurveChart, ...]
    guessing: Guessing
    seeds: int
    """Behind the bands; 0 if there are none."""
    words: int
    """Held-out words of each of the bands' measurements."""


@dataclass(frozen=True)
class View:
    """What is shown of a word."""

    figure: Figure
    figure_json: str
    analyses: dict[str, Analysis]
    metrics: dict[str, Metrics]
    seed: int
    spans: tuple[Span, ...]
    selected: int
    answer: str
    """What a right model generates, END_OF_TURN included."""
    other: Inspection
    """The word under `Choices.mask`."""


@dataclass(frozen=True)
class VisualizerContext:
    choices: Choices
    examples: tuple[Chip, ...]
    timeline: Timeline
    names: dict[str, str]
    streams: bool
    """Whether the page's script fetches what the models write (after htmx), or the page holds it complete."""


@router.api_route("/", methods=["GET", "HEAD"])
async def page(
    request: Request,
    state: Annotated[State, Query()],
    catalog: CatalogDep,
    ablation: AblationDep,
    examples: ExamplesDep,
    openings: OpeningsDep,
    engine: EngineDep,
) -> Response:
    """The whole page, or to htmx the part of it that the form replaces."""
    streams = is_partial(request)
    if state == State():
        state = State(prompt=examples[0].word)
    choices, runs = _choices(state, catalog, openings)
    offered = tuple(Chip(example, _address_of(example)) for example in examples)
    context = VisualizerContext(choices, offered, _timeline(choices, runs, ablation), NAMES, streams)
    view = _view(choices, state.position, runs, ablation, engine, writes=not streams)
    if not streams:
        return await render_view(request, "visualizer/page.html", context, view)
    response = await render_view(request, "visualizer/_view.html", context, view, refused=())
    response.headers["HX-Push-Url"] = choices.address
    return response


@router.get("/figure")
async def figure(
    state: Annotated[State, Query()],
    catalog: CatalogDep,
    ablation: AblationDep,
    openings: OpeningsDep,
    engine: EngineDep,
) -> Response:
    """The figure at another step, for the page's script: all positions of both models, and what they write."""
    choices, runs = _choices(state, catalog, openings)
    drawn, _ = await _figure(choices, runs, ablation, engine, writes=True)
    return JSONResponse(asdict(drawn), headers={"Cache-Control": "no-store"})


def _address_of(example: Example) -> str:
    return "/?" + urlencode({"prompt": example.word, "step": example.step})


def _choices(state: State, catalog: Catalog, openings: Openings) -> tuple[Choices, RecipeRuns]:
    check_known(state.policy, SIDES, "policy")
    check_known(state.gradient, GRADIENT_CHOICES, "gradient")
    recipes = catalog.single_turn_recipes()
    asked = _asked(state, recipes, openings)
    recipe = _reader(state, recipes, asked)
    moved, runs = recipe != asked, catalog.compared(recipe)
    is_meant = state.shown == recipe.slug if state.shown else not (moved and state.recipe)
    wanted = state.step if is_meant and state.step is not None else openings[recipe.slug].step
    choices = Choices(
        recipes=recipes,
        recipe=recipe,
        asked_recipe=state.recipe,
        moved=moved,
        prompt=recipe.task.example if state.prompt is None else state.prompt,
        policy=MASK_POLICIES[state.policy],
        mask=find_policy(state.mask, param="mask"),
        steps=runs.steps(),
        step=runs.nearest_step(wanted),
        gradient=GRADIENT_CHOICES[state.gradient],
    )
    return choices, runs


def _asked(state: State, recipes: tuple[Recipe, ...], openings: Openings) -> Recipe:
    """The recipe the address names, else the one in which most seeds agree. Raises UnknownName."""
    if state.recipe is not None:
        return find_recipe(state.recipe, recipes)
    return max(recipes, key=lambda recipe: openings[recipe.slug].ahead)


def _reader(state: State, recipes: tuple[Recipe, ...], asked: Recipe) -> Recipe:
    """The one asked for, unless its words have another length and another recipe's fit."""
    if state.prompt is None or asked.task.fits(state.prompt):
        return asked
    widest = max(recipes, key=lambda recipe: recipe.task.max_length - recipe.task.min_length)
    return next((recipe for recipe in recipes if recipe.task.fits(state.prompt or "")), widest)


def _seeds(choices: Choices, runs: RecipeRuns, ablation: ShippedAblation) -> SeedChart:
    setting = ablation.comparison(choices.recipe.slug).setting
    at = seeds_at(ablation.findings.ablation, setting, choices.step)
    return draw_seeds(at, runs.by_policy[choices.policy.slug].run.seed)


async def _view(
    choices: Choices,
    position: int | None,
    runs: RecipeRuns,
    ablation: ShippedAblation,
    engine: Engine,
    *,
    writes: bool,
) -> View:
    recipe = choices.recipe
    drawn, analyses = await _figure(choices, runs, ablation, engine, writes=writes)
    shown = analyses[choices.side]
    wanted = shown.prompt_length - 1 if position is None else position
    metrics = {SIDES[policy]: loaded.run.metrics_at(choices.step) for policy, loaded in runs.by_policy.items()}
    return View(
        figure=drawn,
        figure_json=json.dumps(asdict(drawn), separators=(",", ":")),
        analyses=analyses,
        metrics=metrics,
        seed=runs.by_policy[RIGHT.slug].run.seed,
        spans=spans_of(shown),
        selected=min(max(wanted, 0), len(shown.positions) - 1),
        answer=recipe.task.answer(choices.prompt) + END_OF_TURN,
        other=inspect_mask(recipe, [render_prompt(recipe, choices.prompt)], choices.mask),
    )


async def _figure(
    choices: Choices, runs: RecipeRuns, ablation: ShippedAblation, engine: Engine, *, writes: bool
) -> tuple[Figure, dict[str, Analysis]]:
    sides, analyses, texts = {}, {}, {"step": f"{choices.step:,}"}
    for policy, loaded in runs.by_policy.items():
        side, model = SIDES[policy], loaded.model(choices.step)
        analysis = await engine.call(partial(analyze, choices.recipe, model, MASK_POLICIES[policy], choices.prompt))
        written = await _write(choices, loaded, engine) if writes else None
        sides[side], analyses[side] = draw_side(analysis, policy, written), analysis
        texts |= texts_of(side, analysis, loaded.run.metrics_at(choices.step)) | _requests(choices, policy)
    seeds = _seeds(choices, runs, ablation)
    return Figure(choices.step, sides, texts | texts_of_seeds(seeds), seeds), analyses


async def _write(choices: Choices, loaded: LoadedRun, engine: Engine) -> Written:
    recipe, prompt = choices.recipe, choices.prompt
    generation = await admit(engine, recipe, loaded.model(choices.step), prompt).whole()
    tokens = [token.token for token in generation.received]
    return judge_written(tokens, recipe.task.answer(prompt) + END_OF_TURN, generation.finish_reason == "stop")


def _requests(choices: Choices, policy: str) -> dict[str, str]:
    """How to ask the API for one side of this view."""
    body = {"recipe": choices.recipe.slug, "prompt": choices.prompt, "policy": policy, "step": choices.step}
    side = SIDES[policy]
    return {f"{side}.body": json.dumps(body), f"{side}.link": "/api/v1/analyze?" + urlencode(body)}


def _timeline(choices: Choices, runs: RecipeRuns, ablation: ShippedAblation) -> Timeline:
    recipe, findings = choices.recipe, ablation.findings
    named = [(f"{NAMES[side]} model", runs.by_policy[policy].run) for policy, side in SIDES.items()]
    bands = bands_of(findings.curves_of(recipe.slug))
    return Timeline(
        charts=draw_timeline(recipe, named, bands, links=(), step=choices.step),
        guessing=measure_guessing(recipe, *(run for _, run in named)),
        seeds=len(findings.ablation.seeds) if bands else 0,
        words=ablation.comparison(recipe.slug).setting.evaluation_words if bands else 0,
    )
