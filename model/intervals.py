"""Figures with their uncertainty: rates, means, ratios, each with an interval of 95 %. In: numbers. Out: plain values.

The interval of a rate or of a loss counts one model's independent trials. Those over seeds count seeds, by Student's t
or by bootstrap: what other seeds could have given under the same conditions. Knows neither models nor tensors.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean, stdev
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
"""The bounds hold where a file that ships is read."""

Z_95 = 1.959963984540054
T_95 = (math.nan, 12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622)
"""Student's t by degrees of freedom: 95 % lie within so many standard errors. Of no freedom there is none."""

RESAMPLES, BAND_RESAMPLES = 10_000, 1_000
"""Draws of seeds for a ratio or a difference, and for each point of a band."""


@dataclass(frozen=True)
class Rate:
    """A fraction of one model's n independent trials, with its 95 % Wilson score interval."""

    value: Fraction
    n: Annotated[int, Field(ge=1)]
    low: Fraction
    high: Fraction


@dataclass(frozen=True)
class SeedRate:
    """A rate over seeds: the mean of one per seed, with a 95 % interval that carries how far they lie apart."""

    value: Fraction
    low: Fraction
    high: Fraction
    seeds: tuple[Fraction, ...]
    """The value of each."""
    questions: int
    """Different ones: what several seeds were asked counts once."""


@dataclass(frozen=True)
class MeanLoss:
    """In nats per token, mean over all tokens of n texts, with its 95 % interval."""

    value: NonNegative
    n: Annotated[int, Field(ge=1)]
    low: Finite
    high: Finite


@dataclass(frozen=True)
class Interval:
    """A figure over seeds."""

    value: float
    low: float
    high: float


def over_seeds(values: Sequence[float]) -> Interval:
    """The mean of one value per seed, from the lowest of them to the highest."""
    return Interval(sum(values) / len(values), min(values), max(values))


def rate_of(hits: Iterable[bool]) -> Rate:
    """How many of the trials, at least one, are hits."""
    trials = list(hits)
    return wilson(sum(trials) / len(trials), len(trials))


def wilson(value: float, n: int, z: float = Z_95) -> Rate:
    """The Wilson score interval of a fraction `value` of n trials. Source: Wilson 1927, JASA 22."""
    assert n > 0, n
    assert 0 <= value <= 1, value
    center = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return Rate(value, n, min(value, max(0.0, center - half)), max(value, min(1.0, center + half)))


def rate_over_seeds(rates: Sequence[Rate], questions: int | None = None) -> SeedRate:
    """One rate per seed as one figure. `questions`: how many different ones, if not all seeds were asked the same.

    Seeds are clusters: what differs between them does not shrink with more questions. So the interval is Student's t
    of their values, and no narrower than the Wilson interval of one model's questions: seeds that agree by chance, or
    because all of them are right everywhere, do not make a figure certain.
    """
    asked = {rate.n for rate in rates}
    assert len(asked) == 1, asked
    values = tuple(rate.value for rate in rates)
    alone = wilson(fmean(values), *asked)
    half = _half_t(values)
    low, high = max(0.0, alone.value - half), min(1.0, alone.value + half)
    return SeedRate(alone.value, min(low, alone.low), max(high, alone.high), values, questions or alone.n)


def difference_of_rates(first: Rate, second: Rate) -> Interval:
    """first - second, of one model each: Newcombe's hybrid score interval, for independent trials.

    Wider than it need be where both were asked the same and are right on the same. Source: Newcombe 1998, Statistics
    in Medicine 17, 873-890, method 10.
    """
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    return Interval(value, low, value + math.hypot(first.high - first.value, second.value - second.low))


def difference_over_seeds(first: Sequence[Rate], second: Sequence[Rate]) -> Interval:
    """first - second, rates paired by seed: what a seed does to both cancels.

    Student's t of the seeds' differences, and no narrower than Newcombe's interval of one model's questions: seeds
    that differ equally by chance do not make a difference certain. No rates differ by more than 1, so it ends there.
    """
    assert len(first) == len(second), (len(first), len(second))
    alone = difference_of_rates(*(wilson(fmean(rate.value for rate in rates), rates[0].n) for rates in (first, second)))
    differences = [a.value - b.value for a, b in zip(first, second, strict=True)]
    half = _half_t(differences)
    low, high = max(-1.0, alone.value - half), min(1.0, alone.value + half)
    return Interval(alone.value, min(low, alone.low), max(high, alone.high))


def ratio_of_sums(losses: ArrayLike, tokens: ArrayLike) -> MeanLoss:
    """The mean loss of a token, from each text's sum and its number of tokens.

    A ratio of sums; its standard error is that of a ratio estimator. Source: Cochran 1977, section 6.4.
    """
    loss, count = np.asarray(losses, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
    mean = loss.sum() / count.sum()
    half = Z_95 * np.linalg.norm(loss - mean * count) / count.sum()
    return MeanLoss(float(mean), len(count), float(mean - half), float(mean + half))


def ratio_of_means(above: NDArray[np.float64], below: NDArray[np.float64]) -> Interval:
    """Mean over mean of values paired by seed; seeds are drawn together, so what a seed does to both cancels."""
    weights = _resampled(len(above), RESAMPLES)
    low, high = _bounds((weights @ above) / (weights @ below), len(above))
    return Interval(float(above.mean() / below.mean()), float(low), float(high))


def mean_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> Interval:
    """Mean of first - second, values paired by seed."""
    differences = first - second
    low, high = _bounds(_resampled(len(differences), RESAMPLES) @ differences, len(differences))
    return Interval(float(differences.mean()), float(low), float(high))


def mean_band(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seeds x points to the ends of the mean's interval at each point, each point for itself."""
    low, high = _bounds(_resampled(len(values), BAND_RESAMPLES) @ values, len(values))
    return low, high


def _half_t(values: Sequence[float]) -> float:
    """Half of Student's t interval of their mean; 0 of a single one."""
    return T_95[len(values) - 1] * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _bounds(resampled: NDArray[np.float64], seeds: int) -> NDArray[np.float64]:
    """Where an interval of 95 % ends among the resamples: beyond 2.5 and 97.5, since few seeds spread too little.

    The quantile of Student's t by its expansion in the normal one. Sources: Hesterberg 2015, The American Statistician
    69(4), expanded percentile interval; Abramowitz and Stegun, 26.7.5.
    """
    below = 2.5
    if seeds > 1:
        z, v = NormalDist().inv_cdf(0.975), seeds - 1
        t = z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
        below = 100 * NormalDist().cdf(-t * (seeds / v) ** 0.5)
    ends: NDArray[np.float64] = np.percentile(resampled, (below, 100 - below), axis=0)
    return ends


@cache
def _resampled(seeds: int, resamples: int) -> NDArray[np.float64]:
    """Draws of as many seeds with replacement, each as the weights of a mean."""
    draws = np.random.default_rng(0).integers(seeds, size=(resamples, seeds))
    weights: NDArray[np.float64] = (draws[:, :, None] == np.arange(seeds)).mean(axis=1)
    weights.flags.writeable = False  # shared by all who ask for so many
    return weights
