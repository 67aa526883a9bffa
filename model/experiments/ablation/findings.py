"""What an ablation shows: steps to a threshold, the ratio of them with its interval, a verdict, mean curves with bands.

In: an Ablation. Out: Findings, plain values. All intervals are of 95 %, by a seeded bootstrap over seeds: what another
draw of seeds could have given under the same conditions. Knows no sentences (sentences.py) and trains nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from model.experiments.ablation.runs import Ablation, MeasuredRun, Setting
from model.intervals import Interval, mean_band, mean_difference, ratio_of_means
from model.masks.policies import RIGHT, UNMASKED

THRESHOLDS = (0.5, 0.9, 0.99)
COMPARED_AT = 0.9
"""Settings are compared by the steps to this exact match."""

FEWEST_SEEDS = 5
"""A bootstrap over fewer seeds than this says nothing about other seeds, so there is no verdict."""

CLOSE = 0.01
"""Exact matches no further apart than this are taken for the same."""

Verdict = Literal["helped", "hurt", "mixed", "no clear difference", "not learned", "too few seeds"]
Side = Literal["helped", "hurt"] | None
Bound = Literal["at least", "at most"] | None
Quantity = Literal["exact_match", "user", "template", "assistant"]
"""Exact match, or the loss of the targets in one kind of segment."""


@dataclass(frozen=True)
class Arrival:
    """How one seed's runs came to a threshold: the first evaluated step at or above it, None if never."""

    seed: int
    masked: int | None
    unmasked: int | None


@dataclass(frozen=True)
class MeanCurve:
    """A quantity's mean over seeds at each evaluated step, each with its own interval."""

    policy: str
    steps: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    least: tuple[float, ...]
    """The lowest of all seeds; a single run lies between it and `most`, not always between `low` and `high`."""
    most: tuple[float, ...]


Curves = Mapping[Quantity, tuple[MeanCurve, ...]]
"""A setting's curves, one for each policy in the ablation's order."""


@dataclass(frozen=True)
class Comparison:
    """What one setting shows of the mask."""

    setting: Setting
    arrivals: Mapping[float, tuple[Arrival, ...]]
    """By threshold, for each seed."""
    masked_steps: float
    unmasked_steps: float
    """Restricted means of the steps to COMPARED_AT: a run that never arrives counts as the whole budget."""
    ratio: Interval
    """unmasked_steps / masked_steps: above 1 if the mask saved steps."""
    end: Interval
    """Exact match when the budget is spent, masked less unmasked, mean over seeds."""
    verdict: Verdict
    curves: Curves

    def seeds(self) -> int:
        return len(self.arrivals[COMPARED_AT])

    def arrived(self) -> tuple[int, int]:
        """How many masked and unmasked runs reached COMPARED_AT within the budget."""
        arrivals = self.arrivals[COMPARED_AT]
        return sum(a.masked is not None for a in arrivals), sum(a.unmasked is not None for a in arrivals)

    def bound(self) -> Bound:
        """What the ratio is of the true one, where runs of one side alone never arrived and count as the budget."""
        masked, unmasked = (count < self.seeds() for count in self.arrived())
        if masked == unmasked:
            return None
        return "at most" if masked else "at least"

    def widest_gap(self) -> int:
        """The place in the curves' steps at which the mean exact matches are furthest apart."""
        masked, unmasked = self.curve("exact_match", RIGHT.slug), self.curve("exact_match", UNMASKED.slug)
        gaps = [abs(a - b) for a, b in zip(masked.mean, unmasked.mean, strict=True)]
        return gaps.index(max(gaps))

    def curve(self, quantity: Quantity, policy: str) -> MeanCurve:
        return next(curve for curve in self.curves[quantity] if curve.policy == policy)


@dataclass(frozen=True)
class Findings:
    """An ablation and what it shows."""

    ablation: Ablation
    comparisons: tuple[Comparison, ...]
    """One for each setting, in the ablation's order."""

    def curves_of(self, slug: str) -> Curves | None:
        """The curves of a setting; a recipe's slug is that of the recipe as it is."""
        return next((c.curves for c in self.comparisons if c.setting.slug == slug), None)


def find(ablation: Ablation) -> Findings:
    """Needs runs under both policies."""
    assert {RIGHT.slug, UNMASKED.slug} <= set(ablation.policies), ablation.policies
    return Findings(ablation, tuple(compare(ablation, setting) for setting in ablation.settings))


def compare(ablation: Ablation, setting: Setting) -> Comparison:
    """The masked and the unmasked runs of a setting, seed by seed: same first weights, same words."""
    steps = setting.evaluated_steps()
    runs = {policy: [ablation.run(setting, policy, seed) for seed in ablation.seeds] for policy in ablation.policies}
    arrivals = {
        threshold: tuple(
            Arrival(seed, first_step(steps, masked, threshold), first_step(steps, unmasked, threshold))
            for seed, masked, unmasked in zip(ablation.seeds, runs[RIGHT.slug], runs[UNMASKED.slug], strict=True)
        )
        for threshold in THRESHOLDS
    }
    compared = arrivals[COMPARED_AT]
    masked = _within([a.masked for a in compared], setting.steps)
    unmasked = _within([a.unmasked for a in compared], setting.steps)
    ratio = ratio_of_means(unmasked, masked)
    end = mean_difference(
        *(np.array([run.exact_match[-1] for run in runs[policy]]) for policy in (RIGHT.slug, UNMASKED.slug))
    )
    curves: dict[Quantity, tuple[MeanCurve, ...]] = {
        quantity: tuple(mean_curve(p, steps, [values_of(run, quantity) for run in runs[p]]) for p in ablation.policies)
        for quantity in get_args(Quantity)
    }
    verdict = judge(ratio, end, compared)
    means = float(masked.mean()), float(unmasked.mean())
    return Comparison(setting, arrivals, *means, ratio, end, verdict, curves)


def first_step(steps: Iterable[int], run: MeasuredRun, threshold: float) -> int | None:
    """The first evaluated step, after training has begun, at which exact match is at least the threshold."""
    reached = (step for step, right in zip(steps, run.exact_match, strict=True) if step > 0 and right >= threshold)
    return next(reached, None)


def judge(ratio: Interval, end: Interval, arrivals: tuple[Arrival, ...]) -> Verdict:
    """Helped or hurt only if a whole interval says so, and only if there was something to compare.

    The steps to COMPARED_AT say it, and so does what the models can do when the budget is spent: runs that never
    arrived weigh too little in the former. If the two contradict each other it is mixed.
    """
    seeds = len(arrivals)
    if seeds < FEWEST_SEEDS:
        return "too few seeds"
    if 2 * max(sum(a.masked is not None for a in arrivals), sum(a.unmasked is not None for a in arrivals)) < seeds:
        return "not learned"
    sides = {side for side in (side_of_steps(ratio), side_of_end(end)) if side}
    if len(sides) == 2:
        return "mixed"
    return next(iter(sides), "no clear difference")


def judged(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Those in which there was something to compare."""
    return [c for c in comparisons if c.verdict not in ("not learned", "too few seeds")]


def side_of_steps(ratio: Interval) -> Side:
    """What the steps to COMPARED_AT say."""
    return "helped" if ratio.low > 1 else "hurt" if ratio.high < 1 else None


def side_of_end(end: Interval) -> Side:
    """What the exact match at the end of the budget says."""
    return "helped" if end.low > CLOSE else "hurt" if end.high < -CLOSE else None


def mean_curve(policy: str, steps: tuple[int, ...], values: list[tuple[float, ...]]) -> MeanCurve:
    """Seeds x steps to a mean and an interval for each step, to 6 decimals, which halves the file that ships."""
    measured = np.array(values)
    rows = (measured.mean(axis=0), *mean_band(measured), measured.min(axis=0), measured.max(axis=0))
    return MeanCurve(policy, steps, *(tuple(row.round(6).tolist()) for row in rows))


def values_of(run: MeasuredRun, quantity: Quantity) -> tuple[float, ...]:
    return run.exact_match if quantity == "exact_match" else run.loss[quantity]


def _within(steps: list[int | None], budget: int) -> NDArray[np.float64]:
    return np.array([budget if step is None else step for step in steps], dtype=np.float64)
