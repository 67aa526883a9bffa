"""model/experiments/limits.py: other answers at a share of the words, and what became of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.errors import BrokenRun
from model.experiments import other_answers
from model.experiments.limits import (
    ASKED,
    KEPT_LIMITS,
    arm_runs,
    asked_run,
    departures,
    limits_rows,
    load_asked,
    measure_limit,
    measure_model,
    runs_at,
    weights_folder,
)
from model.experiments.other_answers import BOTH_SHARES, OTHER_SHARES
from model.experiments.shipped import SEEDS
from model.intervals import rate_over_seeds

TRAINED = Path(__file__).resolve().parents[3] / "model" / "trained"
STATED = KEPT_LIMITS.read(TRAINED)


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


def test_shown_both_for_every_word_no_model_forgets_one_of_them_and_none_of_them_is_order():
    for run in runs_at(STATED, "both", 0.5):
        assert run.p_reversal == pytest.approx(run.p_other, abs=0.02)
        assert run.p_reversal > 0.2
    for run in runs_at(STATED, "both", 0.3):
        assert run.p_reversal > run.p_other > 0.02
        assert run.reversal.value > 0.9


def test_mixtures_that_nobody_showed_are_given_too():
    for share in BOTH_SHARES:
        for run in runs_at(STATED, "both", share):
            assert run.p_mixed is not None
            assert run.p_reversal + run.p_other + run.p_mixed == pytest.approx(1, abs=0.1)
            assert run.p_reversal + run.p_other + run.p_mixed <= 1
    assert max(run.p_mixed or 0 for run in runs_at(STATED, "both", 0.5)) > 0.3
    assert max(run.p_mixed or 1 for run in runs_at(STATED, "scattered", 0.0)) < 0.01


def test_without_another_answer_an_arm_is_that_of_reversals_alone():
    assert arm_runs(STATED, "both", 0.0) == runs_at(STATED, "scattered", 0.0) != ()
    assert arm_runs(STATED, "both", 0.5) == runs_at(STATED, "both", 0.5) != ()


def test_a_row_over_seeds_holds_each_of_them():
    rows = {(row.spread.slug, row.share): row for row in limits_rows(STATED)}
    assert len(rows) * len(SEEDS) == len(STATED)
    for (where, share), row in rows.items():
        runs = runs_at(STATED, where, share)
        assert row.reversal.seeds == tuple(run.reversal.value for run in runs)
        assert row.p_other == tuple(run.p_other for run in runs)
        assert row.reversal.questions == runs[0].reversal.n < 500
        assert (row.mixed is None) == (row.p_mixed == ()) == (row.stopped is None)


@pytest.mark.parametrize(("slug", "seed"), [("both-50", 1), ("scattered-30", 2)])
def test_a_model_that_ships_measured_anew_is_what_is_stated(slug: str, seed: int):
    arm = ASKED[slug]
    stated = asked_run(STATED, arm, seed)
    measured = measure_model(load_asked(TRAINED)[slug, seed], arm.where, arm.share, seed)
    for name in ("reversal", "other", "stopped", "mixed"):
        assert getattr(measured, name).value == pytest.approx(getattr(stated, name).value, abs=2 / 499), name
    for name in ("p_reversal", "p_other", "p_mixed"):
        assert getattr(measured, name) == pytest.approx(getattr(stated, name), abs=1e-3), name


def test_a_model_that_is_missing_is_named(tmp_path: Path):
    arm = ASKED["both-50"]
    KEPT_LIMITS.save(tmp_path, tuple(replace(run, weights=None) if run.where == "both" else run for run in STATED))
    for seed in SEEDS:
        folder = weights_folder(tmp_path, ASKED["scattered-0"], seed)
        folder.parent.mkdir(exist_ok=True)
        folder.symlink_to(weights_folder(TRAINED, ASKED["scattered-0"], seed))
    with pytest.raises(BrokenRun, match=f"{arm.slug}, seed 0, names no weights"):
        load_asked(tmp_path)


def test_a_run_trained_anew_does_what_is_stated_after_a_fifth_of_its_steps(monkeypatch: pytest.MonkeyPatch):
    """`maskscope limits --check` trains all of them to their ends."""
    shorter = replace(other_answers.VARIATION, steps=400, evaluate_every=400)
    monkeypatch.setattr(other_answers, "VARIATION", shorter)
    again = measure_limit("predictable", 0.3, 2)
    assert again.steps == 400
    assert departures(STATED, [again]) == []
    low = replace(again, reversal=replace(again.reversal, value=0.1, low=0.08, high=0.12))
    (line,) = departures(STATED, [low])
    assert line.startswith("predictable 30% seed 2, reversal: stated 0.7")
