"""What there is to gain from guessing a prompt of random letters: a model's loss on it, and that of perfect guesses.

In: a recipe of one turn and its runs. Out: plain values, in nats per token of the prompt: the user's letters and the
ASSISTANT_START behind them. The two stand together, since only together they have a bound: whoever expects every word
to go on pays less for its letters and more for its end. A letter by itself costs ln 26 at least.
"""

import math
from dataclasses import dataclass
from functools import cache

from model.intervals import MeanLoss
from model.training.checkpoints import Run
from model.training.evaluation import Metrics
from model.training.recipes import Recipe


@dataclass(frozen=True)
class Guessing:
    """The loss on the prompt before and after all of the training."""

    on: tuple[float, float]
    off: tuple[float, float]
    steps: int
    perfect: float
    """Of somebody who knows how words are drawn, but not the word; on the same words."""


def measure_guessing(recipe: Recipe, masked: Run, unmasked: Run) -> Guessing:
    on, off = (
        tuple(prompt_loss(recipe, run.metrics_at(step)).value for step in (0, run.steps)) for run in (masked, unmasked)
    )
    return Guessing((on[0], on[1]), (off[0], off[1]), masked.steps, perfect_guesses(recipe))


def prompt_loss(recipe: Recipe, metrics: Metrics) -> MeanLoss:
    """The loss on letters and ends together, from that on each. The interval is no narrower than its own would be."""
    words, letters = _counts(recipe)
    user, end = metrics.loss["user"], metrics.loss["template"]
    assert user.n == end.n == words, (user.n, end.n, words)
    value, low, high = (
        (letters * of_letters + words * of_ends) / (letters + words)
        for of_letters, of_ends in ((user.value, end.value), (user.low, end.low), (user.high, end.high))
    )
    return MeanLoss(value, words, low, high)


@cache
def perfect_guesses(recipe: Recipe) -> float:
    """The loss on the prompts that were measured if each length and each letter is held for as likely as any other.

    So words are drawn for training, and no guess has a lower expected loss. The measured words are a sample: different
    words, of which few are short, so this is their own cross-entropy and not the entropy of the draw.
    """
    words, letters = _counts(recipe)
    lengths = recipe.task.max_length - recipe.task.min_length + 1
    return (letters * math.log(len(recipe.task.alphabet)) + words * math.log(lengths)) / (letters + words)


@cache
def _counts(recipe: Recipe) -> tuple[int, int]:
    """(words that a run is measured on, their letters). A word has one ASSISTANT_START, the template's only target."""
    assert recipe.task.most_turns == 1, recipe.slug
    words = recipe.task.held_out_prompts(recipe.training.evaluation_words)
    return len(words), sum(map(len, words))
