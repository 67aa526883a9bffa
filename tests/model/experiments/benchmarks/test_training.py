"""model/experiments/benchmarks/training.py: what is compared does the same work."""

from itertools import islice

import pytest

from model.experiments.benchmarks.training import Speed, our_loop, plain_loop, share_of_gemm
from model.masks.policies import COMPARED_POLICIES
from model.training.recipes import RECIPES, Variation, vary

policies = pytest.mark.parametrize("policy", COMPARED_POLICIES)


@policies
@pytest.mark.parametrize("slug", RECIPES)
def test_both_loops_have_the_same_losses_step_by_step(slug: str, policy: str):
    ours, plain = our_loop(RECIPES[slug], policy), plain_loop(RECIPES[slug], policy)
    for mine, theirs in islice(zip(ours, plain, strict=False), 12):
        assert mine == pytest.approx(theirs, abs=2e-4)


def test_the_operations_counted_are_those_of_the_matrix_products():
    recipe = vary(RECIPES["reverse4"], Variation(width=8, batch_size=2))
    D, V, N, M, T, B = 8, recipe.model.vocab_size, 2 * 10, 2 * 5, 10, 2
    forward = N * D * 3 * D + M * D * D + 2 * M * D * 4 * D + M * D * V  # qkv; out, mlp and head where there is a loss
    attention = 2 * B * T * T * D  # scores and mix, forward; each again twice on the way back
    assert share_of_gemm(recipe, "prompt-masked").flops_per_step == 2 * 3 * (forward + attention)


def test_a_goal_is_met_or_missed():
    assert Speed("x", 20, 10, 2.0, 2.0).line().endswith("2.0 times (goal 2: met)")
    assert Speed("x", 20, 10, 2.0, 2.1).line().endswith("2.0 times (goal 2.1: MISSED)")
    assert Speed("x", 20, 10, 2.0, None).line().endswith("2.0 times")
