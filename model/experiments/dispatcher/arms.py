"""What SFT adds to a base model, and what it takes: over steps, over how many sums it saw, with seeds. In: bases.

Everything shown of it lies in dispatcher.json, as `measure_arms` trains and measures it from the shipped bases.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice, product
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.experiments.dispatcher.drift import Drift, measure_drift
from model.experiments.shipped import SEEDS
from model.intervals import Rate, SeedRate, rate_of, rate_over_seeds
from model.kept import STRICT, KeptFile, compare_rates
from model.masks.policies import MASK_POLICIES, RIGHT, UNMASKED, MaskPolicy
from model.network.gpt import GPT
from model.text.corpus import SUMS, fact, question, total
from model.text.sums import taught_sums
from model.text.tokenizer import END_OF_TURN
from model.training.checkpoints import load_last
from model.training.evaluation import complete_prompts
from model.training.given_numbers import Endings, endings, right_rate
from model.training.loop import Evaluated, initial_model, train, training_batches
from model.training.pretraining import (
    CONTINUATION_TOKENS,
    NEXT_QUESTION,
    BaseMetrics,
    BaseRun,
    base_folder,
    continue_texts,
    load_base,
    measure_base,
)
from model.training.recipes import SUM_RECIPES, Recipe, answers_recipe

SHARES = (0.05, 0.1, 0.2, 0.5)
FULL_SHARE = SHARES[-1]


@dataclass(frozen=True)
class Arm:
    """One way to a model that answers."""

    slug: str
    title: str
    recipe: str
    policy: str


ARMS: dict[str, Arm] = {
    arm.slug: arm
    for arm in (
        Arm(RIGHT.slug, "SFT, mask on", "answers", RIGHT.slug),
        Arm(UNMASKED.slug, "SFT, mask off", "answers", UNMASKED.slug),
        Arm("scratch", "SFT from random weights", "answers-scratch", RIGHT.slug),
    )
}


@checked(config=STRICT)
class Answered:
    """Requests in the template, about sums that SFT never saw; greedy."""

    step: Annotated[int, Field(ge=0)]
    right: Rate
    """The text gives the right number, whatever follows it."""
    exact: Rate
    """Right and stopped: the text is the right number and a stop, and nothing else."""
    endings: Endings
    """What follows the number."""
    stops: Rate
    continues: Rate
    """The text holds another question, as a worksheet would."""


@checked(config=STRICT)
class ArmRun:
    arm: str
    seed: int
    share: float
    """Of all sums, those that SFT saw."""
    positions: int
    """All predictions of the whole SFT."""
    supervised: int
    """Those of them that had a loss."""
    answered: tuple[Answered, ...]
    drift: Drift | None
    """Only of those that start from the base, at FULL_SHARE."""

    @property
    def last(self) -> Answered:
        return self.answered[-1]

    def at(self, step: int) -> Answered:
        return next(row for row in self.answered if row.step == step)

    def first_at(self, share: float) -> int | None:
        """The first measured step at which so many of the unseen sums are right; None if there is none."""
        return next((row.step for row in self.answered if row.right.value >= share), None)


@checked(config=STRICT)
class BaseAnswers:
    """A base asked about every sum in three framings."""

    seed: int
    steps: int
    tokens: int
    """All that it was pretrained on, each of them a target."""
    plain: Answered
    """`What is 2+2?`"""
    framed: Answered
    """`Q: What is 2+2?` and in the next line `A: `."""
    templated: Answered
    """`<What is 2+2?>`, with specials that it never saw."""


@checked(config=STRICT)
class Dispatched:
    """What dispatcher.json holds."""

    bases: tuple[BaseAnswers, ...]
    runs: tuple[ArmRun, ...]

    def of(self, arm: str, share: float = FULL_SHARE) -> tuple[ArmRun, ...]:
        """One run per seed."""
        return tuple(run for run in self.runs if (run.arm, run.share) == (arm, share))

    def rate(self, arm: str, name: str, share: float = FULL_SHARE, step: int | None = None) -> SeedRate:
        """A field of Answered over seeds, at a step or at the last."""
        rows = [run.last if step is None else run.at(step) for run in self.of(arm, share)]
        return rate_over_seeds([getattr(row, name) for row in rows], unseen_sums(share))

    def rates(self, arm: str, name: str, share: float = FULL_SHARE) -> list[Rate]:
        """A field of Answered at the last step, one rate per seed: arms are paired by it."""
        return [getattr(run.last, name) for run in self.of(arm, share)]


def recipe_of(arm: Arm, share: float, seed: int) -> Recipe:
    """As shipped, but for the sums that it sees: each seed draws its own."""
    shipped = SUM_RECIPES[arm.recipe]
    return answers_recipe(shipped.slug, shipped.base, share, seed)


def unseen_sums(share: float) -> int:
    """How many different sums are asked at a share: those that SFT never saw under at least one of SEEDS."""
    return len({sum_ for seed in SEEDS for sum_ in set(SUMS) - set(taught_sums(share, seed))})


def measure_bases(bases: Mapping[int, tuple[BaseRun, GPT]]) -> Iterator[BaseAnswers]:
    """Each base asked about every sum in every framing."""
    recipe = SUM_RECIPES["answers"]
    tokenizer, questions, answers = recipe.tokenizer, list(map(question, SUMS)), list(map(total, SUMS))
    for seed, (run, model) in bases.items():
        framed = continue_texts(model, tokenizer, [fact(sum_, "") for sum_ in SUMS], CONTINUATION_TOKENS)
        yield BaseAnswers(
            seed,
            run.steps,
            run.steps * run.training.batch_size * run.model.context_length,
            answered(run.steps, continue_texts(model, tokenizer, questions, CONTINUATION_TOKENS), answers),
            answered(run.steps, framed, answers),
            answered(run.steps, complete_prompts(model, recipe.task, tokenizer, questions), answers),
        )


def measure_arms(bases: Mapping[int, GPT]) -> Iterator[ArmRun]:
    """Train every arm at every share from every base, and from random weights beside it."""
    for seed, share, arm in product(bases, SHARES, ARMS.values()):
        yield measure_arm(arm, share, seed, bases[seed])


def measure_arm(arm: Arm, share: float, seed: int, base: GPT) -> ArmRun:
    recipe, policy = recipe_of(arm, share, seed), MASK_POLICIES[arm.policy]
    model = initial_model(recipe, seed, base if recipe.base else None)
    measured = [
        answer_untaught(model, recipe, event.step)
        for event in train(model, recipe, policy, seed=seed)
        if isinstance(event, Evaluated)
    ]
    drifts = recipe.base is not None and share == FULL_SHARE
    return ArmRun(
        arm.slug,
        seed,
        share,
        *count_positions(recipe, policy, seed),
        tuple(measured),
        measure_drift(base, model, recipe, recipe.task.untaught) if drifts else None,
    )


def count_positions(recipe: Recipe, policy: MaskPolicy, seed: int) -> tuple[int, int]:
    """All predictions of a whole training, pads aside, and those of them that have a loss."""
    positions = supervised = 0
    for batch in islice(training_batches(recipe, policy, seed), recipe.training.steps):
        positions += int(batch.real_BT.sum())
        supervised += int(batch.supervised_BT.sum())
    return positions, supervised


def answer_untaught(model: GPT, recipe: Recipe, step: int) -> Answered:
    """All sums that the recipe does not teach, asked in the template."""
    task = recipe.task
    return answered(
        step, complete_prompts(model, task, recipe.tokenizer, task.untaught), list(map(task.answer, task.untaught))
    )


def answered(step: int, texts: Sequence[str], answers: Sequence[str]) -> Answered:
    """What texts make of the sums whose right answers these are."""
    return Answered(
        step,
        right_rate(texts, answers),
        rate_of(text == answer + END_OF_TURN for text, answer in zip(texts, answers, strict=True)),
        endings(texts),
        rate_of(text.endswith(END_OF_TURN) for text in texts),
        rate_of(NEXT_QUESTION.search(text) is not None for text in texts),
    )


Measured = Answered | BaseMetrics | Endings

KEPT_DISPATCHED = KeptFile(
    "dispatcher",
    TypeAdapter(Dispatched),
    keys=lambda found: (*(base.seed for base in found.bases), *((run.arm, run.seed, run.share) for run in found.runs)),
    expected=(*SEEDS, *product(ARMS, SEEDS, SHARES)),
)


def departures(folder: Path, stated: Dispatched) -> list[str]:
    """Where the shipped bases and runs, measured anew, depart from what was stated."""
    return compare_rates(
        (f"{name}: {field.name}", getattr(there, field.name), getattr(here, field.name))
        for name, there, here in _measured_anew(folder, stated)
        for field in fields(there)
        if isinstance(getattr(there, field.name), Rate)
    )


def _measured_anew(folder: Path, stated: Dispatched) -> Iterator[tuple[str, Measured, Measured]]:
    """What was asked, what is stated of it, and what the shipped weights answer."""
    bases = {seed: load_base(base_folder(folder, seed)) for seed in SEEDS}
    for base, measured in zip(stated.bases, measure_bases(bases), strict=True):
        for framing in ("plain", "framed", "templated"):
            there, here = getattr(base, framing), getattr(measured, framing)
            yield f"base {base.seed} {framing}", there, here
            yield f"base {base.seed} {framing}", there.endings, here.endings
    for arm in ARMS.values():
        run, model = load_last(folder / arm.recipe / arm.policy)
        told = next(r for r in stated.of(arm.slug) if r.seed == run.seed)
        yield arm.slug, told.last, answer_untaught(model, SUM_RECIPES[arm.recipe], run.steps)
        if told.drift:
            ability, again = told.drift.ability, measure_base(model, SUM_RECIPES[arm.recipe].tokenizer)
            yield f"{arm.slug}, old ability", ability, again
            yield f"{arm.slug}, old ability", ability.endings, again.endings
