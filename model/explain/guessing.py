"""What there is to gain from guessing the user's random letters: a model's loss on them, and the least possible.

In: a recipe and its runs. Out: plain values, in nats per letter.
"""

import math
from dataclasses import dataclass
from functools import cache

from model.training.checkpoints import Run
from model.training.recipes import Recipe


@dataclass(frozen=True)
class Guessing:
    """The loss on the user's random letters before and after all of the training."""

    on: tuple[float, float]
    off: tuple[float, float]
    steps: int
    entropy: float
    """Of one letter."""
    floor: float
    """Nobody can do better who knows the task but not the word."""


def measure_guessing(recipe: Recipe, masked: Run, unmasked: Run) -> Guessing:
    return Guessing(
        on=_before_and_after(masked),
        off=_before_and_after(unmasked),
        steps=masked.steps,
        entropy=math.log(len(recipe.task.alphabet)),
        floor=letter_floor(recipe),
    )


def _before_and_after(run: Run) -> tuple[float, float]:
    return run.metrics_at(0).loss["user"].value, run.metrics_at(run.steps).loss["user"].value


@cache
def letter_floor(recipe: Recipe) -> float:
    """Nats per letter of the held-out words that were measured, for one who knows the task but not the word."""
    task = recipe.task
    words = task.held_out_prompts(recipe.training.evaluation_words)
    lengths = task.max_length - task.min_length + 1
    goes_on = sum(-math.log(min(1.0, (task.max_length - len(word) + 1) / lengths)) for word in words)
    return math.log(len(task.alphabet)) + goes_on / sum(map(len, words))
