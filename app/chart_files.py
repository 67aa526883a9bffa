"""Charts as files: complete SVG documents with their own style, for downloads. In: a chart. Out: text.

The picture is the page's, at a fixed size and in light colours, every place computed: programs that draw and typeset
know neither our style sheet nor percentages.
"""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from app.charts import SIDE, CurveChart

WIDTH, HEIGHT = 960, 540
LEFT, TOP, RIGHT, BOTTOM = 90, 90, 40, 70
"""Between the plot and the picture's edges."""
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

STYLE = """
svg { font: 16px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; background: #fff; }
text { fill: #54585c; } .title { font-size: 20px; font-weight: 600; fill: #1b1d1f; } .name { fill: #1b1d1f; }
.grid { stroke: #d9d6cd; } .reference { stroke: #54585c; stroke-dasharray: 2 4; } .current { stroke: #1b1d1f; }
.line { fill: none; stroke: #54585c; stroke-width: 3; stroke-linejoin: round; } .band { fill: #54585c; opacity: 0.18; }
.prompt-masked .line { stroke: #0072b2; } .prompt-masked.band, .prompt-masked .end { fill: #0072b2; }
.unmasked .line { stroke: #c48200; stroke-dasharray: 9 6; } .unmasked.band, .unmasked .end { fill: #c48200; }
"""


def to_standalone_svg(chart: CurveChart) -> str:
    """The chart as an SVG document."""
    root = _document(chart.title, chart.description)
    for y_tick in chart.y.ticks:
        y = _y(y_tick.place)
        SubElement(root, "line", _attributes(x1=LEFT, x2=LEFT + PLOT_WIDTH, y1=y, y2=y, class_="grid"))
        _text(root, y_tick.label, LEFT - 10, y + 5, "end")
    for x_tick in chart.x.ticks:
        _text(root, x_tick.label, _x(x_tick.place), TOP + PLOT_HEIGHT + 24, "middle")
    _text(root, chart.y.title, LEFT, TOP - 16, "start")
    _text(root, chart.x.title, LEFT + PLOT_WIDTH, TOP + PLOT_HEIGHT + 50, "end")
    for level in chart.levels:
        y = _y(level.place)
        SubElement(root, "line", _attributes(x1=LEFT, x2=LEFT + PLOT_WIDTH, y1=y, y2=y, class_="reference"))
        _text(root, level.label, LEFT + PLOT_WIDTH, y + 20, "end")
    if chart.current is not None:
        x = _x(chart.current)
        SubElement(root, "line", _attributes(x1=x, x2=x, y1=TOP, y2=TOP + PLOT_HEIGHT, class_="current"))
    for line in chart.lines:
        if line.band:
            SubElement(root, "polygon", _attributes(points=_points(line.band), class_=f"band {line.slug}"))
    for line in chart.lines:
        group = SubElement(root, "g", {"class": line.slug})
        SubElement(group, "polyline", _attributes(points=_points(line.points), class_="line"))
        if line.end:
            _mark(group, line.slug, _x(line.end[0] * 100 / SIDE), _y(line.end[1] * 100 / SIDE))
    _keys(root, [(line.slug, line.name) for line in chart.lines])
    return _write(root)


def _document(title: str, description: str) -> Element:
    size = _attributes(width=WIDTH, height=HEIGHT, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size})
    SubElement(root, "title").text = title
    SubElement(root, "desc").text = description
    SubElement(root, "style").text = STYLE
    SubElement(root, "rect", _attributes(width=WIDTH, height=HEIGHT, fill="#ffffff"))
    _text(root, title, 24, 36, "start", "title")
    return root


def _keys(root: Element, keys: Iterable[tuple[str, str]]) -> None:
    """A sample of each line beside its name, from the right: names are of different length."""
    x = WIDTH - RIGHT
    for slug, name in reversed(list(keys)):
        group = SubElement(root, "g", {"class": slug})
        _text(group, name, x, TOP - 16, "end", "name")
        x -= 9 * len(name) + 12
        SubElement(group, "line", _attributes(x1=x - 34, x2=x, y1=TOP - 21, y2=TOP - 21, class_="line"))
        _mark(group, slug, x, TOP - 21)
        x -= 60


def _mark(group: Element, slug: str, x: float, y: float) -> None:
    if slug == "unmasked":
        SubElement(group, "rect", _attributes(x=round(x - 5, 1), y=round(y - 5, 1), width=10, height=10, class_="end"))
    else:
        SubElement(group, "circle", _attributes(cx=x, cy=y, r=5.5, class_="end"))


def _points(points: str) -> str:
    pairs = (pair.split(",") for pair in points.split())
    return " ".join(f"{_x(float(x) * 100 / SIDE):g},{_y(float(y) * 100 / SIDE):g}" for x, y in pairs)


def _text(parent: Element, text: str, x: float, y: float, anchor: str, class_: str = "") -> None:
    SubElement(parent, "text", {**_attributes(x=x, y=y, text_anchor=anchor), "class": class_}).text = text


def _x(place: float) -> float:
    return round(LEFT + PLOT_WIDTH * place / 100, 1)


def _y(place: float) -> float:
    return round(TOP + PLOT_HEIGHT * place / 100, 1)


def _attributes(**values: float | str) -> dict[str, str]:
    """`class_` is `class`, `text_anchor` is `text-anchor`."""
    return {name.rstrip("_").replace("_", "-"): str(value) for name, value in values.items()}


def _write(root: Element) -> str:
    indent(root)
    return tostring(root, encoding="unicode") + "\n"
