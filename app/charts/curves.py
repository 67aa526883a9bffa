"""Curves as geometry, shared by every page that draws lines over steps. In: series of points. Out: plain data.

A place is a percentage of the plot from its left or its top, so a browser can give the plot any size without touching
its text. Lines are in a square of side SIDE, y downwards. Knows no loss mask, HTML or torch:
templates/shared/_curves.html draws a CurveChart, chart_files.py makes a file of one.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from model.intervals import over_seeds

SIDE = 1000
X_INTERVALS, Y_INTERVALS = 5, 4
"""At most so many distances between ticks: their labels have room on a phone."""


@dataclass(frozen=True)
class Series:
    """A curve. `slug` is its CSS class, a policy's, so that a policy looks the same on every page."""

    slug: str
    name: str
    points: tuple[tuple[float, float], ...]
    """(x, y) in order of x; none if nothing has been measured yet."""
    band: tuple[tuple[float, float, float], ...] = ()
    """(x, low, high) in order of x."""
    dots: tuple[tuple[float, float], ...] = ()
    """(x, y) of single values, each seed's for instance."""


def series_over_seeds(slug: str, name: str, values: Mapping[float, Sequence[float]]) -> Series:
    """The mean over seeds, and the band from the lowest to the highest. `values` are one per seed, by x."""
    figures = {x: over_seeds(of_seeds) for x, of_seeds in values.items()}
    return Series(
        slug,
        name,
        tuple((x, figure.value) for x, figure in figures.items()),
        tuple((x, figure.low, figure.high) for x, figure in figures.items()),
    )


@dataclass(frozen=True)
class Reference:
    """A value to compare with, drawn as a level line with its words."""

    y: float
    label: str


@dataclass(frozen=True)
class Link:
    """Where a click near an x leads."""

    x: float
    label: str
    href: str


@dataclass(frozen=True)
class Unit:
    """How the values of an axis are written, and the range it shows even if the data do not fill it."""

    write: Callable[[float], str]
    low: float = 0.0
    high: float = 0.0


STEPS = Unit(lambda value: f"{value:,.0f}")
RATE = Unit(lambda value: f"{100 * value:.4g} %", high=1.0)
NATS = Unit(lambda value: f"{value:.3g}")
GUESSING = Unit(lambda value: f"{value:.3g}", low=3.0, high=4.0)
"""Nats per random token. Around the entropy of a letter, so that it can be seen how a model comes down to it."""


@dataclass(frozen=True)
class Tick:
    value: float
    label: str
    place: float


@dataclass(frozen=True)
class Axis:
    title: str
    low: float
    high: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Line:
    """A series in the plot. Texts of points are what an SVG's `points` takes."""

    slug: str
    name: str
    points: str
    band: str
    """The outline of the area between low and high."""
    end: tuple[float, float] | None
    """Where the line's last point is, in units of SIDE."""
    dots: tuple[tuple[float, float], ...] = ()
    """Where single values are, in units of SIDE."""


@dataclass(frozen=True)
class Level:
    """A reference in the plot."""

    label: str
    place: float


@dataclass(frozen=True)
class Strip:
    """A link in the plot: the part of it that is nearer to the link's x than to its neighbours'."""

    label: str
    href: str
    start: float
    width: float


@dataclass(frozen=True)
class CurveChart:
    slug: str
    """Names the chart among a page's charts."""
    title: str
    description: str
    """What somebody who does not see the chart is told: its words, and each line's ends."""
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    levels: tuple[Level, ...]
    strips: tuple[Strip, ...]
    current: float | None
    """The place of the current x."""


def draw_curves(
    slug: str,
    title: str,
    series: Sequence[Series],
    *,
    y_title: str,
    y_unit: Unit = RATE,
    x_title: str = "training steps",
    x_unit: Unit = STEPS,
    x_high: float = 0.0,
    references: Sequence[Reference] = (),
    links: Sequence[Link] = (),
    current_x: float | None = None,
    guess: Reference | None = None,
) -> CurveChart:
    """A chart whose axes hold every point, band and reference, and reach `x_high` and the units' own ranges.

    Guesses at what is random stay within `y_unit` and are compared with the best one, `guess`.
    """
    if guess:
        y_title += _beyond(series, y_unit)
        series = [_leaving(s, y_unit.high) for s in series]
        references = (*references, guess)
    xs = [x for s in series for x in (*(p[0] for p in s.points), *(b[0] for b in s.band))]
    ys = [y for s in series for y in (*(p[1] for p in s.points), *(v for b in s.band for v in b[1:]))]
    xs += [x for s in series for x, _ in s.dots]
    ys += [y for s in series for _, y in s.dots] + [reference.y for reference in references]
    x = draw_axis(x_title, x_unit, (*xs, x_high), X_INTERVALS, rounds=False)
    y = draw_axis(y_title, y_unit, ys, Y_INTERVALS, falls=True)
    return CurveChart(
        slug=slug,
        title=title,
        description=_describe(title, series, x_title, x_unit, y_title, y_unit),
        x=x,
        y=y,
        lines=tuple(_line(s, x, y) for s in series),
        levels=tuple(Level(r.label, place_on(y, r.y, falls=True)) for r in references),
        strips=_strips(links, x),
        current=None if current_x is None else place_on(x, current_x),
    )


def random_letter(letters: int) -> Reference:
    """The entropy of one of so many letters, all as likely: the least that one of them costs."""
    return Reference(math.log(letters), f"ln {letters} = {math.log(letters):.3f}: a random letter")


def _leaving(series: Series, top: float) -> Series:
    """A series up to where it first goes above `top`, and that place by interpolation; all of it if it never does."""
    above = next((i for i, (_, y) in enumerate(series.points) if y > top), None)
    if not above:
        return series
    (x0, y0), (x1, y1) = series.points[above - 1 : above + 1]
    end = x0 + (x1 - x0) * (top - y0) / (y1 - y0)
    band = tuple((x, min(low, top), min(high, top)) for x, low, high in series.band if x <= end)
    return replace(series, points=(*series.points[:above], (end, top)), band=band)


def _beyond(series: Sequence[Series], unit: Unit) -> str:
    """`; mask-on model goes on to 10.5`, of those that leave; empty if none does."""
    gone = [f"; {s.name} goes on to {unit.write(s.points[-1][1])}" for s in series if s.points[-1][1] > unit.high]
    return "".join(gone)


def draw_axis(
    title: str, unit: Unit, values: Iterable[float], intervals: int, *, rounds: bool = True, falls: bool = False
) -> Axis:
    """An axis that holds all values, with ticks at 1, 2, 2.5 or 5 times a power of ten; `rounds` ends it at a tick."""
    held = [unit.low, unit.high, *values]
    low, high = min(held), max(held)
    if high == low:
        high = low + 1
    distance = nice_distance((high - low) / intervals)
    first, last = math.floor(low / distance + 1e-9), math.ceil(high / distance - 1e-9)
    if rounds:
        low, high = first * distance, last * distance
    axis = Axis(title, low, high, ())
    marked = [n * distance for n in range(first, last + 1) if low <= n * distance <= high * (1 + 1e-9)]
    return replace(axis, ticks=tuple(Tick(v, unit.write(v), place_on(axis, v, falls=falls)) for v in marked))


def nice_distance(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5, 10 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))


def place_on(axis: Axis, value: float, *, falls: bool = False) -> float:
    """The percentage of the axis at which a value lies, its nearest end if outside; `falls`: counted from the top."""
    share = min(max((value - axis.low) / (axis.high - axis.low), 0.0), 1.0)
    return round(100 * (1 - share if falls else share), 3)


def _line(series: Series, x: Axis, y: Axis) -> Line:
    outline = [(at, high) for at, _, high in series.band] + [(at, low) for at, low, _ in reversed(series.band)]
    points = _in_square(series.points, x, y)
    return Line(
        series.slug,
        series.name,
        _join(points),
        _join(_in_square(outline, x, y)),
        points[-1] if points else None,
        tuple(_in_square(series.dots, x, y)),
    )


def _in_square(points: Iterable[tuple[float, float]], x: Axis, y: Axis) -> list[tuple[float, float]]:
    unit = SIDE / 100
    return [(round(place_on(x, at) * unit, 1), round(place_on(y, value, falls=True) * unit, 1)) for at, value in points]


def _join(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _strips(links: Sequence[Link], axis: Axis) -> tuple[Strip, ...]:
    if not links:
        return ()
    places = [place_on(axis, link.x) for link in links]
    middles = [(left + right) / 2 for left, right in pairwise(places)]
    return tuple(
        Strip(link.label, link.href, start, round(end - start, 3))
        for link, start, end in zip(links, [0.0, *middles], [*middles, 100.0], strict=True)
    )


def _describe(title: str, series: Sequence[Series], x_title: str, x_unit: Unit, y_title: str, y_unit: Unit) -> str:
    ends = []
    for s in series:
        at = [f"{y_unit.write(y)} at {x_unit.write(x)}" for x, y in (s.points[0], s.points[-1])] if s.points else []
        ends.append(f"{s.name}: {' to '.join(at) or 'nothing yet'}")
    return f"{title}. {y_title} over {x_title}. {'; '.join(ends)}."
