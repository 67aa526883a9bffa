"""model/experiments/dispatcher/outcomes.py: what is shown of the runs is what was measured of them."""

from dataclasses import replace
from pathlib import Path

from model.experiments.dispatcher.arms import ARMS, KEPT_DISPATCHED, SHARES, unseen_sums
from model.experiments.dispatcher.outcomes import outcomes, seeds_ahead, share_rows
from model.intervals import rate_over_seeds

STATED = KEPT_DISPATCHED.read(Path(__file__).resolve().parents[4] / "model" / "trained")


def test_bases_in_three_framings_and_every_arm_are_told_over_seeds():
    rows = list(outcomes(STATED))
    assert [row.style for row in rows] == ["base"] * 3 + list(ARMS)
    assert rows[1].right == rate_over_seeds([base.framed.right for base in STATED.bases])
    assert rows[1].exact == rate_over_seeds([base.framed.exact for base in STATED.bases])
    assert dict(rows[3].endings)["#"].seeds == tuple(run.last.endings.stop.value for run in STATED.of("prompt-masked"))
    assert rows[4].stops == STATED.rate("unmasked", "stops")
    assert [row.right.questions for row in rows] == [100] * 3 + [unseen_sums(0.5)] * 3


def test_a_share_of_an_arm_is_told_over_seeds():
    for arm, row in zip(ARMS, share_rows(STATED), strict=True):
        assert row.cells == tuple(STATED.rate(arm, "right", share) for share in SHARES)


def test_a_seed_is_ahead_where_its_masked_run_is_right_more_often():
    masked, unmasked = (STATED.of(arm, SHARES[0]) for arm in ("prompt-masked", "unmasked"))
    ahead = [a.last.right.value > b.last.right.value for a, b in zip(masked, unmasked, strict=True)]
    assert seeds_ahead(STATED) == sum(ahead)
    by_seed = {run.seed: run.answered for run in unmasked}
    tied = [replace(run, answered=by_seed[run.seed]) if run in masked else run for run in STATED.runs]
    assert seeds_ahead(replace(STATED, runs=tuple(tied))) == 0
