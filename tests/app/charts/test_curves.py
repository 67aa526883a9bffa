"""app/charts/curves.py and its template.

Places are values to scale, a policy always looks the same, nothing is inline.
"""

import re
from collections.abc import Callable
from xml.etree.ElementTree import Element

import pytest

from app.charts.curves import (
    NATS,
    RATE,
    SIDE,
    STEPS,
    CurveChart,
    Link,
    Reference,
    Series,
    draw_axis,
    draw_curves,
    place_on,
)
from app.templating import ENVIRONMENT

MASKED = Series("prompt-masked", "mask on", ((0, 0.0), (50, 0.5), (200, 1.0)), ((0, 0.0, 0.1), (200, 0.9, 1.0)))
UNMASKED = Series("unmasked", "mask off", ((0, 0.0), (200, 0.25)))


def drawn(*series: Series, **options: object) -> CurveChart:
    return draw_curves("right", "Words right", series, y_title="words right", **options)  # type: ignore[arg-type]


@pytest.fixture
def render(read_html: Callable[[str], Element]) -> Callable[[CurveChart], Element]:
    template = '{% from "shared/_curves.html" import curves %}{{ curves(chart) }}'
    return lambda chart: read_html(ENVIRONMENT.from_string(template).render(chart=chart))


def by_class(tree: Element, name: str) -> list[Element]:
    return [e for e in tree.iter() if name in e.get("class", "").split()]


# Axes


@pytest.mark.parametrize(
    ("unit", "values", "labels"),
    [
        (RATE, [0.2], ["0 %", "25 %", "50 %", "75 %", "100 %"]),
        (NATS, [3.258, 3.4], ["0", "1", "2", "3", "4"]),
        (NATS, [0.04], ["0", "0.01", "0.02", "0.03", "0.04"]),
        (STEPS, [3000], ["0", "1,000", "2,000", "3,000"]),
        (STEPS, [7], ["0", "2", "4", "6", "8"]),
        (NATS, [], ["0", "0.25", "0.5", "0.75", "1"]),
    ],
)
def test_ticks_are_round_numbers_that_hold_the_values(unit: object, values: list[float], labels: list[str]) -> None:
    axis = draw_axis("", unit, values, 4)  # type: ignore[arg-type]
    assert [tick.label for tick in axis.ticks] == labels
    assert (axis.ticks[0].place, axis.ticks[-1].place) == (0, 100)


def test_the_axis_of_steps_ends_where_the_data_do() -> None:
    axis = drawn(Series("unmasked", "", ((0, 0.0), (2700, 1.0)))).x
    assert (axis.low, axis.high) == (0, 2700)
    assert [tick.value for tick in axis.ticks] == [0, 1000, 2000]


def test_an_axis_can_be_longer_than_what_has_been_measured() -> None:
    chart = drawn(Series("unmasked", "mask off", ()), x_high=400)
    assert (chart.x.high, chart.y.high) == (400, 1)
    assert (chart.lines[0].points, chart.lines[0].end) == ("", None)


def test_a_value_outside_of_the_axis_is_at_its_end() -> None:
    axis = draw_axis("", RATE, [], 4)
    assert [place_on(axis, value) for value in (-1, 0.25, 2)] == [0, 25, 100]
    assert place_on(axis, 0.25, falls=True) == 75


# Lines


def test_points_and_bands_are_to_scale_and_upside_down() -> None:
    masked, unmasked = drawn(MASKED, UNMASKED).lines
    assert masked.points == "0,1000 250,500 1000,0"
    assert masked.end == (1000, 0)
    assert masked.band == "0,900 1000,0 1000,100 0,1000"
    assert unmasked.points == "0,1000 1000,750"
    assert unmasked.band == ""


def test_a_reference_is_inside_the_axis_and_to_scale() -> None:
    chart = drawn(Series("unmasked", "", ((0, 1.0), (10, 2.0))), y_unit=NATS, references=[Reference(3.258, "ln 26")])
    assert chart.y.high == 4
    assert chart.levels[0].label == "ln 26"
    assert chart.levels[0].place == pytest.approx(100 * (1 - 3.258 / 4), abs=1e-3)


def test_links_share_the_plot_by_nearness() -> None:
    links = [Link(x, f"step {x}", f"/?step={x}") for x in (0, 100, 200)]
    strips = drawn(MASKED, links=links).strips
    assert [(strip.start, strip.width) for strip in strips] == [(0, 25), (25, 50), (75, 25)]


def test_the_description_says_what_the_lines_show() -> None:
    assert drawn(MASKED, Series("unmasked", "mask off", ())).description == (
        "Words right. words right over training steps. mask on: 0 % at 0 to 100 % at 200; mask off: nothing yet."
    )


# The template


def test_the_plot_says_how_places_become_values(render: Callable[[CurveChart], Element]) -> None:
    plot = next(iter(by_class(render(drawn(MASKED, UNMASKED, current_x=50)), "plot")[0]))
    box = {name: float(plot.attrib[f"data-{name}"]) for name in ("x-min", "x-max", "y-min", "y-max", "side")}
    assert box == {"x-min": 0, "x-max": 200, "y-min": 0, "y-max": 1, "side": SIDE}
    assert [e.get("x1") for e in by_class(plot, "current")] == ["25.0%"]
    square = next(e for e in plot.iter("svg") if "viewbox" in e.attrib)
    assert square.attrib["viewbox"] == f"0 0 {SIDE} {SIDE}"
    x, y = next(e for e in square.iter("polyline")).attrib["points"].split()[1].split(",")
    assert float(x) / box["side"] * box["x-max"] == 50
    assert 1 - float(y) / box["side"] == 0.5


def test_a_line_that_has_not_begun_is_there_to_be_continued(render: Callable[[CurveChart], Element]) -> None:
    tree = render(drawn(Series("unmasked", "mask off", ()), x_high=10))
    plot = by_class(tree, "plot")[0]
    assert [e.attrib["points"] for e in plot.iter("polyline") if e.get("data-series") == "unmasked"] == [""]
    assert ["x1" in e.attrib for e in by_class(plot, "end")] == [False]


def test_each_line_is_named_in_words_and_has_its_policy_s_class(render: Callable[[CurveChart], Element]) -> None:
    tree = render(drawn(MASKED, UNMASKED))
    assert ["".join(e.itertext()).strip() for e in by_class(tree, "key")] == ["mask on", "mask off"]
    plot = by_class(tree, "plot")[0]
    for slug in ("prompt-masked", "unmasked"):
        assert [e.get("data-series") for e in by_class(plot, slug)[-1]] == [slug, slug]
    assert next(iter(plot)).attrib["role"] == "img"


def test_a_chart_that_leads_somewhere_is_no_mere_picture(render: Callable[[CurveChart], Element]) -> None:
    tree = render(drawn(MASKED, links=[Link(0, "step 0", "/?step=0&a=b")]))
    assert next(iter(by_class(tree, "plot")[0])).attrib["role"] == "group"
    (link,) = tree.iter("a")
    assert link.attrib["href"] == "/?step=0&a=b"
    assert link.attrib["tabindex"] == "-1"


def test_nothing_is_inline_and_names_are_escaped() -> None:
    chart = drawn(Series("unmasked", "<b>&", ((0, 0.0), (1, 1.0))))
    template = ENVIRONMENT.from_string('{% from "shared/_curves.html" import curves %}{{ curves(chart) }}')
    html = template.render(chart=chart)
    assert not re.search(r"style=|<style|<script|\son\w+=|<b>", html)
