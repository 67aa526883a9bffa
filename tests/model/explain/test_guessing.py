"""model/explain/guessing.py: what random letters leave to guess, and how near a model comes to it."""

import math
from pathlib import Path

import pytest

from model.explain.guessing import letter_floor, measure_guessing
from model.training.checkpoints import read_run
from model.training.recipes import RECIPES

TRAINED = Path(__file__).resolve().parents[3] / "model" / "trained"


def test_words_of_one_length_leave_only_the_letter_to_guess() -> None:
    assert letter_floor(RECIPES["reverse4"]) == pytest.approx(math.log(26))


def test_words_of_many_lengths_also_leave_whether_they_go_on() -> None:
    recipe = RECIPES["reverse"]
    words = recipe.task.held_out_prompts(1000)
    # letter k follows a letter with the chance that a word of at least k-1 letters has at least k: (11 - k) / (12 - k)
    surprise = sum(
        -math.log(1 / 26) - (math.log((11 - k) / (12 - k)) if k > 1 else 0) for w in words for k in range(1, len(w) + 1)
    )
    assert letter_floor(recipe) == pytest.approx(surprise / sum(map(len, words)))


@pytest.mark.parametrize("slug", RECIPES)
def test_the_unmasked_model_comes_near_the_floor_and_never_below_it(slug: str) -> None:
    recipe = RECIPES[slug]
    masked, unmasked = (read_run(TRAINED / slug / policy) for policy in ("prompt-masked", "unmasked"))
    guessing = measure_guessing(recipe, masked, unmasked)
    loss = unmasked.metrics_at(recipe.training.steps).loss["user"]
    assert (guessing.floor, guessing.steps, guessing.entropy) == (
        letter_floor(recipe),
        recipe.training.steps,
        math.log(26),
    )
    assert guessing.off == (unmasked.metrics_at(0).loss["user"].value, loss.value)
    assert guessing.on[1] > guessing.off[1]
    assert loss.high > guessing.floor - 0.01
    assert loss.value < guessing.floor + 0.02
