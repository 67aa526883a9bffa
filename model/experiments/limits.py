"""What SFT does with wrong answers, with two valid ones, and with preferences: measured, not solved. In: a seed.

One experiment shows all three. A share of the training words gets another answer than the reversal: the word itself.
The loss cannot tell whether that other answer is a mistake, just as valid, or the one that raters liked less. What
matters is whether it can be told from the word which of the two it will be.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from string import ascii_lowercase
from typing import Annotated, Literal

import torch
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.experiments.shipped import SEEDS
from model.intervals import Fraction, Rate, rate_of
from model.kept import STRICT, KeptFile, compare_rates, keys_of, overlap
from model.masks.batches import make_batch
from model.masks.policies import RIGHT
from model.network.gpt import GPT
from model.network.loss import batch_logits, token_losses
from model.text.chat_template import Message, render
from model.text.tokenizer import END_OF_TURN
from model.training.evaluation import complete_prompts
from model.training.loop import initial_model, train
from model.training.recipes import RECIPES, Recipe, Variation, vary

OTHER_SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""Of the words, those with the other answer."""
WORDS = 500
VARIATION = Variation(
    layers=2, width=64, batch_size=64, learning_rate=1e-3, steps=2000, evaluate_every=2000, evaluation_words=1
)
"""Of `reverse4`: a model that learns even both answers within the steps."""
DECAY_STEPS = 600

Where = Literal["scattered", "predictable"]


@dataclass(frozen=True)
class Spread:
    """How the words with the other answer are chosen."""

    slug: Where
    title: str
    is_other: Callable[[str, float], bool]
    """Whether a word gets it, at a share."""


def _by_hash(word: str, share: float) -> bool:
    digest = hashlib.blake2b(f"other {word}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _by_letter(word: str, share: float) -> bool:
    return ascii_lowercase.index(word[0]) < round(share * len(ascii_lowercase))


SPREADS: dict[Where, Spread] = {
    spread.slug: spread
    for spread in (
        Spread("scattered", "at words that nothing tells apart", _by_hash),
        Spread("predictable", "at words that begin with certain letters", _by_letter),
    )
}


@checked(config=STRICT)
class LimitRun:
    """One model, on held-out words; greedy, but for the probabilities."""

    where: Where
    share: float
    seed: int
    steps: Annotated[int, Field(ge=1)]
    labeller: Rate
    """Words whose answer would be the reversal if they were training words."""
    reversal: Rate
    """Words answered by the reversal and a stop."""
    other: Rate
    """Words answered by the word itself and a stop."""
    p_reversal: Fraction
    """Mean probability of the whole reversal and its stop."""
    p_other: Fraction

    @property
    def key(self) -> tuple[Where, float, int]:
        return self.where, self.share, self.seed


Limits = tuple[LimitRun, ...]


def limit_recipe(where: Where, share: float) -> Recipe:
    recipe = vary(RECIPES["reverse4"], VARIATION)
    task = replace(recipe.task, solve=partial(_answer, SPREADS[where], share))
    return replace(recipe, task=task, training=replace(recipe.training, decay_steps=DECAY_STEPS))


def _answer(spread: Spread, share: float, turns: Sequence[str]) -> str:
    return turns[-1] if spread.is_other(turns[-1], share) else turns[-1][::-1]


def runs_at(runs: Sequence[LimitRun], where: str, share: float) -> tuple[LimitRun, ...]:
    """One per seed."""
    return tuple(run for run in runs if (run.where, run.share) == (where, share))


def measure_limits() -> Iterator[LimitRun]:
    """Train and measure every run."""
    for where, share, seed in product(SPREADS, OTHER_SHARES, SEEDS):
        yield measure_limit(where, share, seed)


def measure_limit(where: Where, share: float, seed: int) -> LimitRun:
    recipe = limit_recipe(where, share)
    model = initial_model(recipe, seed)
    for _ in train(model, recipe, RIGHT, seed=seed):
        pass
    words = [word for word in recipe.task.held_out_prompts(WORDS) if word != word[::-1]]
    texts = complete_prompts(model, recipe.task, recipe.tokenizer, words)
    return LimitRun(
        where,
        share,
        seed,
        recipe.training.steps,
        rate_of(recipe.task.answer(word) == word[::-1] for word in words),
        rate_of(text == word[::-1] + END_OF_TURN for text, word in zip(texts, words, strict=True)),
        rate_of(text == word + END_OF_TURN for text, word in zip(texts, words, strict=True)),
        mean_probability(model, recipe, words, [word[::-1] for word in words]),
        mean_probability(model, recipe, words, words),
    )


@torch.inference_mode()
def mean_probability(model: GPT, recipe: Recipe, words: Sequence[str], answers: Sequence[str]) -> float:
    """Of each answer with its stop, behind its word; the mean over the words."""
    pairs = zip(words, answers, strict=True)
    rows = [render((Message("user", w), Message("assistant", a)), recipe.tokenizer) for w, a in pairs]
    batch = make_batch(rows, RIGHT, recipe.tokenizer)
    losses_B = token_losses(batch_logits(model, batch), batch.targets_BT).sum(1)
    return float((-losses_B).exp().mean())


KEPT_LIMITS = KeptFile("limits", TypeAdapter(Limits), keys_of, tuple(product(SPREADS, OTHER_SHARES, SEEDS)))


def departures(stated: Limits, measured: Iterable[LimitRun]) -> list[str]:
    """Where runs, trained anew, depart from what was stated by more than their intervals allow."""
    by_key = {run.key: run for run in stated}
    return compare_rates(
        (
            (f"{run.where} {run.share:.0%} seed {run.seed}, {name}", getattr(by_key[run.key], name), getattr(run, name))
            for run, name in product(measured, ("reversal", "other"))
        ),
        same=overlap,
    )
