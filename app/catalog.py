"""Runs on disk -> models in memory. In: the folder of trained runs. Out: models by recipe, policy and step."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from model.errors import BrokenRun, OutOfRange, unknown
from model.experiments.ablation.seeds import SeedsAtStep, telling_step
from model.experiments.ablation.shipped import ShippedAblation
from model.experiments.bugs.gallery import Bug, Measured, read_gallery
from model.experiments.bugs.glances import Glance, glances
from model.experiments.examples import Shown
from model.experiments.limits import load_asked
from model.experiments.padding.accuracies import PaddedAccuracy, read_paddings
from model.experiments.shipped import SHIPPED_RUNS, trained_as
from model.masks.policies import COMPARED_POLICIES, MASK_POLICIES, RIGHT, MaskPolicy
from model.network.gpt import GPT
from model.training.checkpoints import (
    RUN_FILE,
    CheckedWeights,
    ModelsOnDemand,
    Run,
    build_model,
    read_run,
    read_weights,
)
from model.training.pretraining import BaseRun, base_folder, read_base_weights
from model.training.recipes import ALL_RECIPES, MASK_RECIPES, RECIPES, Recipe, find_recipe

BASE_SEED = 0
"""Of the base in memory, and of what starts from it."""
BUILT = 96
"""Models that stay built, about 1 MB each: all of the pages' last steps, and some of the others."""
GAP_EXACT_MATCH = 0.9
"""The gap is shown where the prompt-masked model first reaches this."""


@dataclass(frozen=True)
class LoadedRun:
    """A run and the model of each of its checkpoints."""

    run: Run
    models: Mapping[int, GPT]

    def model(self, step: int) -> GPT:
        """Raises OutOfRange for a step that has no checkpoint."""
        if step not in self.models:
            raise OutOfRange(f"Step {step} was not kept. Choose one of: {_join(self.models)}", param="step")
        return self.models[step]


@dataclass(frozen=True)
class RecipeRuns:
    """A recipe's runs under the compared policies, trained alike but for the mask."""

    recipe: Recipe
    by_policy: Mapping[str, LoadedRun]

    def steps(self) -> tuple[int, ...]:
        """Those at which all of the runs have a checkpoint."""
        return tuple(sorted(set.intersection(*(set(loaded.models) for loaded in self.by_policy.values()))))

    def gap_step(self) -> int:
        """The first kept step at which the prompt-masked model has learned the task, else the last."""
        steps = self.steps()
        return next(filter(self.has_learned, steps), steps[-1])

    def has_learned(self, step: int) -> bool:
        """Whether the prompt-masked model of a kept step reaches GAP_EXACT_MATCH."""
        return self.by_policy[RIGHT.slug].run.metrics_at(step).exact_match.value >= GAP_EXACT_MATCH

    def opening(self, ablation: ShippedAblation) -> SeedsAtStep:
        """Where the recipe is shown first: where mask on has learned in every seed, else where it has in this one."""
        setting = ablation.comparison(self.recipe.slug).setting
        return telling_step(ablation.findings.ablation, setting, self.steps(), GAP_EXACT_MATCH, self.gap_step())

    def nearest_step(self, wanted: int | None) -> int:
        """The kept step nearest to the one that is wanted; without any, where the gap is."""
        wanted = self.gap_step() if wanted is None else wanted
        return min(self.steps(), key=lambda kept: abs(kept - wanted))


@dataclass(frozen=True)
class LoadedBase:
    """A pretrained model."""

    run: BaseRun
    weights: CheckedWeights
    build: Callable[[CheckedWeights], GPT]

    @property
    def model(self) -> GPT:
        return self.build(self.weights)


@dataclass(frozen=True)
class Catalog:
    """Everything that can be asked for by name. All of it is in memory."""

    runs: Mapping[tuple[str, str], LoadedRun]

    measured: Mapping[tuple[str, str], Measured]
    """The symptoms of each run's last checkpoint, as shipped."""

    paddings: Mapping[tuple[str, str], PaddedAccuracy]
    """By the padding in training and the one at inference, as shipped."""

    base: LoadedBase
    """What SFT on sums starts from."""

    several: Mapping[tuple[str, int], GPT]
    """Models that were shown one or two answers, by arm (ASKED) and seed."""

    @cached_property
    def glances(self) -> dict[str, tuple[Glance, ...]]:
        """Each bug of the gallery small, with what its model writes; asks the models, the first time: in the engine."""
        return glances(lambda bug: self.model(bug.recipe, bug.slug, None)[0])

    def openings(self, ablation: ShippedAblation) -> dict[str, SeedsAtStep]:
        """Where each recipe of the visualizer is shown first."""
        return {recipe.slug: self.compared(recipe).opening(ablation) for recipe in self.single_turn_recipes()}

    def shown(self, openings: Mapping[str, SeedsAtStep]) -> dict[str, Shown]:
        """The recipes of the visualizer with their models, by slug."""
        compared = {slug: self.compared(find_recipe(slug, self.recipes())) for slug in openings}
        return {
            slug: Shown(runs.recipe, openings[slug].step, {p: loaded.models for p, loaded in runs.by_policy.items()})
            for slug, runs in compared.items()
        }

    def recipes(self) -> tuple[Recipe, ...]:
        return self._trained

    @cached_property
    def _trained(self) -> tuple[Recipe, ...]:
        """Every request looks for its recipe among them."""
        return tuple(recipe for slug, recipe in ALL_RECIPES.items() if any(key[0] == slug for key in self.runs))

    def recipe(self, slug: str, among: Iterable[Recipe] | None = None) -> Recipe:
        """Raises UnknownName for one that is not there, or not among those given."""
        return find_recipe(slug, self.recipes() if among is None else among)

    def mask_recipes(self) -> tuple[Recipe, ...]:
        """Those that are about masks, trained under both of the compared policies."""
        return tuple(recipe for recipe in self.recipes() if recipe.slug in MASK_RECIPES)

    def single_turn_recipes(self) -> tuple[Recipe, ...]:
        """Those of one question and one answer, trained under both of the compared policies."""
        return tuple(recipe for recipe in self.recipes() if recipe.slug in RECIPES)

    def policies(self, recipe: Recipe) -> tuple[MaskPolicy, ...]:
        """The policies this recipe was trained under, in the table's order."""
        return tuple(policy for slug, policy in MASK_POLICIES.items() if (recipe.slug, slug) in self.runs)

    def run(self, recipe: Recipe, policy: str, *, param: str = "policy") -> LoadedRun:
        if (recipe.slug, policy) not in self.runs:
            known = [p.slug for p in self.policies(recipe)]
            raise unknown(f"model of {recipe.slug} trained with", policy, known, param=param)
        return self.runs[recipe.slug, policy]

    def beside_the_right_one(self, bug: Bug) -> tuple[Measured, Measured]:
        """What was measured of a bug's model, and of the one trained under the right mask."""
        return self.measured[bug.recipe.slug, bug.slug], self.measured[bug.recipe.slug, RIGHT.slug]

    def model(self, recipe: Recipe, policy: str, step: int | None, *, param: str = "policy") -> tuple[GPT, int]:
        """The model of a run at a step (default: its last), and that step."""
        loaded = self.run(recipe, policy, param=param)
        step = loaded.run.steps if step is None else step
        return loaded.model(step), step

    def compared(self, recipe: Recipe) -> RecipeRuns:
        """Its runs under the compared policies."""
        return RecipeRuns(recipe, {policy: self.runs[recipe.slug, policy] for policy in COMPARED_POLICIES})


def load_catalog(folder: Path) -> Catalog:
    """Read every run under `folder/<recipe>/<policy>/` and check each weight file against its sum.

    A model is built from what was read when it is first asked for; the BUILT last used stay.

    Raises:
        BrokenRun: a run or a file of it is missing, truncated or altered; names the file.
    """
    runs = {}
    build = lru_cache(BUILT)(build_model)
    for slug, policy in SHIPPED_RUNS:
        run_folder = folder / slug / policy
        runs[slug, policy] = _load(run_folder, trained_as(ALL_RECIPES[slug], policy), policy, build)
    for slug in ALL_RECIPES:
        seeds = {policy: run.run.seed for (recipe, policy), run in runs.items() if recipe == slug}
        if len(set(seeds.values())) > 1:
            raise BrokenRun(f"{folder / slug}: its runs are of different seeds, {seeds}; they cannot be compared")
    base = LoadedBase(*read_base_weights(base_folder(folder, BASE_SEED)), build)
    return Catalog(runs, read_gallery(folder), read_paddings(folder), base, load_asked(folder, build))


def _load(folder: Path, recipe: Recipe, policy: str, build: Callable[[CheckedWeights], GPT]) -> LoadedRun:
    run = read_run(folder)
    path = folder / RUN_FILE
    if (run.recipe, run.policy) != (recipe.slug, policy):
        raise BrokenRun(f"{path}: is of {run.recipe}/{run.policy}, but lies in {recipe.slug}/{policy}")
    if (run.model, run.training) != (recipe.model, recipe.training):
        raise BrokenRun(f"{path}: was trained by another recipe than {recipe.slug} is now; `make train` makes it anew")
    measured = {measurement.step for measurement in run.measurements}
    if not run.checkpoints or not measured.issuperset(run.checkpoint_steps()):
        raise BrokenRun(f"{path}: lists a checkpoint without a measurement, or none at all")
    if run.steps not in run.checkpoint_steps():
        raise BrokenRun(f"{path}: ends at step {run.steps}, of which it lists no checkpoint")
    return LoadedRun(run, ModelsOnDemand({c.step: read_weights(folder, run.model, c) for c in run.checkpoints}, build))


def _join(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names)
