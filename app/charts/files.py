"""Charts as files: complete SVG documents with their own style, for downloads. In: a chart. Out: text.

The picture is the page's, at a fixed size and in light colours, every place computed: programs that draw and typeset
know neither our style sheet nor percentages.
"""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from app.charts.comparisons import PairChart, RatioChart
from app.charts.curves import SIDE, Axis, CurveChart
from model.masks.policies import UNMASKED

WIDTH = 960
MARGIN_LEFT, MARGIN_TOP, MARGIN_RIGHT, MARGIN_BOTTOM = 90, 90, 40, 70
"""Between the plot and the picture's edges."""
CURVES_HEIGHT, ROW_HEIGHT = 380, 34
NAMES_WIDTH, NOTES_WIDTH = 330, 270
"""Beside the rows of ratios."""

STYLE = """
svg { font: 16px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; background: #fff; }
text { fill: #54585c; } .title { font-size: 20px; font-weight: 600; fill: #1b1d1f; } .name { fill: #1b1d1f; }
.grid { stroke: #d9d6cd; } .reference { stroke: #54585c; stroke-dasharray: 2 4; } .current { stroke: #1b1d1f; }
.line { fill: none; stroke: #54585c; stroke-width: 3; stroke-linejoin: round; } .end { fill: #54585c; }
.band { fill: #54585c; opacity: 0.18; } .between { stroke: #b9b5aa; stroke-width: 2; }
.prompt-masked .line { stroke: #0072b2; } .unmasked .line { stroke: #c48200; }
.helped .line, .hurt .line { stroke: #1b1d1f; }
.unmasked .line { stroke-dasharray: 9 6; }
.prompt-masked.band, .prompt-masked .end { fill: #0072b2; } .helped .end { fill: #1b1d1f; }
.unmasked.band, .unmasked .end { fill: #c48200; }
.hurt .end { fill: #fff; stroke: #1b1d1f; stroke-width: 3; }
.prompt-masked .never { fill: #fff; stroke: #0072b2; stroke-width: 2; }
.unmasked .never { fill: #fff; stroke: #c48200; stroke-width: 2; }
"""


class Plot:
    """A document's plot: turns places into pixels."""

    def __init__(self, chart: CurveChart | RatioChart | PairChart, left: int, width: int, height: int):
        self.left, self.width, self.height = left, width, height
        total = MARGIN_TOP + height + MARGIN_BOTTOM
        size = _attributes(width=WIDTH, height=total, viewBox=f"0 0 {WIDTH} {total}", role="img")
        self.root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size})
        SubElement(self.root, "title").text = chart.title
        SubElement(self.root, "desc").text = chart.description
        SubElement(self.root, "style").text = STYLE
        SubElement(self.root, "rect", _attributes(width=WIDTH, height=total, fill="#ffffff"))
        _text(self.root, chart.title, 24, 36, "start", "title")

    def x(self, place: float) -> float:
        return round(self.left + self.width * place / 100, 1)

    def y(self, place: float) -> float:
        return round(MARGIN_TOP + self.height * place / 100, 1)

    def points(self, points: str) -> str:
        pairs = (pair.split(",") for pair in points.split())
        return " ".join(f"{self.x(float(x) * 100 / SIDE):g},{self.y(float(y) * 100 / SIDE):g}" for x, y in pairs)

    def level(self, place: float, class_: str) -> None:
        y = self.y(place)
        SubElement(self.root, "line", _attributes(x1=self.left, x2=self.x(100), y1=y, y2=y, class_=class_))

    def upright(self, place: float, class_: str) -> None:
        x = self.x(place)
        SubElement(self.root, "line", _attributes(x1=x, x2=x, y1=MARGIN_TOP, y2=self.y(100), class_=class_))

    def x_axis(self, axis: Axis) -> None:
        for tick in axis.ticks:
            _text(self.root, tick.label, self.x(tick.place), self.y(100) + 24, "middle")
        _text(self.root, axis.title, self.x(100), self.y(100) + 50, "end")

    def keys(self, keys: Iterable[tuple[str, str]]) -> None:
        """A sample of each policy beside its name, from the right: names are of different length."""
        x = WIDTH - MARGIN_RIGHT
        for slug, name in reversed(list(keys)):
            group = SubElement(self.root, "g", {"class": slug})
            _text(group, name, x, MARGIN_TOP - 16, "end", "name")
            x -= 9 * len(name) + 12
            SubElement(
                group, "line", _attributes(x1=x - 34, x2=x, y1=MARGIN_TOP - 21, y2=MARGIN_TOP - 21, class_="line")
            )
            _mark(group, slug, x, MARGIN_TOP - 21)
            x -= 60


def to_standalone_svg(chart: CurveChart | RatioChart | PairChart) -> str:
    """The chart as an SVG document."""
    match chart:
        case CurveChart():
            root = _curves(chart)
        case RatioChart():
            root = _ratios(chart)
        case PairChart():
            root = _pairs(chart)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _curves(chart: CurveChart) -> Element:
    plot = Plot(chart, MARGIN_LEFT, WIDTH - MARGIN_LEFT - MARGIN_RIGHT, CURVES_HEIGHT)
    for tick in chart.y.ticks:
        plot.level(tick.place, "grid")
        _text(plot.root, tick.label, MARGIN_LEFT - 10, plot.y(tick.place) + 5, "end")
    plot.x_axis(chart.x)
    _text(plot.root, chart.y.title, MARGIN_LEFT, MARGIN_TOP - 16, "start")
    for level in chart.levels:
        plot.level(level.place, "reference")
        _text(plot.root, level.label, plot.x(100), plot.y(level.place) + 20, "end")
    if chart.current is not None:
        plot.upright(chart.current, "current")
    for line in chart.lines:
        if line.band:
            SubElement(plot.root, "polygon", _attributes(points=plot.points(line.band), class_=f"band {line.slug}"))
    for line in chart.lines:
        group = SubElement(plot.root, "g", {"class": line.slug})
        SubElement(group, "polyline", _attributes(points=plot.points(line.points), class_="line"))
        if line.end:
            _mark(group, line.slug, plot.x(line.end[0] * 100 / SIDE), plot.y(line.end[1] * 100 / SIDE))
    plot.keys([(line.slug, line.name) for line in chart.lines])
    return plot.root


def _ratios(chart: RatioChart) -> Element:
    plot = Plot(chart, NAMES_WIDTH, WIDTH - NAMES_WIDTH - NOTES_WIDTH, ROW_HEIGHT * len(chart.rows))
    plot.x_axis(chart.axis)
    plot.upright(chart.one, "reference")
    for place, row in enumerate(chart.rows):
        y = MARGIN_TOP + ROW_HEIGHT * (place + 0.5)
        _text(plot.root, row.ratio.name, 24, y + 5, "start", "name")
        _text(plot.root, f"{row.ratio.note} {row.ratio.verdict}", WIDTH - NOTES_WIDTH + 16, y + 5, "start")
        if not row.ratio.drawn:
            continue
        group = SubElement(plot.root, "g", {"class": row.ratio.slug()})
        ends = _attributes(x1=plot.x(row.start), x2=plot.x(row.start + row.width))
        SubElement(group, "line", ends | _attributes(y1=y, y2=y, class_="line"))
        SubElement(group, "circle", _attributes(cx=plot.x(row.at), cy=y, r=6, class_="end"))
    return plot.root


def _pairs(chart: PairChart) -> Element:
    plot = Plot(chart, MARGIN_LEFT, WIDTH - MARGIN_LEFT - MARGIN_RIGHT, ROW_HEIGHT * len(chart.rows))
    plot.x_axis(chart.axis)
    for row in chart.rows:
        plot.level(row.y, "grid")
        _text(plot.root, row.name, MARGIN_LEFT - 10, plot.y(row.y) + 5, "end")
        masked, unmasked = ((plot.x(dot.x), plot.y(dot.y)) for dot in row.dots)
        between = _attributes(x1=masked[0], y1=masked[1], x2=unmasked[0], y2=unmasked[1], class_="between")
        SubElement(plot.root, "line", between)
        for dot in row.dots:
            group = SubElement(plot.root, "g", {"class": dot.slug})
            _mark(group, dot.slug, plot.x(dot.x), plot.y(dot.y), "end" if dot.arrived else "never")
    if chart.missing:
        _text(plot.root, "open: not within the budget", MARGIN_LEFT, MARGIN_TOP - 16, "start")
    plot.keys(chart.keys)
    return plot.root


def _mark(group: Element, slug: str, x: float, y: float, class_: str = "end") -> None:
    if slug == UNMASKED.slug:
        box = _attributes(x=round(x - 5, 1), y=round(y - 5, 1), width=10, height=10, class_=class_)
        SubElement(group, "rect", box)
    else:
        SubElement(group, "circle", _attributes(cx=x, cy=y, r=5.5, class_=class_))


def _text(parent: Element, text: str, x: float, y: float, anchor: str, class_: str = "") -> None:
    SubElement(parent, "text", {**_attributes(x=x, y=y, text_anchor=anchor), "class": class_}).text = text


def _attributes(**values: float | str) -> dict[str, str]:
    """`class_` is `class`, `text_anchor` is `text-anchor`."""
    return {name.rstrip("_").replace("_", "-"): str(value) for name, value in values.items()}
