"""model/experiments/dispatcher/arms.py.

The arms differ in one thing each, and what is shipped of them is what they do.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from model.experiments.dispatcher.arms import (
    ARMS,
    KEPT_DISPATCHED,
    SHARES,
    answered,
    departures,
    measure_arm,
    recipe_of,
    unseen_sums,
)
from model.experiments.shipped import SEEDS
from model.text.corpus import SUMS
from model.training.given_numbers import endings
from model.training.pretraining import PRETRAINING, base_folder, load_base
from model.training.recipes import SUM_RECIPES

TRAINED = Path(__file__).resolve().parents[4] / "model" / "trained"
STATED = KEPT_DISPATCHED.read(TRAINED)


def test_the_base_goes_on_like_a_worksheet_and_knows_the_sums():
    for base in STATED.bases:
        assert base.plain.continues.value >= 0.95
        assert base.plain.right.value == 0
        assert base.framed.right.value >= 0.98
        assert base.framed.endings.line.value >= 0.98
        assert base.framed.exact.value == 0, "it never stops"
        assert base.plain.right.n == base.framed.right.n == len(SUMS)


def test_sft_from_the_base_answers_what_it_never_saw_and_from_random_weights_it_does_not():
    for seed in SEEDS:
        tuned, scratch = (next(r for r in STATED.of(arm) if r.seed == seed) for arm in ("prompt-masked", "scratch"))
        assert tuned.last.right.n == 50
        assert tuned.last.right.value >= 0.9
        assert tuned.last.stops.value >= 0.99
        assert tuned.last.right.value - scratch.last.right.value >= 0.4
    assert STATED.of("prompt-masked")[0].last.step <= 0.15 * STATED.bases[0].steps
    tuned_rate, scratch_rate = (STATED.rate(arm, "right") for arm in ("prompt-masked", "scratch"))
    assert tuned_rate.low > scratch_rate.high + 0.4


def test_every_arm_is_measured_at_every_share_and_seed_on_the_other_sums():
    assert {(run.arm, run.seed, run.share) for run in STATED.runs} == {
        (arm, seed, share) for arm in ARMS for seed in SEEDS for share in SHARES
    }
    for run in STATED.runs:
        assert run.last.right.n == len(SUMS) - round(run.share * len(SUMS))
        steps = [row.step for row in run.answered]
        assert steps == sorted(set(steps))
        assert steps[0] == 0
        assert (run.drift is not None) == (run.arm != "scratch" and run.share == 0.5)
        assert (run.supervised == run.positions) == (run.arm == "unmasked")


@pytest.mark.parametrize("share", SHARES)
def test_what_seeds_are_asked_at_a_share_counts_once(share: float):
    asked = {sum_ for seed in SEEDS for sum_ in recipe_of(ARMS["scratch"], share, seed).task.untaught}
    for arm in ARMS:
        rate = STATED.rate(arm, "right", share)
        assert rate.questions == unseen_sums(share) == len(asked) <= len(SUMS)
        assert rate.seeds == tuple(run.last.right.value for run in STATED.of(arm, share))
        assert min(rate.seeds) >= rate.low
        assert max(rate.seeds) <= rate.high
    first = STATED.of("scratch", share)[0]
    assert STATED.rate("scratch", "right", share, step=0).seeds[0] == first.answered[0].right.value


def test_arms_share_size_training_and_sums():
    for share in SHARES:
        recipes = [recipe_of(arm, share, 1) for arm in ARMS.values()]
        assert len({(r.model, r.training, r.tokenizer, r.task.taught) for r in recipes}) == 1
        assert [recipe.base for recipe in recipes] == ["worksheet", "worksheet", None]
    assert PRETRAINING["worksheet"].model == SUM_RECIPES["answers"].model
    assert PRETRAINING["worksheet"].tokenizer == SUM_RECIPES["answers"].tokenizer


def test_a_measured_run_is_trained_again():
    _, base = load_base(base_folder(TRAINED, 1))
    again = measure_arm(ARMS["prompt-masked"], 0.5, 1, base)
    stated = next(run for run in STATED.of("prompt-masked") if run.seed == 1)
    assert (again.positions, again.supervised) == (stated.positions, stated.supervised)
    assert again.last.right.value == pytest.approx(stated.last.right.value, abs=0.081)
    assert again.last.stops.value >= 0.99


def test_the_shipped_models_do_what_is_stated():
    assert departures(TRAINED, STATED) == []


def test_a_figure_that_departs_is_named():
    base = STATED.bases[0]
    other = replace(base, framed=replace(base.framed, right=replace(base.framed.right, value=0.9, low=0.8)))
    (line,) = departures(TRAINED, replace(STATED, bases=(other, *STATED.bases[1:])))
    assert line == "base 0 framed: right: stated 0.900, measured 1.000"


def test_right_is_the_number_whatever_follows_and_exact_is_the_number_and_a_stop():
    found = answered(1, ["7#", "7\n", "70#", "7 What is 1+1?"], ["7"] * 4)
    assert (found.right.value, found.exact.value) == (0.75, 0.25)
    assert (found.stops.value, found.continues.value) == (0.5, 0.25)
    assert found.endings == endings(["7#", "7\n", "70#", "7 What is 1+1?"])
    assert answered(1, ["7#", " 7#", "07#", "#"], ["7"] * 4).exact.value == 0.25


def test_what_is_right_and_stopped_is_right_and_has_a_stop_behind_its_number():
    rows = [row for run in STATED.runs for row in run.answered]
    rows += [getattr(base, framing) for base in STATED.bases for framing in ("plain", "framed", "templated")]
    for row in rows:
        assert row.exact.value <= min(row.right.value, row.endings.stop.value, row.stops.value)
        ends = [getattr(row.endings, name).value for name in ("line", "stop", "other", "none")]
        assert sum(ends) == pytest.approx(1)
        assert row.right.value <= 1 - row.endings.none.value
