"""model/experiments/counted.py: training that counts its targets is the same training."""

import torch

from model.experiments.counted import count_answer_targets, count_targets, for_steps, train_counting
from model.masks.policies import MASK_POLICIES, RIGHT
from model.training.loop import initial_model, train
from model.training.recipes import ALL_RECIPES, Variation, vary

REVERSE4 = vary(ALL_RECIPES["reverse4"], Variation(steps=3, batch_size=4, evaluation_words=1))


def test_counting_changes_nothing_of_the_training():
    counted, plain = initial_model(REVERSE4, 5), initial_model(REVERSE4, 5)
    steps = list(train_counting(counted, REVERSE4, RIGHT, seed=5))
    list(train(plain, REVERSE4, RIGHT, seed=5))
    assert all(torch.equal(a, b) for a, b in zip(counted.parameters(), plain.parameters(), strict=True))
    assert steps == [(0, 0), (1, 20), (2, 40), (3, 60)]  # four words of four letters, and a stop each


def test_targets_are_those_that_the_mask_leaves():
    assert count_targets(REVERSE4, RIGHT, seed=0, steps=3) == 60
    assert count_targets(REVERSE4, MASK_POLICIES["unmasked"], seed=0, steps=3) == 3 * 4 * 10
    assert count_targets(REVERSE4, MASK_POLICIES["all-masked"], seed=0, steps=3) == 0


def test_targets_of_a_run_can_be_counted_without_its_batches():
    for slug in ("reverse", "numbers-direct", "numbers-thought"):
        recipe = for_steps(ALL_RECIPES[slug], 4)
        assert count_answer_targets(recipe, seed=2) == count_targets(recipe, RIGHT, seed=2, steps=4)


def test_fewer_steps_keep_the_share_over_which_the_rate_falls():
    recipe = ALL_RECIPES["numbers-thought"]
    short = for_steps(recipe, 400)
    assert (short.training.steps, short.training.decay_steps) == (400, 100)
    assert (recipe.training.steps, recipe.training.decay_steps) == (4000, 1000)
