"""What the visualizer's address asks for, and the figure that answers it: a word, two models, a step. Over the engine.

In: a State, the models in memory, what all seeds said. Out: Choices, and a Figure as the page and its script draw it.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from pydantic import field_validator

from app.analyses import Analyses
from app.catalog import Catalog, LoadedRun, RecipeRuns
from app.charts.chips import GRADIENT_CHOICES, GradientChoice
from app.charts.figure import NAMES, SIDES, Figure, Written, draw_side, judge_written, texts_of, texts_of_seeds
from app.charts.seeds import SeedChart, draw_seed_curves, draw_seeds
from app.charts.timelines import Timeline, bands_of, draw_timeline
from app.engine import Engine
from app.generations import admit
from app.screen import Screen, ScreenState, read_screen
from model.errors import check_known
from model.experiments.ablation.seeds import SeedsAtStep, seeds_at
from model.experiments.ablation.shipped import ShippedAblation
from model.explain.analysis import Analysis
from model.explain.guessing import measure_guessing
from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy, find_policy
from model.network.gpt import GPT
from model.text.tokenizer import END_OF_TURN
from model.training.recipes import Recipe, find_recipe

Openings = Mapping[str, SeedsAtStep]
"""Where each recipe is shown first."""
SeedCharts = Callable[[str, str, int], SeedChart]
"""Of a recipe, a policy and a step, by slugs: drawn once."""


class State(ScreenState):
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
    tour: int | None = None
    """A step of the tour, instead of a word of one's own."""
    guess: str | None = None
    """What that step's question was answered with."""

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
    screen: Screen
    masks: tuple[MaskPolicy, ...] = tuple(MASK_POLICIES.values())
    gradients: tuple[GradientChoice, ...] = tuple(GRADIENT_CHOICES.values())

    @property
    def side(self) -> str:
        return SIDES[self.policy.slug]

    @property
    def address(self) -> str:
        """Of what is shown and how, without the position."""
        return self._view + self.screen.suffix

    @property
    def shared_address(self) -> str:
        """For others: with what is hidden, but neither presented nor without keys."""
        return self._view + replace(self.screen, presents=False, has_keys=True).suffix

    def address_with(self, position: int | None, **changes: Any) -> str:
        """Of a position, on another screen: `changes` of Screen."""
        at = "" if position is None else f"&position={position}"
        return self._view + at + replace(self.screen, **changes).suffix

    @cached_property
    def _view(self) -> str:
        """Of what is shown, whatever the screen."""
        asked = {"recipe": self.asked_recipe} if self.asked_recipe else {}
        moved = {"shown": self.recipe.slug} if self.asked_recipe and self.moved else {}
        state = asked | moved | {"prompt": self.prompt, "step": self.step, "policy": self.policy.slug}
        return "/?" + urlencode(state | {"gradient": self.gradient.field, "mask": self.mask.slug})


def choose(state: State, catalog: Catalog, openings: Openings) -> tuple[Choices, RecipeRuns]:
    check_known(state.policy, SIDES, "policy")
    check_known(state.gradient, GRADIENT_CHOICES, "gradient")
    recipes = catalog.single_turn_recipes()
    if state.shown is not None:
        check_known(state.shown, [recipe.slug for recipe in recipes], "shown")
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
        screen=read_screen(state),
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


async def draw_figure(
    choices: Choices, runs: RecipeRuns, seed_charts: SeedCharts, known: Analyses, engine: Engine, *, writes: bool
) -> tuple[Figure, dict[str, Analysis]]:
    sides, analyses, texts = {}, {}, {"step": f"{choices.step:,}", "vote.link": _vote(choices)}
    asked = [
        _analyze_and_write(choices, policy, loaded, known, engine, writes) for policy, loaded in runs.by_policy.items()
    ]
    answers = await asyncio.gather(*asked)
    for (policy, loaded), (analysis, written) in zip(runs.by_policy.items(), answers, strict=True):
        side = SIDES[policy]
        sides[side], analyses[side] = draw_side(analysis, policy, written), analysis
        texts |= texts_of(side, analysis, loaded.run.metrics_at(choices.step)) | _requests(choices, policy)
    seeds = seed_charts(choices.recipe.slug, choices.policy.slug, choices.step)
    return Figure(choices.step, sides, texts | texts_of_seeds(seeds), seeds), analyses


async def _analyze_and_write(
    choices: Choices, policy: str, loaded: LoadedRun, analyses: Analyses, engine: Engine, writes: bool
) -> tuple[Analysis, Written | None]:
    recipe, model = choices.recipe, loaded.model(choices.step)
    analysis = await analyses.of(recipe, model, MASK_POLICIES[policy], choices.prompt)
    return analysis, await _write(recipe, model, choices.prompt, analysis, engine) if writes else None


async def _write(recipe: Recipe, model: GPT, prompt: str, analysis: Analysis, engine: Engine) -> Written:
    """Only what comes behind a first wrong letter is decoded: up to it the model has read what it wrote."""
    tokens = list(analysis.begins_to_write)
    stopped = tokens[-1] == END_OF_TURN
    if not stopped and analysis.prompt_length + len(tokens) <= model.config.context_length:
        generation = await admit(engine, recipe, model, prompt, begun=tokens).whole()
        tokens += [token.token for token in generation.received]
        stopped = generation.finish_reason == "stop"
    return judge_written(tokens, recipe.task.answer(prompt) + END_OF_TURN, stopped)


def _vote(choices: Choices) -> str:
    """Where a class can be asked about what is shown."""
    shown = {"recipe": choices.recipe.slug, "prompt": choices.prompt, "step": choices.step}
    return "/votes?" + urlencode(shown)


def _requests(choices: Choices, policy: str) -> dict[str, str]:
    """How to ask the API for one side of this view."""
    body = {"recipe": choices.recipe.slug, "prompt": choices.prompt, "policy": policy, "step": choices.step}
    side = SIDES[policy]
    return {f"{side}.body": json.dumps(body), f"{side}.link": "/api/v1/analyze?" + urlencode(body)}


def draw_seeds_of(catalog: Catalog, ablation: ShippedAblation, slug: str, policy: str, step: int) -> SeedChart:
    """All seeds of a recipe at a step, that of its model in memory under the policy marked."""
    shown = catalog.compared(find_recipe(slug, catalog.single_turn_recipes())).by_policy[policy].run.seed
    return draw_seeds(seeds_at(ablation.findings.ablation, ablation.comparison(slug).setting, step), shown)


def draw_training(catalog: Catalog, ablation: ShippedAblation, slug: str) -> Timeline:
    """Of a recipe that was trained under both of the compared policies, at its first step."""
    runs, findings = catalog.compared(find_recipe(slug, catalog.single_turn_recipes())), ablation.findings
    recipe, setting = runs.recipe, ablation.comparison(slug).setting
    named = [(f"{NAMES[side]} model", runs.by_policy[policy].run) for policy, side in SIDES.items()]
    bands = bands_of(findings.curves_of(slug))
    return Timeline(
        charts=draw_timeline(recipe, named, bands, links=(), step=0),
        seed_curves=draw_seed_curves(findings.ablation, setting, runs.steps()),
        guessing=measure_guessing(recipe, *(run for _, run in named)),
        seeds=len(findings.ablation.seeds) if bands else 0,
        words=setting.evaluation_words if bands else 0,
    )
