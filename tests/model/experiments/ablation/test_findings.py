"""model/experiments/ablation/findings.py.

Hand-made results in which masking helps, hurts, changes nothing or is not learned.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.experiments.ablation.findings import (
    COMPARED_AT,
    FEWEST_SEEDS,
    Arrival,
    Comparison,
    compare,
    find,
    first_step,
    judge,
    mean_curve,
)
from model.experiments.ablation.runs import Ablation
from model.intervals import Interval
from model.training.recipes import Variation

TINY = Variation(width=8, steps=400, evaluate_every=20, evaluation_words=10)
Steps = Sequence[int | None]
EARLY: Steps = [100, 120, 140, 100, 120, 140]
LATE: Steps = [200, 220, 260, 240, 200, 300]
NEVER: Steps = [None] * 6
SPLIT: Steps = [300, 320, 340, None, None, None]


@pytest.fixture
def comparison_of(make_ablation: Callable[..., Ablation]) -> Callable[[Steps, Steps], Comparison]:
    """`comparison_of(masked, unmasked)`: the steps at which each seed's models have learned."""

    def compared(masked: Steps, unmasked: Steps) -> Comparison:
        ablation = make_ablation(("reverse4", TINY, {"prompt-masked": masked, "unmasked": unmasked}))
        return find(ablation).comparisons[0]

    return compared


# Steps to a threshold


def test_the_first_evaluated_step_at_or_above_counts(make_ablation: Callable[..., Ablation]) -> None:
    run = make_ablation(("reverse4", TINY, {"unmasked": [None]})).runs[0]
    changed = replace(run, exact_match=(1.0, 0.49, 0.5, 0.95, 0.4, 0.99, *run.exact_match[6:]))
    steps = range(0, 401, 20)
    assert [first_step(steps, changed, threshold) for threshold in (0.5, 0.9, 0.99, 1.0)] == [40, 60, 100, None]


def test_a_run_that_never_arrives_counts_as_the_budget_and_is_counted(comparison_of: Callable[..., Comparison]) -> None:
    comparison = comparison_of([100, None, 100, 100, 100, 100], [200, 200, None, None, 200, 200])
    assert comparison.masked_steps == (5 * 100 + 400) / 6
    assert comparison.unmasked_steps == (4 * 200 + 2 * 400) / 6
    assert comparison.ratio.value == pytest.approx(comparison.unmasked_steps / comparison.masked_steps)
    assert comparison.arrived() == (5, 4)
    assert comparison.arrivals[COMPARED_AT][1] == Arrival(1, None, 200)


# Verdicts


@pytest.mark.parametrize(
    ("masked", "unmasked", "verdict"),
    [
        (EARLY, LATE, "helped"),
        (LATE, EARLY, "hurt"),
        (EARLY, EARLY, "no clear difference"),
        (EARLY, [80, 140, 140, 100, 160, 120], "no clear difference"),
        (EARLY, NEVER, "helped"),
        (NEVER, EARLY, "hurt"),
        (NEVER, NEVER, "not learned"),
        ([100, 100, *NEVER[2:]], NEVER, "not learned"),
        ([100, 100, 100, *NEVER[3:]], NEVER, "no clear difference"),
        ([100, 100, 100, 100, 100, None], NEVER, "helped"),
        (EARLY[:4], LATE[:4], "too few seeds"),
        (NEVER[:1], NEVER[:1], "too few seeds"),
    ],
)
def test_the_verdict_is_what_the_interval_says(
    comparison_of: Callable[..., Comparison], masked: Steps, unmasked: Steps, verdict: str
) -> None:
    assert comparison_of(masked, unmasked).verdict == verdict


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.1, 10), st.integers(0, 9), st.integers(0, 9))
def test_no_verdict_goes_further_than_the_interval(a: float, b: float, c: float, masked: int, unmasked: int) -> None:
    low, value, high = sorted((a, b, c))
    arrivals = tuple(
        Arrival(seed, 100 if seed < masked else None, 100 if seed < unmasked else None) for seed in range(9)
    )
    same = Interval(0, 0, 0)
    verdict = judge(Interval(value, low, high), same, arrivals)
    assert (verdict == "helped") <= (low > 1)
    assert (verdict == "hurt") <= (high < 1)
    assert (verdict == "not learned") == (max(masked, unmasked) < 4.5)
    assert judge(Interval(value, low, high), same, arrivals[: FEWEST_SEEDS - 1]) == "too few seeds"


def test_finishing_half_as_often_is_no_small_matter_even_if_the_steps_do_not_show_it(
    comparison_of: Callable[..., Comparison],
) -> None:
    comparison = comparison_of([40, 60, 60, 40, 60, *NEVER[:5]], [200, 220, 260, 240, 200, 240, 200, 220, 260, 240])
    assert comparison.ratio.low < 1 < comparison.ratio.high
    assert comparison.arrived() == (5, 10)
    assert comparison.end.value == pytest.approx(-0.5)
    assert comparison.verdict == "hurt"


def test_faster_but_behind_at_the_end_is_mixed() -> None:
    arrivals = tuple(Arrival(seed, 100, 100) for seed in range(9))
    faster, slower, same = Interval(2, 1.5, 3), Interval(0.5, 0.3, 0.8), Interval(1, 0.8, 1.2)
    ahead, behind, equal = Interval(0.2, 0.1, 0.3), Interval(-0.2, -0.3, -0.1), Interval(0.005, -0.005, 0.02)
    assert judge(faster, behind, arrivals) == judge(slower, ahead, arrivals) == "mixed"
    assert judge(faster, ahead, arrivals) == judge(faster, equal, arrivals) == judge(same, ahead, arrivals) == "helped"
    assert judge(slower, behind, arrivals) == judge(slower, equal, arrivals) == judge(same, behind, arrivals) == "hurt"
    assert judge(same, equal, arrivals) == "no clear difference"


@pytest.mark.parametrize(
    ("masked", "unmasked", "bound"),
    [(EARLY, LATE, None), (EARLY, SPLIT, "at least"), (SPLIT, EARLY, "at most"), (SPLIT, SPLIT, None)],
)
def test_a_ratio_is_a_bound_where_runs_of_one_side_never_arrived(
    comparison_of: Callable[..., Comparison], masked: Steps, unmasked: Steps, bound: str | None
) -> None:
    assert comparison_of(masked, unmasked).bound() == bound


# Curves


def test_a_curve_is_the_mean_over_seeds_within_its_band() -> None:
    curve = mean_curve("unmasked", (0, 10, 20), [(0.0, 0.2, 1.0), (0.0, 0.4, 1.0), (0.0, 0.9, 1.0)])
    assert curve.mean == pytest.approx((0, 0.5, 1))
    assert curve.low[1] < 0.5 < curve.high[1]
    assert (curve.low[0], curve.high[0], curve.low[2], curve.high[2]) == pytest.approx((0, 0, 1, 1))


# Findings


def test_a_recipe_as_it_is_has_its_curves_under_its_slug(make_ablation: Callable[..., Ablation]) -> None:
    arrivals = {"prompt-masked": EARLY, "unmasked": LATE}
    as_it_is = Variation(evaluation_words=10)
    findings = find(make_ablation(("reverse4", TINY, arrivals), ("reverse4", as_it_is, arrivals)))
    curves = findings.curves_of("reverse4")
    assert curves is not None
    assert set(curves) == {"exact_match", "user", "template", "assistant"}
    masked, unmasked = curves["exact_match"]
    assert (masked.policy, unmasked.policy) == ("prompt-masked", "unmasked")
    assert masked.steps == tuple(range(0, 1001, 25))
    assert masked.mean[masked.steps.index(125)] == pytest.approx(4 / 6)
    assert unmasked.mean[unmasked.steps.index(125)] == 0
    assert findings.curves_of("reverse") is None


def test_the_widest_gap_is_where_the_means_differ_most(comparison_of: Callable[..., Comparison]) -> None:
    comparison = comparison_of(EARLY, LATE)
    at = comparison.curve("exact_match", "unmasked").steps[comparison.widest_gap()]
    assert at == 140
    assert comparison_of(LATE, EARLY).widest_gap() == comparison.widest_gap()


def test_without_both_policies_there_is_nothing_to_compare(make_ablation: Callable[..., Ablation]) -> None:
    ablation = make_ablation(("reverse4", TINY, {"unmasked": LATE}))
    with pytest.raises(AssertionError):
        find(ablation)
    with pytest.raises(KeyError):
        compare(ablation, ablation.settings[0])
