"""Ratios with intervals and paired dots as geometry. In: rows of values. Out: places, plain data.

Places are percentages, as in charts.py. Knows no HTML: templates/shared/ draws these, chart_files.py makes files.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.charts.curves import STEPS, Axis, Tick, draw_axis, place_on

RATIO_TICKS = tuple(step * 2.0**octave for octave in range(-6, 11) for step in (1, 1.5))
"""A doubling and a halving are equally far from 1."""

BUDGET_INTERVALS = 5


@dataclass(frozen=True)
class Ratio:
    """A ratio with its interval, and what it is of."""

    name: str
    value: float
    low: float
    high: float
    verdict: str
    """In words; with hyphens it is the row's CSS class."""
    note: str = ""
    href: str = ""
    current: bool = False
    drawn: bool = True
    """False where the numbers mean nothing: the row has its words alone."""

    def slug(self) -> str:
        return self.verdict.replace(" ", "-")


@dataclass(frozen=True)
class RatioRow:
    ratio: Ratio
    at: float
    start: float
    width: float


@dataclass(frozen=True)
class RatioChart:
    """Each row stands alone beside its words, on the same axis."""

    slug: str
    title: str
    description: str
    axis: Axis
    one: float
    """The place of 1."""
    rows: tuple[RatioRow, ...]


@dataclass(frozen=True)
class Pair:
    """Steps of two policies under one name; None: never within the budget."""

    name: str
    masked: int | None
    unmasked: int | None


@dataclass(frozen=True)
class Dot:
    slug: str
    """Its policy's."""
    x: float
    y: float
    arrived: bool


@dataclass(frozen=True)
class PairRow:
    name: str
    y: float
    dots: tuple[Dot, Dot]


@dataclass(frozen=True)
class PairChart:
    slug: str
    title: str
    description: str
    axis: Axis
    rows: tuple[PairRow, ...]
    keys: tuple[tuple[str, str], ...]
    """Policy and name."""
    missing: bool
    """Whether a dot stands at the budget for a run that never arrived."""


def draw_ratios(slug: str, title: str, ratios: Sequence[Ratio]) -> RatioChart:
    axis = _ratio_axis([v for r in ratios if r.drawn for v in (r.low, r.high)])
    rows = []
    for ratio in ratios:
        start, end = _ratio_place(axis, ratio.low), _ratio_place(axis, ratio.high)
        rows.append(RatioRow(ratio, _ratio_place(axis, ratio.value), start, round(end - start, 3)))
    said = "; ".join(f"{r.name}: {r.note}, {r.verdict}" for r in ratios)
    return RatioChart(slug, title, f"{title}. {axis.title}. {said}.", axis, _ratio_place(axis, 1), tuple(rows))


def draw_pairs(
    slug: str, title: str, pairs: Sequence[Pair], names: Sequence[tuple[str, str]], budget: int
) -> PairChart:
    """One row a pair, the masked dot above the unmasked one, so that both are seen where they are equal.

    `names` are (policy, name), masked first.
    """
    axis = draw_axis("training steps", STEPS, [budget], BUDGET_INTERVALS, rounds=False)
    height = 100 / max(len(pairs), 1)
    rows, said = [], []
    for place, pair in enumerate(pairs):
        middle = height * (place + 0.5)
        values = (pair.masked, pair.unmasked)
        dots = [
            Dot(
                policy,
                place_on(axis, budget if value is None else value),
                round(middle + lift * height, 3),
                value is not None,
            )
            for (policy, _), value, lift in zip(names, values, (-0.14, 0.14), strict=True)
        ]
        rows.append(PairRow(pair.name, round(middle, 3), (dots[0], dots[1])))
        words = (
            f"{name} {'never' if value is None else value}" for (_, name), value in zip(names, values, strict=True)
        )
        said.append(f"{pair.name}: {', '.join(words)}")
    missing = not all(dot.arrived for row in rows for dot in row.dots)
    return PairChart(slug, title, f"{title}. {'; '.join(said)}.", axis, tuple(rows), tuple(names), missing)


def _ratio_axis(values: Sequence[float]) -> Axis:
    """Logarithmic; holds 0.75 to 2 and all values, whose ends it leaves a little room."""
    low, high = min((0.75, *(value / 1.05 for value in values))), max((2.0, *(value * 1.05 for value in values)))
    axis = Axis("steps without the mask / steps with it", low, high, ())
    ticks = (Tick(value, f"{value:g}", _ratio_place(axis, value)) for value in RATIO_TICKS if low <= value <= high)
    return replace(axis, ticks=tuple(ticks))


def _ratio_place(axis: Axis, value: float) -> float:
    return round(100 * math.log(value / axis.low) / math.log(axis.high / axis.low), 3)
