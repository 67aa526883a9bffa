"""model/experiments/dispatcher/rates.py: only the learning rate differs, and what is shipped is what models do."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.experiments.dispatcher.arms import ARMS, KEPT_DISPATCHED, recipe_of
from model.experiments.dispatcher.rates import (
    KEPT_RATES,
    PRETRAINING_RATE,
    RATES,
    SKILLS,
    TRIED,
    USED_RATE,
    best_rate,
    departures,
    factors_by_model,
    rate_recipe,
    skill_rate,
    weakest,
)
from model.experiments.shipped import SEEDS

TRAINED = Path(__file__).resolve().parents[4] / "model" / "trained"
STATED = KEPT_RATES.read(TRAINED)


def test_only_the_learning_rate_differs_from_the_arm_s_recipe():
    for arm in ("prompt-masked", "unmasked"):
        usual = recipe_of(ARMS[arm], 0.5, 1)
        for rate in RATES:
            tried = rate_recipe(ARMS[arm], rate, 1)
            assert tried.training.learning_rate == rate
            measured = {"checkpoint_steps": usual.training.checkpoint_steps, "evaluate_every": 25}
            training = replace(tried.training, learning_rate=USED_RATE, **measured)
            assert training == usual.training
            assert replace(tried, training=training, task=usual.task) == usual
            assert tried.task.taught == usual.task.taught


def test_rates_lie_below_and_above_the_lesson_s_range_and_inside_it():
    assert {(run.arm, run.learning_rate, run.seed) for run in STATED.runs} == {
        (arm, rate, seed) for arm, rate in TRIED for seed in SEEDS
    }
    assert min(RATES) < PRETRAINING_RATE / 10 <= USED_RATE <= PRETRAINING_RATE < max(RATES)


@pytest.mark.parametrize("arm", ["prompt-masked", "unmasked"])
def test_at_the_usual_rate_a_run_is_the_arm_s_own(arm: str):
    runs = KEPT_DISPATCHED.read(TRAINED).of(arm)
    for run, tried in zip(runs, STATED.at(USED_RATE, arm), strict=True):
        assert run.drift
        assert (tried.seed, tried.answered.exact) == (run.seed, run.last.exact)
        assert tried.ability.continues == run.drift.ability.continues
        assert tried.ability.knows == run.drift.ability.knows


def test_both_ends_of_the_trade_off_are_among_the_rates():
    slow, fast = ({s: skill_rate(STATED, skill, rate) for s, skill in SKILLS.items()} for rate in (RATES[0], RATES[-1]))
    assert slow["new"].value < 0.1
    assert min(slow["continues"].low, slow["knows"].low) > 0.8
    assert max(skill_rate(STATED, SKILLS["new"], rate).value for rate in RATES) > 0.95
    assert max(fast["continues"].value, fast["knows"].value) < 0.6


def test_the_best_rate_is_that_whose_weakest_skill_is_the_highest():
    for run, least in zip(STATED.at(USED_RATE), weakest(STATED, USED_RATE), strict=True):
        assert least == min(run.answered.exact.value, run.ability.continues.value, run.ability.knows.value)
    best = best_rate(STATED, RATES)
    assert all(sum(weakest(STATED, best)) >= sum(weakest(STATED, rate)) for rate in RATES)


def test_the_mask_leaves_the_prompt_unlikely_and_without_it_the_prompt_is_learned():
    found = {slug: seeds for _, slug, seeds in factors_by_model(STATED)}
    assert list(found) == ["base", "prompt-masked", "unmasked"]
    for before, on, off in zip(*found.values(), strict=True):
        assert off.prompt > on.prompt + 10
        assert off.request > before.request > on.request
        assert min(on.answer, off.answer) > before.answer + 10
        assert off.request == pytest.approx(-4.6, abs=0.5), "about one of a hundred sums"


def test_the_shipped_models_do_what_is_stated_and_a_figure_that_departs_is_named():
    assert departures(TRAINED, STATED, (USED_RATE,)) == []
    first = STATED.bases[0]
    other = replace(first, factors=replace(first.factors, answer=-1.0))
    run = STATED.at(USED_RATE)[0]
    wrong = replace(run, ability=replace(run.ability, knows=replace(run.ability.knows, value=0.1, low=0.0)))
    runs = tuple(wrong if r == run else r for r in STATED.runs)
    lines = departures(TRAINED, replace(STATED, bases=(other, *STATED.bases[1:]), runs=runs), (USED_RATE,))
    assert lines == [
        f"base 0: log P of the answer: stated -1.000, measured {first.factors.answer:.3f}",
        f"prompt-masked at 0.0002, seed 0: knows: stated 0.100, measured {run.ability.knows.value:.3f}",
    ]
