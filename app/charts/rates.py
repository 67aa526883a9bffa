"""What SFT learns and keeps over its learning rate: means as lines, every seed as a dot. In: the runs. Out: places."""

import math
from dataclasses import dataclass

from app.charts.curves import RATE, CurveChart, Series, Unit, draw_curves, place_on
from model.experiments.dispatcher.rates import PRETRAINING_RATE, RATES, SKILLS, USED_RATE, Tried, skill_rate
from model.writing import scientific

DECADES = Unit(lambda power: scientific(10.0**power), low=-6.3, high=-2.3)
"""Rates are drawn by their powers of ten, with room for dots at both ends."""
LEANING = 0.7
"""Seeds of one rate stand so many percent of the plot apart, so that equal ones are seen."""


@dataclass(frozen=True)
class SeedDot:
    """A seed's share of one skill at one rate."""

    skill: str
    x: float
    y: float


@dataclass(frozen=True)
class RateMark:
    """A rate with its words, drawn as an upright line."""

    label: str
    place: float
    words: float
    """The place of its words, from the top: below each other where they would meet."""


@dataclass(frozen=True)
class RateChart:
    curves: CurveChart
    dots: tuple[SeedDot, ...]
    marks: tuple[RateMark, ...]
    start: float
    """Of the range that the lesson advises."""
    width: float


def draw_rates(tried: Tried, smaller: tuple[int, int]) -> RateChart:
    """`smaller`: the range that is marked, as how many times smaller than pretraining's rate."""
    found = {slug: [(rate, skill_rate(tried, skill, rate)) for rate in RATES] for slug, skill in SKILLS.items()}
    series = [
        Series(slug, SKILLS[slug].title, tuple((math.log10(rate), share.value) for rate, share in points))
        for slug, points in found.items()
    ]
    curves = draw_curves(
        "rates",
        "New skill against kept skill",
        series,
        y_title="of what was asked",
        y_unit=RATE,
        x_title="SFT's learning rate",
        x_unit=DECADES,
        x_high=DECADES.high,
    )
    dots = [
        SeedDot(slug, _place(curves, rate) + lean, place_on(curves.y, seed, falls=True))
        for slug, points in found.items()
        for rate, share in points
        for seed, lean in zip(share.seeds, _leans(len(share.seeds)), strict=True)
    ]
    most, least = (_place(curves, PRETRAINING_RATE / times) for times in smaller)
    marks = (
        RateMark("SFT elsewhere here", _place(curves, USED_RATE), 72),
        RateMark("pretraining", _place(curves, PRETRAINING_RATE), 80),
    )
    return RateChart(curves, tuple(dots), marks, least, round(most - least, 3))


def _place(curves: CurveChart, rate: float) -> float:
    return place_on(curves.x, math.log10(rate))


def _leans(seeds: int) -> list[float]:
    return [LEANING * (seed - (seeds - 1) / 2) for seed in range(seeds)]
