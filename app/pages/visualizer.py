"""The loss mask visualizer (`/`): one word, two models, one mask switch. The whole state is in the address."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import GAP_EXACT_MATCH, Catalog, LoadedRun, RecipeRuns
from app.charts.chips import GRADIENT_CHOICES, ChipGroup, GradientChoice, group_chips
from app.charts.curves import CurveChart, Link
from app.charts.seeds import SeedChart, draw_seeds
from app.charts.timelines import bands_of, draw_timeline
from app.deps import AblationDep, CatalogDep, EngineDep
from app.engine import Engine
from app.generations import Generation, admit
from app.templating import is_partial, render_view
from model.errors import check_known
from model.experiments.ablation.seeds import SeedsAtStep, seeds_at, telling_step
from model.experiments.ablation.shipped import ShippedAblation
from model.explain.analysis import Analysis, analyze
from model.explain.cells import Inspection, inspect_mask
from model.explain.guessing import Guessing, measure_guessing
from model.masks.policies import MASK_POLICIES, RIGHT, UNMASKED, MaskPolicy, find_policy
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import render_prompt
from model.training.evaluation import Metrics
from model.training.recipes import Recipe

router = APIRouter(include_in_schema=False)

SWITCH = {RIGHT.slug: "mask-on model", UNMASKED.slug: "mask-off model"}
"""The mask switch's two sides by policy, and what the models trained under them are called."""


class State(BaseModel):
    """What the address says. Names must exist; a number is moved to the nearest that does."""

    recipe: str | None = None
    """Without it, one that can read the word; without a word, the one whose seeds agree most."""
    prompt: str | None = None
    policy: str = RIGHT.slug
    mask: str = "mask-late"
    step: int | None = None
    gradient: str = "parameter_norm"
    position: int | None = None
    generate: bool = False


@dataclass(frozen=True)
class Choices:
    """What the form offers and what is chosen: there even when the word cannot be read."""

    recipes: tuple[Recipe, ...]
    recipe: Recipe
    prompt: str
    policy: MaskPolicy
    mask: MaskPolicy
    """Any mask at all, to be seen on the word beside the two that models were trained with."""
    steps: tuple[int, ...]
    step: int
    moved: bool
    """Whether the word was too short or too long for the recipe asked for, and another one reads it."""
    gradient: GradientChoice
    generate: bool
    policies: tuple[MaskPolicy, ...] = tuple(MASK_POLICIES[slug] for slug in SWITCH)
    masks: tuple[MaskPolicy, ...] = tuple(MASK_POLICIES.values())
    gradients: tuple[GradientChoice, ...] = tuple(GRADIENT_CHOICES.values())


@dataclass(frozen=True)
class TrainedModel:
    """One side of the comparison: a policy, the model trained under it, and what it makes of this word."""

    policy: MaskPolicy
    name: str
    """`mask-on model` or `mask-off model`."""
    seed: int
    metrics: Metrics
    analysis: Analysis
    generation: Generation | None
    """Complete, or None if the page's script is to stream it or nobody asked for it."""


@dataclass(frozen=True)
class Timeline:
    """The training of both models; a place in a chart leads to the kept step nearest to it."""

    charts: tuple[CurveChart, ...]
    guessing: Guessing
    seeds: int
    """Behind the bands; 0 if there are none."""
    words: int
    """Held-out words of each of the bands' measurements."""


@dataclass(frozen=True)
class View:
    """What is shown of a word."""

    models: tuple[TrainedModel, ...]
    shown: TrainedModel
    groups: tuple[ChipGroup, ...]
    selected: int
    prompt_share: float
    """The sum of the shares of the positions before the answer, in the mask-off model."""
    answer: str
    """What a right model generates, END_OF_TURN included."""
    other: Inspection
    """The word under `Choices.mask`."""
    analyze_body: str
    analyze_query: str
    """This view's objective and model as JSON and as the query of a link."""


@dataclass(frozen=True)
class VisualizerContext:
    choices: Choices
    seeds: SeedChart
    """All seeds of this recipe at this step."""
    timeline: Timeline
    streams: bool
    """Whether the page's script fetches the generations (after htmx), or the page holds them complete."""


@router.api_route("/", methods=["GET", "HEAD"])
async def page(
    request: Request, state: Annotated[State, Query()], catalog: CatalogDep, ablation: AblationDep, engine: EngineDep
) -> Response:
    """The whole page, or to htmx the part of it that the form replaces."""
    streams = is_partial(request)
    runs, choices = _choices(state, catalog, ablation)
    context = VisualizerContext(choices, _seeds(choices, runs, ablation), _timeline(choices, runs, ablation), streams)
    view = _view(choices, state.position, runs, engine, generates=state.generate and not streams)
    if streams:
        return await render_view(request, "visualizer/_view.html", context, view, refused=())
    return await render_view(request, "visualizer/page.html", context, view)


def _choices(state: State, catalog: Catalog, ablation: ShippedAblation) -> tuple[RecipeRuns, Choices]:
    check_known(state.policy, SWITCH, "policy")
    check_known(state.gradient, GRADIENT_CHOICES, "gradient")
    recipes = catalog.single_turn_recipes()
    recipe = _recipe(state, recipes, catalog, ablation)
    moved = state.recipe is not None and recipe.slug != state.recipe
    runs = catalog.compared(recipe)
    wanted = _opening(runs, ablation).step if state.step is None or moved else state.step
    return runs, Choices(
        recipes=recipes,
        recipe=recipe,
        prompt=recipe.task.example if state.prompt is None else state.prompt,
        policy=MASK_POLICIES[state.policy],
        mask=find_policy(state.mask, param="mask"),
        steps=runs.steps(),
        step=runs.nearest_step(wanted),
        moved=moved,
        gradient=GRADIENT_CHOICES[state.gradient],
        generate=state.generate,
    )


def _recipe(state: State, recipes: tuple[Recipe, ...], catalog: Catalog, ablation: ShippedAblation) -> Recipe:
    """The one asked for, unless its words have another length and another recipe's fit. Raises UnknownName."""
    openings = [(_opening(catalog.compared(recipe), ablation).ahead, recipe) for recipe in recipes]
    first = max(openings, key=lambda opening: opening[0])[1]
    asked = first if state.recipe is None else catalog.recipe(state.recipe, recipes)
    if state.prompt is None or asked.task.fits(state.prompt):
        return asked
    widest = max(recipes, key=lambda recipe: recipe.task.max_length - recipe.task.min_length)
    return next((recipe for recipe in recipes if recipe.task.fits(state.prompt or "")), widest)


def _opening(runs: RecipeRuns, ablation: ShippedAblation) -> SeedsAtStep:
    """Where a recipe is shown first: where mask on has learned in every seed, else where it has in the shown one."""
    setting = ablation.comparison(runs.recipe.slug).setting
    return telling_step(ablation.findings.ablation, setting, runs.steps(), GAP_EXACT_MATCH, runs.gap_step())


def _seeds(choices: Choices, runs: RecipeRuns, ablation: ShippedAblation) -> SeedChart:
    setting = ablation.comparison(choices.recipe.slug).setting
    at = seeds_at(ablation.findings.ablation, setting, choices.step)
    return draw_seeds(at, runs.by_policy[choices.policy.slug].run.seed)


async def _view(choices: Choices, position: int | None, runs: RecipeRuns, engine: Engine, *, generates: bool) -> View:
    recipe = choices.recipe
    models = [await _trained_model(choices, loaded, engine, generates) for loaded in runs.by_policy.values()]
    shown = next(model for model in models if model.policy == choices.policy)
    every = next(model for model in models if model.policy.slug == UNMASKED.slug).analysis
    wanted = shown.analysis.prompt_length - 1 if position is None else position
    body = {"recipe": recipe.slug, "prompt": choices.prompt, "policy": choices.policy.slug, "step": choices.step}
    return View(
        models=tuple(models),
        shown=shown,
        groups=group_chips(shown.analysis, choices.gradient),
        selected=min(max(wanted, 0), len(shown.analysis.positions) - 1),
        prompt_share=every.prompt_share,
        answer=recipe.task.answer(choices.prompt) + END_OF_TURN,
        other=inspect_mask(recipe, [render_prompt(recipe, choices.prompt)], choices.mask),
        analyze_body=json.dumps(body),
        analyze_query=urlencode(body),
    )


def _timeline(choices: Choices, runs: RecipeRuns, ablation: ShippedAblation) -> Timeline:
    recipe, findings = choices.recipe, ablation.findings
    named = [(name, runs.by_policy[policy].run) for policy, name in SWITCH.items()]
    state = {"recipe": recipe.slug, "prompt": choices.prompt, "policy": choices.policy.slug, "mask": choices.mask.slug}
    state |= {"gradient": choices.gradient.field} | ({"generate": "1"} if choices.generate else {})
    links = [Link(step, f"step {step:,}", "/?" + urlencode(state | {"step": step})) for step in choices.steps]
    bands = bands_of(findings.curves_of(recipe.slug))
    return Timeline(
        charts=draw_timeline(recipe, named, bands, links=links, step=choices.step),
        guessing=measure_guessing(recipe, *(run for _, run in named)),
        seeds=len(findings.ablation.seeds) if bands else 0,
        words=ablation.comparison(recipe.slug).setting.evaluation_words if bands else 0,
    )


async def _trained_model(choices: Choices, loaded: LoadedRun, engine: Engine, generates: bool) -> TrainedModel:
    policy, model = MASK_POLICIES[loaded.run.policy], loaded.model(choices.step)
    analysis = await engine.call(partial(analyze, choices.recipe, model, policy, choices.prompt))
    generation = await admit(engine, choices.recipe, model, choices.prompt).whole() if generates else None
    return TrainedModel(
        policy=policy,
        name=SWITCH[policy.slug],
        seed=loaded.run.seed,
        metrics=loaded.run.metrics_at(choices.step),
        analysis=analysis,
        generation=generation,
    )
