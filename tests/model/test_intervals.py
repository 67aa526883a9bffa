"""model/intervals.py: each interval against the literature, the definition, or all that could have been drawn."""

import math
from itertools import product
from statistics import NormalDist, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.intervals import (
    T_95,
    Interval,
    difference_of_rates,
    difference_over_seeds,
    mean_band,
    mean_difference,
    rate_of,
    rate_over_seeds,
    ratio_of_means,
    ratio_of_sums,
    wilson,
)

# One model's trials


# Newcombe 1998 (Statistics in Medicine 17), table I, score method without continuity correction; 10/10 by symmetry.
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 10, 0.0000, 0.2775),
        (10, 10, 0.7225, 1.0000),
    ],
)
def test_the_interval_is_the_one_in_the_literature(hits: int, n: int, low: float, high: float):
    rate = wilson(hits / n, n)
    assert (rate.value, rate.n) == (hits / n, n)
    assert rate.low == pytest.approx(low, abs=5e-5)
    assert rate.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_ends_where_the_score_test_just_rejects(trials: tuple[int, int]):
    hits, n = trials
    rate = wilson(hits / n, n)
    for p in (rate.low, rate.high):
        assert (rate.value - p) ** 2 == pytest.approx(1.959963984540054**2 * p * (1 - p) / n, abs=1e-12)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_lies_in_0_to_1_and_holds_the_fraction(trials: tuple[int, int]):
    hits, n = trials
    rate = wilson(hits / n, n)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1


def test_more_trials_make_a_narrower_interval():
    widths = [rate.high - rate.low for rate in (wilson(0.5, n) for n in (10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(("value", "n"), [(0.5, 0), (-0.1, 10), (1.1, 10), (math.nan, 10)])
def test_a_fraction_outside_0_to_1_or_of_nothing_is_a_programming_error(value: float, n: int):
    with pytest.raises(AssertionError):
        wilson(value, n)


def test_hits_are_counted_one_by_one():
    assert rate_of(letter == "a" for letter in "banana") == wilson(3 / 6, 6)
    assert rate_of([False]) == wilson(0.0, 1)
    with pytest.raises(ZeroDivisionError):
        rate_of([])


def test_a_mean_loss_weighs_tokens_and_its_interval_counts_texts():
    # 3 texts of 1, 2 and 3 tokens: mean 12 / 6; what each is above its share of it: -1, 2, -1
    loss = ratio_of_sums([1.0, 6.0, 5.0], [1, 2, 3])
    assert (loss.value, loss.n) == (2.0, 3)
    assert loss.high - loss.value == pytest.approx(1.959963984540054 * math.sqrt(6) / 6)
    assert loss.value - loss.low == pytest.approx(loss.high - loss.value)


def test_texts_of_the_same_mean_leave_no_uncertainty():
    loss = ratio_of_sums(np.array([2.0, 8.0], dtype=np.float32), np.array([1, 4]))
    assert (loss.low, loss.value, loss.high) == (2.0, 2.0, 2.0)


# Seeds


@pytest.mark.parametrize("freedom", range(1, len(T_95)))
def test_95_percent_of_student_s_t_lie_within_the_quantile(freedom: int):
    points = np.linspace(-T_95[freedom], T_95[freedom], 200_001)
    density = (1 + points**2 / freedom) ** (-(freedom + 1) / 2) * math.gamma((freedom + 1) / 2)
    inside = np.trapezoid(density, points) / math.sqrt(freedom * math.pi) / math.gamma(freedom / 2)
    assert inside == pytest.approx(0.95, abs=1e-5)


def test_an_interval_over_seeds_is_student_s_t_of_their_values():
    # 0.4, 0.5 and 0.6: mean 0.5, standard deviation 0.1, two degrees of freedom
    rate = rate_over_seeds([wilson(value, 1000) for value in (0.4, 0.5, 0.6)])
    assert (rate.value, rate.seeds, rate.questions) == (0.5, (0.4, 0.5, 0.6), 1000)
    assert (rate.low, rate.high) == pytest.approx((0.5 - 4.3027 * 0.1 / 3**0.5, 0.5 + 4.3027 * 0.1 / 3**0.5))


def test_seeds_that_agree_leave_one_model_s_uncertainty_and_one_model_s_questions():
    for value in (0.0, 0.7, 1.0):
        alone = wilson(value, 50)
        rate = rate_over_seeds([alone] * 3)
        assert (rate.value, rate.low, rate.high) == pytest.approx((value, alone.low, alone.high))
        assert rate.questions == 50
    assert rate_over_seeds([wilson(0.5, 50)]).low == wilson(0.5, 50).low
    assert rate_over_seeds([wilson(0.5, 50)] * 3, questions=87).questions == 87


@given(st.lists(st.integers(0, 40), min_size=2, max_size=10))
def test_an_interval_over_seeds_holds_their_mean_and_is_as_wide_as_their_spread_and_one_model_demand(hits: list[int]):
    rate = rate_over_seeds([wilson(hit / 40, 40) for hit in hits])
    half = T_95[len(hits) - 1] * stdev(rate.seeds) / len(hits) ** 0.5
    alone = wilson(rate.value, 40)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    assert rate.value == pytest.approx(sum(rate.seeds) / len(hits))
    assert rate.low <= max(0.0, rate.value - half) + 1e-12
    assert rate.high >= min(1.0, rate.value + half) - 1e-12
    assert rate.low <= alone.low <= alone.high <= rate.high


def test_seeds_that_were_asked_so_many_and_so_many_are_a_programming_error():
    with pytest.raises(AssertionError):
        rate_over_seeds([wilson(0.5, 10), wilson(0.5, 20)])


@pytest.mark.parametrize("spread", [0.15, 0.5])
def test_intervals_over_ten_seeds_miss_about_as_rarely_as_they_should(spread: float) -> None:
    draw, missed, rounds = np.random.default_rng(1), 0, 400
    for _ in range(rounds):
        above, below = 2 * draw.lognormal(0, spread, 10), draw.lognormal(0, spread, 10)
        ratio = ratio_of_means(above, below)
        missed += not ratio.low < 2 < ratio.high
    assert 0.02 < missed / rounds < 0.09


def test_the_ratio_s_interval_is_that_of_all_resamples() -> None:
    above, below = np.array([2.0, 3.0, 4.0, 5.0]), np.array([1.0, 2.0, 2.0, 1.0])
    every = [above[list(draw)].mean() / below[list(draw)].mean() for draw in product(range(4), repeat=4)]
    ratio = ratio_of_means(above, below)
    assert ratio.value == 14 / 6
    # Student's t with 3 degrees of freedom, 3.182, times sqrt(4/3): further out than the normal one's 1.960.
    below_all = 100 * NormalDist().cdf(-3.182 * (4 / 3) ** 0.5)
    assert ratio.low == pytest.approx(np.percentile(every, below_all), abs=0.05)
    assert ratio.high == pytest.approx(np.percentile(every, 100 - below_all), abs=0.05)


def test_seeds_are_drawn_in_pairs() -> None:
    below = np.array([100.0, 200.0, 400.0, 800.0, 1600.0])
    ratio = ratio_of_means(1.5 * below, below)
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((1.5, 1.5, 1.5))


def test_intervals_are_the_same_every_time() -> None:
    above, below = np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 2.0])
    assert ratio_of_means(above, below) == ratio_of_means(above, below)


def test_a_difference_is_that_of_the_means_and_cancels_what_a_seed_does_to_both():
    first, seeds = np.array([1.0, 2.0, 4.0]), np.array([10.0, -20.0, 5.0])
    assert mean_difference(first + seeds, seeds) == mean_difference(first, np.zeros(3))
    assert mean_difference(first, np.zeros(3)).value == pytest.approx(7 / 3)
    constant = mean_difference(seeds + 0.5, seeds)
    assert (constant.low, constant.value, constant.high) == (0.5, 0.5, 0.5)


def test_the_fewer_the_seeds_the_wider_the_interval_beside_their_spread():
    def width(values: list[float]) -> float:
        found = mean_difference(np.array(values), np.zeros(len(values)))
        return (found.high - found.low) / (stdev(values) / math.sqrt(len(values)))

    assert width([0.0, 1.0, 2.0] * 20) == pytest.approx(2 * 1.96, rel=0.05)
    assert width([0.0, 0.5, 1.0, 1.5, 2.0]) > 2 * 1.96


def test_of_one_seed_nothing_is_known_but_itself():
    assert ratio_of_means(np.array([3.0]), np.array([2.0])) == Interval(1.5, 1.5, 1.5)


def test_each_point_of_a_band_has_the_interval_of_its_own_values():
    values = np.array([[0.0, 1.0, 5.0], [0.0, 2.0, 5.0], [0.0, 6.0, 5.0]])
    low, high = mean_band(values)
    assert (low[0], high[0], low[2], high[2]) == (0, 0, 5, 5)
    alone_low, alone_high = mean_band(values[:, 1:2])
    assert (low[1], high[1]) == (alone_low[0], alone_high[0])
    assert 1 <= low[1] < 3 < high[1] <= 6


# Differences of rates


# Newcombe 1998 (Statistics in Medicine 17, 873-890), table II, method 10.
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_the_interval_of_a_difference_is_the_one_in_the_literature(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
):
    found = difference_of_rates(*(wilson(hits / n, n) for hits, n in (first, second)))
    assert found.value == pytest.approx(first[0] / first[1] - second[0] / second[1])
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


hits_of_fifty = st.lists(st.integers(0, 50), min_size=3, max_size=3)


@given(hits_of_fifty, hits_of_fifty)
def test_a_difference_over_seeds_is_paired_and_turns_with_its_sides(first: list[int], second: list[int]):
    rates = [[wilson(hits / 50, 50) for hits in some] for some in (first, second)]
    found, turned = difference_over_seeds(*rates), difference_over_seeds(*reversed(rates))
    differences = [(a - b) / 50 for a, b in zip(first, second, strict=True)]
    half = 4.3027 * stdev(differences) / math.sqrt(3)
    assert found.value == pytest.approx(sum(differences) / 3)
    assert -1 <= found.low <= max(-1, found.value - half) + 1e-9
    assert 1 >= found.high >= min(1, found.value + half) - 1e-9
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_seeds_that_differ_equally_do_not_make_a_difference_certain():
    rates = [wilson(value, 499) for value in (0.7, 0.7, 0.7)]
    found, one = difference_over_seeds(rates, rates), difference_of_rates(rates[0], rates[0])
    assert (found.value, found.low, found.high) == pytest.approx((0, one.low, one.high))
    assert one.low < -0.02 < 0.02 < one.high


def test_what_a_seed_does_to_both_sides_cancels():
    spread = [wilson(value, 1000) for value in (0.2, 0.5, 0.8)]
    above = [wilson(value + 0.1, 1000) for value in (0.2, 0.5, 0.8)]
    found = difference_over_seeds(above, spread)
    assert found.low > 0
    assert rate_over_seeds(above).low < rate_over_seeds(spread).high
