"""SFT at several learning rates from one base: what it learns and what it keeps. In: bases. Kept in rates.json.

Only the rate differs from the arms' recipe. At the recipe's own rate both masks are measured, for the factors of
P(prompt, answer); at the others the prompt is masked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.experiments.dispatcher.arms import ARMS, FULL_SHARE, Answered, Arm, answer_untaught, recipe_of, unseen_sums
from model.experiments.dispatcher.factors import Factors, factors
from model.experiments.shipped import SEEDS
from model.intervals import Rate, SeedRate, rate_over_seeds
from model.kept import STRICT, KeptFile, agree, compare_rates, overlap
from model.masks.policies import MASK_POLICIES, RIGHT, UNMASKED
from model.network.gpt import GPT
from model.text.corpus import SUMS
from model.training.checkpoints import load_last
from model.training.loop import initial_model, train
from model.training.pretraining import PRETRAINING, BaseMetrics, base_folder, load_base, measure_base
from model.training.recipes import BASE, SUM_RECIPES, Recipe

PRETRAINING_RATE = PRETRAINING[BASE].training.learning_rate
USED_RATE = SUM_RECIPES["answers"].training.learning_rate
"""Everywhere else in the dispatcher."""
RATES = (1e-6, 1e-5, 2e-5, 5e-5, 1e-4, USED_RATE, 1e-3, 3e-3)
TRIED = (*((RIGHT.slug, rate) for rate in RATES), (UNMASKED.slug, USED_RATE))
"""Arms and rates."""


@checked(config=STRICT)
class RateRun:
    """One arm, trained at one rate from the base of its seed."""

    arm: str
    learning_rate: Annotated[float, Field(gt=0)]
    seed: int
    answered: Answered
    """The new skill, after the last step."""
    ability: BaseMetrics
    """What the base could do, measured on this model."""
    factors: Factors
    """Mean over the requests that SFT never saw."""

    @property
    def key(self) -> tuple[str, float, int]:
        return self.arm, self.learning_rate, self.seed


@checked(config=STRICT)
class BaseFactors:
    """Of a base, on the requests that the SFT of its seed never sees."""

    seed: int
    factors: Factors


@checked(config=STRICT)
class Tried:
    """What rates.json holds."""

    bases: tuple[BaseFactors, ...]
    runs: tuple[RateRun, ...]

    def at(self, rate: float, arm: str = RIGHT.slug) -> tuple[RateRun, ...]:
        """One run per seed."""
        return tuple(run for run in self.runs if (run.arm, run.learning_rate) == (arm, rate))


def factors_by_model(tried: Tried) -> Iterator[tuple[str, str, tuple[Factors, ...]]]:
    """Title, slug and one per seed: of the base, then of each arm that starts from it, at the usual rate."""
    yield "Base", "base", tuple(base.factors for base in tried.bases)
    for arm in (RIGHT.slug, UNMASKED.slug):
        yield ARMS[arm].title, arm, tuple(run.factors for run in tried.at(USED_RATE, arm))


@dataclass(frozen=True)
class Skill:
    """Something that a model can do, as a share of what it was asked."""

    slug: str
    title: str
    read: Callable[[RateRun], Rate]
    questions: int
    """Different ones over all seeds."""


SKILLS: dict[str, Skill] = {
    skill.slug: skill
    for skill in (
        Skill("new", "new: unseen sums right and stopped", lambda r: r.answered.exact, unseen_sums(FULL_SHARE)),
        Skill("continues", "kept: openings continued", lambda r: r.ability.continues, len(SUMS)),
        Skill("knows", "kept: sums known as Q and A", lambda r: r.ability.knows, len(SUMS)),
    )
}


def skill_rate(tried: Tried, skill: Skill, rate: float) -> SeedRate:
    return rate_over_seeds([skill.read(run) for run in tried.at(rate)], skill.questions)


def weakest(tried: Tried, rate: float) -> tuple[float, ...]:
    """Of each seed, the share of the skill that the model has least of."""
    return tuple(min(skill.read(run).value for skill in SKILLS.values()) for run in tried.at(rate))


def best_rate(tried: Tried, rates: Sequence[float]) -> float:
    """The one whose weakest skill is the highest, on average over seeds."""
    return max(rates, key=lambda rate: sum(weakest(tried, rate)))


def rate_recipe(arm: Arm, rate: float, seed: int) -> Recipe:
    """As the arm's, but for the learning rate."""
    recipe = recipe_of(arm, FULL_SHARE, seed)
    training = replace(recipe.training, learning_rate=rate, evaluate_every=recipe.training.steps)
    return replace(recipe, training=training).keeping_the_last_checkpoint()


def measure_rates(bases: Mapping[int, GPT]) -> Iterator[RateRun]:
    """Train every arm at every rate it is tried at, from every base."""
    for seed, (arm, rate) in product(bases, TRIED):
        yield measure_rate(ARMS[arm], rate, seed, bases[seed])


def measure_rate(arm: Arm, rate: float, seed: int, base: GPT) -> RateRun:
    recipe = rate_recipe(arm, rate, seed)
    model = initial_model(recipe, seed, base)
    for _ in train(model, recipe, MASK_POLICIES[arm.policy], seed=seed):
        pass
    return _measured(arm, rate, seed, model)


def _measured(arm: Arm, rate: float, seed: int, model: GPT) -> RateRun:
    recipe = rate_recipe(arm, rate, seed)
    return RateRun(
        arm.slug,
        rate,
        seed,
        answer_untaught(model, recipe, recipe.training.steps),
        measure_base(model, recipe.tokenizer),
        factors(model, recipe, recipe.task.untaught),
    )


def measure_base_factors(bases: Mapping[int, GPT]) -> Iterator[BaseFactors]:
    for seed, base in bases.items():
        recipe = recipe_of(ARMS[RIGHT.slug], FULL_SHARE, seed)
        yield BaseFactors(seed, factors(base, recipe, recipe.task.untaught))


KEPT_RATES = KeptFile(
    "rates",
    TypeAdapter(Tried),
    keys=lambda tried: (*(base.seed for base in tried.bases), *(run.key for run in tried.runs)),
    expected=(*SEEDS, *((arm, rate, seed) for (arm, rate), seed in product(TRIED, SEEDS))),
)


def departures(folder: Path, stated: Tried, rates: Sequence[float] = RATES) -> list[str]:
    """Where models of some rates, and the bases, depart from what was stated of them.

    Those at the usual rate are shipped. The others are trained anew, with one seed, and may differ by their intervals.
    """
    bases = {seed: load_base(base_folder(folder, seed))[1] for seed in SEEDS}
    lines = []
    for base, found in zip(stated.bases, measure_base_factors(bases), strict=True):
        lines += _factors_depart(f"base {base.seed}", base.factors, found.factors)
    for arm, rate in ((arm, rate) for arm, rate in TRIED if rate in rates):
        if rate != USED_RATE:
            anew = measure_rate(ARMS[arm], rate, SEEDS[0], bases[SEEDS[0]])
            lines += _skills_depart(stated, anew, overlap)
            continue
        run, model = load_last(folder / ARMS[arm].recipe / ARMS[arm].policy)
        anew = _measured(ARMS[arm], rate, run.seed, model)
        lines += _skills_depart(stated, anew, agree)
        lines += _factors_depart(f"{arm}, seed {run.seed}", _stated_of(stated, anew).factors, anew.factors)
    return lines


def _stated_of(stated: Tried, anew: RateRun) -> RateRun:
    return next(run for run in stated.runs if run.key == anew.key)


def _skills_depart(stated: Tried, anew: RateRun, same: Callable[[Rate, Rate], bool]) -> list[str]:
    told, name = _stated_of(stated, anew), f"{anew.arm} at {anew.learning_rate:g}, seed {anew.seed}"
    return compare_rates(((f"{name}: {s.slug}", s.read(told), s.read(anew)) for s in SKILLS.values()), same)


def _factors_depart(name: str, stated: Factors, measured: Factors) -> list[str]:
    return [
        f"{name}: log P of the {part}: stated {there:.3f}, measured {here:.3f}"
        for part, there in vars(stated).items()
        if not agree(there, here := getattr(measured, part))
    ]
