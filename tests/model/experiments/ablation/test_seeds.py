"""model/experiments/ablation/seeds.py: what all seeds of a setting say at one step."""

from statistics import fmean

import pytest

from app.settings import Settings
from model.experiments.ablation.runs import ABLATION_FILE, Ablation, Setting, read_ablation
from model.experiments.ablation.seeds import SeedPair, SeedsAtStep, seeds_at, telling_step
from model.intervals import rate_over_seeds, wilson
from model.training.recipes import RECIPES


@pytest.fixture(scope="module")
def ablation() -> Ablation:
    return read_ablation(Settings().trained_folder / ABLATION_FILE)


def setting(ablation: Ablation, slug: str) -> Setting:
    return next(each for each in ablation.settings if each.slug == slug)


@pytest.mark.parametrize("slug", RECIPES)
def test_a_recipe_s_own_setting_is_trained_as_the_shipped_runs_are(ablation: Ablation, slug: str):
    own, shipped = setting(ablation, slug).varied().values(), RECIPES[slug].values()
    assert {name for name in own if own[name] != shipped[name]} <= {"evaluation_words"}


@pytest.mark.parametrize(("slug", "step", "ahead", "behind"), [("reverse4", 325, 10, 0), ("reverse", 900, 4, 6)])
def test_seeds_are_those_of_the_file_and_their_interval_holds_their_mean(
    ablation: Ablation, slug: str, step: int, ahead: int, behind: int
):
    own = setting(ablation, slug)
    at = seeds_at(ablation, own, step)
    place = own.evaluated_steps().index(step)
    for policy, rate in (("prompt-masked", at.masked), ("unmasked", at.unmasked)):
        rights = [ablation.run(own, policy, seed).exact_match[place] for seed in ablation.seeds]
        assert list(rate.seeds) == rights
        assert rate.value == pytest.approx(fmean(rights))
        assert rate.low <= rate.value <= rate.high
        assert rate.questions == own.evaluation_words
    assert (at.ahead, at.behind) == (ahead, behind)


def test_a_step_that_was_not_measured_is_that_before_it(ablation: Ablation):
    assert seeds_at(ablation, setting(ablation, "reverse"), 949).step == 900


def test_the_telling_step_is_the_first_at_which_mask_on_has_learned_in_every_seed(ablation: Ablation):
    own = setting(ablation, "reverse4")
    at = telling_step(ablation, own, RECIPES["reverse4"].training.checkpoint_steps, 0.9, 1000)
    assert min(pair.masked for pair in at.pairs) >= 0.9
    before = max(step for step in RECIPES["reverse4"].training.checkpoint_steps if step < at.step)
    assert min(pair.masked for pair in seeds_at(ablation, own, before).pairs) < 0.9
    assert telling_step(ablation, own, [100, 200], 0.9, 150).step == 150


def at_step(masked: list[float], unmasked: list[float], own: Setting) -> SeedsAtStep:
    rates = [rate_over_seeds([wilson(value, 100) for value in values]) for values in (masked, unmasked)]
    pairs = tuple(SeedPair(i, a, b) for i, (a, b) in enumerate(zip(masked, unmasked, strict=True)))
    return SeedsAtStep(own, 50, pairs, *rates)


@pytest.mark.parametrize(
    ("masked", "unmasked", "says"),
    [
        ([0.9, 0.8], [0.1, 0.2], "ahead in 2 of 2 seeds: 85.0 % against 15.0 % on average. Every pair says the same."),
        (
            [0.1, 0.1],
            [0.9, 0.2],
            "0 of 2 seeds, mask off in 2: 10.0 % against 55.0 % on average. Every pair says the same.",
        ),
        (
            [0.9, 0.1],
            [0.1, 0.2],
            "1 of 2 seeds, mask off in 1: 50.0 % against 15.0 % on average. One pair says little.",
        ),
        (
            [0.9, 0.2],
            [0.1, 0.2],
            "1 of 2 seeds, mask off in 0: 55.0 % against 15.0 % on average. One pair says little.",
        ),
        (
            [1.0, 1.0],
            [1.0, 1.0],
            "both are level in all 2 seeds, with 100.0 % right on average.",
        ),
    ],
)
def test_a_sentence_says_no_more_than_the_pairs(
    ablation: Ablation, masked: list[float], unmasked: list[float], says: str
):
    assert says in at_step(masked, unmasked, setting(ablation, "reverse4")).sentence()
