"""model/experiments/dispatcher/outcomes.py: what is shown of the runs is what was measured of them."""

from dataclasses import replace
from pathlib import Path

from model.experiments.dispatcher.arms import ARMS, KEPT_DISPATCHED, SHARES
from model.experiments.dispatcher.outcomes import outcomes, seeds_ahead, share_rows
from model.intervals import pooled

STATED = KEPT_DISPATCHED.read(Path(__file__).resolve().parents[4] / "model" / "trained")


def test_bases_in_three_framings_and_every_arm_have_their_seeds_pooled():
    rows = list(outcomes(STATED))
    assert [row.style for row in rows] == ["base"] * 3 + list(ARMS)
    assert rows[1].right == pooled([base.framed.right for base in STATED.bases])
    assert rows[1].exact == pooled([base.framed.exact for base in STATED.bases])
    assert dict(rows[3].endings)["#"] == pooled([run.last.endings.stop for run in STATED.of("prompt-masked")])
    assert rows[4].stops == pooled([run.last.stops for run in STATED.of("unmasked")])


def test_a_share_of_an_arm_has_its_seeds_pooled_and_their_spread():
    for arm, row in zip(ARMS, share_rows(STATED), strict=True):
        for share, cell, (low, high) in zip(SHARES, row.cells, row.spreads, strict=True):
            assert cell.n == sum(run.last.right.n for run in STATED.of(arm, share))
            assert low <= cell.value <= high


def test_a_seed_is_ahead_where_its_masked_run_is_right_more_often():
    masked, unmasked = (STATED.of(arm, SHARES[0]) for arm in ("prompt-masked", "unmasked"))
    ahead = [a.last.right.value > b.last.right.value for a, b in zip(masked, unmasked, strict=True)]
    assert seeds_ahead(STATED) == sum(ahead)
    by_seed = {run.seed: run.answered for run in unmasked}
    tied = [replace(run, answered=by_seed[run.seed]) if run in masked else run for run in STATED.runs]
    assert seeds_ahead(replace(STATED, runs=tuple(tied))) == 0
