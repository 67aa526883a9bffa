"""A claim's line as geometry: its one or two figures with their intervals on one axis. In: Lined. Out: places.

Places are percentages of the axis. Rates have an axis from 0 to 100 %, counts to what was counted; others one of their
own, from 0 to the largest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from model.claims.lines import Lined


@dataclass(frozen=True)
class LineMark:
    at: float
    low: float | None
    high: float | None
    """The ends of the interval, where there is one."""


@dataclass(frozen=True)
class ClaimLine:
    marks: tuple[LineMark, ...]
    """First what the claim speaks of, then what it is held against."""
    shared: bool
    """The axis is that of rates, the same in every line."""
    described: str


def draw_line(lined: Sequence[Lined]) -> ClaimLine:
    figures = [each.figure for each in lined]
    rates = figures[0].unit == "share"
    counted = figures[0].n if figures[0].unit == "count" else None
    most = 1.0 if rates else counted or max(figure.at_most() for figure in figures) or 1.0

    def place(value: float | None) -> float | None:
        return None if value is None else 100 * min(max(value / most, 0.0), 1.0)

    marks = tuple(LineMark(place(f.value) or 0.0, place(f.low), place(f.high)) for f in figures)
    told = (f"{each.value} {each.words}{_within(each)}" for each in lined)
    return ClaimLine(marks, rates, "; ".join(told))


def _within(lined: Lined) -> str:
    interval = lined.figure.interval()
    return f" ({interval})" if interval else ""
