"""model/experiments/limits.py: other answers at a share of the words, and what became of them."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from model.experiments.limits import (
    KEPT_LIMITS,
    OTHER_SHARES,
    SPREADS,
    departures,
    limit_recipe,
    measure_limit,
    runs_at,
)
from model.intervals import rate_over_seeds

TRAINED = Path(__file__).resolve().parents[3] / "model" / "trained"
STATED = KEPT_LIMITS.read(TRAINED)


@pytest.mark.parametrize("where", SPREADS)
@pytest.mark.parametrize("share", OTHER_SHARES)
def test_that_share_of_the_training_words_gets_the_other_answer(where: str, share: float):
    task = limit_recipe(where, share).task
    words = [word for word in islice(task.prompts(0, held_out=False), 4000) if word != word[::-1]]
    other = sum(task.answer(word) == word for word in words) / len(words)
    assert all(task.answer(word) in (word, word[::-1]) for word in words)
    assert other == pytest.approx(share, abs=0.035)  # a share of 26 letters is rounded


def test_where_mistakes_can_be_predicted_a_model_is_as_good_as_its_labels():
    for share in OTHER_SHARES:
        for run in runs_at(STATED, "predictable", share):
            assert run.reversal.value == pytest.approx(run.labeller.value, abs=0.02)


def test_where_they_cannot_a_minority_of_them_is_outvoted():
    for share in (0.1, 0.3):
        runs = runs_at(STATED, "scattered", share)
        assert rate_over_seeds([r.reversal for r in runs]).low > rate_over_seeds([r.labeller for r in runs]).high + 0.05
    assert rate_over_seeds([r.reversal for r in runs_at(STATED, "scattered", 0.7)]).high < 0.1


def test_shown_both_in_equal_parts_a_model_gives_both():
    for run in runs_at(STATED, "scattered", 0.5):
        assert min(run.p_reversal, run.p_other) > 0.25
    for run in runs_at(STATED, "scattered", 0.0):
        assert run.p_other < 0.01


def test_a_run_trained_anew_does_what_is_stated():
    again = measure_limit("predictable", 0.3, 2)
    assert departures(STATED, [again]) == []
    low = replace(again, reversal=replace(again.reversal, value=0.1, low=0.08, high=0.12))
    (line,) = departures(STATED, [low])
    assert line.startswith("predictable 30% seed 2, reversal: stated 0.7")
