"""What SFT does with wrong answers, with two valid ones, and with preferences: measured, not solved. In: a seed.

One experiment shows all three. A share of the labels is another answer than the reversal: the word itself. The loss
cannot tell whether that other answer is a mistake, just as valid, or the one that raters liked less. What matters is
whether it can be told from the word which of the two it will be. In two arms each word has one label; in the third
each word is shown ten times, with the one answer and with the other.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.errors import BrokenRun
from model.experiments.other_answers import SPREADS, Spread, Where, limit_batches, limit_recipe
from model.experiments.shipped import SEEDS
from model.explain.both_answers import answer_probabilities, mixtures
from model.intervals import Fraction, Rate, SeedRate, rate_of, rate_over_seeds
from model.kept import STRICT, KeptFile, compare_rates, keys_of, overlap
from model.network.gpt import GPT
from model.network.learner import Learner
from model.text.tokenizer import END_OF_TURN
from model.training.checkpoints import (
    CheckedWeights,
    Checkpoint,
    ModelsOnDemand,
    build_model,
    load_weights,
    read_weights,
    save_weights,
)
from model.training.evaluation import complete_prompts
from model.training.loop import initial_model, optimize

WORDS = 500
"""Held-out ones, but for those that read the same backwards."""


@checked(config=STRICT)
class LimitRun:
    """One model, on held-out words; greedy, but for the probabilities."""

    where: Where
    share: float
    seed: int
    steps: Annotated[int, Field(ge=1)]
    labeller: Rate
    """Words whose label would be the reversal if they were training words, the first time they are shown."""
    reversal: Rate
    """Words answered by the reversal and a stop."""
    other: Rate
    """Words answered by the word itself and a stop."""
    p_reversal: Fraction
    """Mean probability of the whole reversal and its stop."""
    p_other: Fraction
    stopped: Rate | None = None
    """Words whose answer, whatever it is, ends with a stop. This and the next two: None where it was not counted."""
    mixed: Rate | None = None
    """Words answered by a mixture of the two answers, letter by letter, and a stop."""
    p_mixed: Fraction | None = None
    """Mean probability of all mixtures together."""
    weights: Checkpoint | None = None
    """Of a model that ships, so that it can be asked; its figures are those of the weights as they were written."""

    @property
    def key(self) -> tuple[Where, float, int]:
        return self.where, self.share, self.seed


Limits = tuple[LimitRun, ...]

LIMIT_RUNS: tuple[tuple[Where, float, int], ...] = tuple(
    (spread.slug, share, seed) for spread in SPREADS.values() for share, seed in product(spread.shares, SEEDS)
)
"""Of each run the arm, the share and the seed."""


@dataclass(frozen=True)
class AskedArm:
    """Labels whose models ship, one per seed, so that they can be asked."""

    where: Where
    share: float
    title: str

    @property
    def slug(self) -> str:
        """`both-50`"""
        return f"{self.where}-{round(100 * self.share)}"


ASKED: dict[str, AskedArm] = {
    arm.slug: arm
    for arm in (
        AskedArm("scattered", 0.0, "reversals only"),
        AskedArm("both", 0.5, "both for every word, equally often"),
        AskedArm("both", 0.3, "both for every word, 7 reversals to 3 copies"),
        AskedArm("scattered", 0.3, "one for each word, a copy for 30 % of them"),
    )
}


def runs_at(runs: Sequence[LimitRun], where: str, share: float) -> tuple[LimitRun, ...]:
    """One per seed."""
    return tuple(run for run in runs if (run.where, run.share) == (where, share))


def arm_runs(runs: Sequence[LimitRun], where: Where, share: float) -> tuple[LimitRun, ...]:
    """One per seed; without another answer all arms are one, of which words shown once were trained."""
    alone = share == 0 and 0 not in SPREADS[where].shares
    return runs_at(runs, "scattered" if alone else where, share)


@dataclass(frozen=True)
class LimitsRow:
    """An arm at a share, over seeds."""

    spread: Spread
    share: float
    labeller: SeedRate
    reversal: SeedRate
    other: SeedRate
    stopped: SeedRate | None
    """None where not every seed's was counted; then mixtures have no figures either."""
    mixed: SeedRate | None
    p_reversal: tuple[float, ...]
    """One per seed."""
    p_other: tuple[float, ...]
    p_mixed: tuple[float, ...]


def limits_rows(runs: Sequence[LimitRun]) -> tuple[LimitsRow, ...]:
    arms = dict.fromkeys((where, share) for where, share, _ in LIMIT_RUNS)
    return tuple(_row_of(where, share, runs_at(runs, where, share)) for where, share in arms)


def _row_of(where: Where, share: float, runs: Sequence[LimitRun]) -> LimitsRow:
    stopped = [run.stopped for run in runs if run.stopped]
    mixed = [run.mixed for run in runs if run.mixed]
    p_mixed = tuple(run.p_mixed for run in runs if run.p_mixed is not None)
    return LimitsRow(
        SPREADS[where],
        share,
        rate_over_seeds([run.labeller for run in runs]),
        rate_over_seeds([run.reversal for run in runs]),
        rate_over_seeds([run.other for run in runs]),
        rate_over_seeds(stopped) if len(stopped) == len(runs) else None,
        rate_over_seeds(mixed) if len(mixed) == len(runs) else None,
        tuple(run.p_reversal for run in runs),
        tuple(run.p_other for run in runs),
        p_mixed if len(p_mixed) == len(runs) else (),
    )


def measure_limits(folder: Path | None = None) -> Iterator[LimitRun]:
    """Train and measure every run; models that ship are written into the folder of trained runs, if one is given."""
    for where, share, seed in LIMIT_RUNS:
        yield measure_limit(where, share, seed, folder)


def measure_limit(where: Where, share: float, seed: int, folder: Path | None = None) -> LimitRun:
    recipe = limit_recipe(where, share)
    model, weights = _trained(where, share, seed), None
    arm = next((arm for arm in ASKED.values() if (arm.where, arm.share) == (where, share)), None)
    if folder is not None and arm:
        weights = save_weights(weights_folder(folder, arm, seed), recipe.training.steps, model)
        model = load_weights(weights_folder(folder, arm, seed), recipe.model, weights)
    return replace(measure_model(model, where, share, seed), weights=weights)


def _trained(where: Where, share: float, seed: int) -> GPT:
    recipe = limit_recipe(where, share)
    model = initial_model(recipe, seed)
    learner = Learner(model, betas=recipe.training.betas, weight_decay=recipe.training.weight_decay)
    for _ in optimize(learner, recipe.training, limit_batches(where, share, seed)):
        pass
    return model


def measure_model(model: GPT, where: Where, share: float, seed: int) -> LimitRun:
    """What a trained model does at held-out words of which the two answers differ."""
    recipe = limit_recipe(where, share)
    words = [word for word in recipe.task.held_out_prompts(WORDS) if word != word[::-1]]
    texts = complete_prompts(model, recipe.task, recipe.tokenizer, words)
    answers = [text.removesuffix(END_OF_TURN) if text.endswith(END_OF_TURN) else None for text in texts]
    given = tuple(zip(answers, words, strict=True))

    def probability(pairs: Sequence[tuple[str, str]]) -> float:
        """Summed over answers, the mean over words."""
        return float(answer_probabilities(model, recipe, pairs).sum()) / len(words)

    return LimitRun(
        where,
        share,
        seed,
        recipe.training.steps,
        labeller=rate_of(recipe.task.answer(word) == word[::-1] for word in words),
        reversal=rate_of(answer == word[::-1] for answer, word in given),
        other=rate_of(answer == word for answer, word in given),
        p_reversal=probability([(word, word[::-1]) for word in words]),
        p_other=probability([(word, word) for word in words]),
        stopped=rate_of(answer is not None for answer in answers),
        mixed=rate_of(answer in mixtures(word) for answer, word in given),
        p_mixed=probability([(word, mixture) for word in words for mixture in mixtures(word)]),
    )


def weights_folder(folder: Path, arm: AskedArm, seed: int) -> Path:
    """Of a model that ships, in the folder of trained runs."""
    return folder / KEPT_LIMITS.slug / f"{arm.slug}-{seed}"


def asked_run(runs: Sequence[LimitRun], arm: AskedArm, seed: int) -> LimitRun:
    return next(run for run in runs if run.key == (arm.where, arm.share, seed))


def load_asked(folder: Path, build: Callable[[CheckedWeights], GPT] = build_model) -> ModelsOnDemand[tuple[str, int]]:
    """The models that ship, by arm and seed. Raises BrokenRun."""
    runs, weights = KEPT_LIMITS.read(folder), {}
    for arm, seed in product(ASKED.values(), SEEDS):
        checkpoint = asked_run(runs, arm, seed).weights
        if checkpoint is None:
            raise BrokenRun(
                f"{folder / KEPT_LIMITS.name}: {arm.slug}, seed {seed}, names no weights; `make train` makes them"
            )
        weights[arm.slug, seed] = read_weights(
            weights_folder(folder, arm, seed), limit_recipe(arm.where, arm.share).model, checkpoint
        )
    return ModelsOnDemand(weights, build)


KEPT_LIMITS = KeptFile("limits", TypeAdapter(Limits), keys_of, LIMIT_RUNS)


def departures(stated: Limits, measured: Iterable[LimitRun]) -> list[str]:
    """Where runs, trained anew, depart from what was stated by more than their intervals allow."""
    by_key = {run.key: run for run in stated}
    pairs = ((run, by_key[run.key], name) for run, name in product(measured, ("reversal", "other", "stopped", "mixed")))
    return compare_rates(
        (
            (f"{run.where} {run.share:.0%} seed {run.seed}, {name}", getattr(kept, name), getattr(run, name))
            for run, kept, name in pairs
            if getattr(kept, name) is not None
        ),
        same=overlap,
    )
