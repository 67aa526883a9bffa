"""app/charts/comparisons.py and its template: rows to scale, open marks for what never arrived, words everywhere."""

from collections.abc import Callable
from xml.etree.ElementTree import Element, fromstring

import pytest

from app.charts.comparisons import Pair, PairChart, Ratio, RatioChart, draw_pairs, draw_ratios
from app.charts.files import to_standalone_svg
from app.templating import ENVIRONMENT

NAMES = (("prompt-masked", "mask on"), ("unmasked", "mask off"))
RATIOS = draw_ratios(
    "ratios",
    "All",
    [
        Ratio("narrow", 2.0, 1.5, 3.0, "helped", "2.00 (1.50 to 3.00)", "/ablation?setting=a&b#setting", current=True),
        Ratio("wide", 1.0, 0.9, 1.1, "no clear difference", "1.00 (0.90 to 1.10)", "/ablation?setting=c"),
    ],
)
PAIRS = draw_pairs("pairs", "Steps", [Pair("seed 0", 100, 100), Pair("seed 1", 200, None)], NAMES, 400)


@pytest.fixture
def render(read_html: Callable[[str], Element]) -> Callable[..., Element]:
    def rendered(macro: str, chart: RatioChart | PairChart) -> Element:
        template = f'{{% from "shared/_comparisons.html" import {macro} %}}{{{{ {macro}(chart) }}}}'
        return read_html(ENVIRONMENT.from_string(template).render(chart=chart))

    return rendered


def by_class(tree: Element, name: str) -> list[Element]:
    return [e for e in tree.iter() if name in e.get("class", "").split()]


def test_ratios_lie_on_a_logarithmic_axis_that_holds_them_all() -> None:
    assert RATIOS.axis.low == 0.75
    assert RATIOS.axis.high == pytest.approx(3.15)
    assert [tick.label for tick in RATIOS.axis.ticks] == ["0.75", "1", "1.5", "2", "3"]
    places = {tick.label: tick.place for tick in RATIOS.axis.ticks}
    assert RATIOS.one == places["1"]
    narrow, wide = RATIOS.rows
    assert (narrow.at, narrow.start) == (places["2"], places["1.5"])
    assert narrow.start + narrow.width == pytest.approx(places["3"], abs=0.002)
    assert wide.at == RATIOS.one
    assert places["2"] - places["1"] == pytest.approx(places["3"] - places["1.5"], abs=0.002)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.2), (1.1, 1.2), (5.0, 40.0)])
def test_one_is_always_on_the_axis(low: float, high: float) -> None:
    chart = draw_ratios("ratios", "All", [Ratio("a", (low + high) / 2, low, high, "helped")])
    (row,) = chart.rows
    assert 0 < chart.one < 100
    assert 0 < row.start <= row.at <= row.start + row.width < 100
    assert "1" in {tick.label for tick in chart.axis.ticks}


def test_a_row_without_a_meaning_has_words_and_no_marks(render: Callable[..., Element]) -> None:
    unlearned = Ratio("a", 9.0, 8.0, 10.0, "not learned", "-", drawn=False)
    chart = draw_ratios("ratios", "All", [unlearned])
    assert chart.axis.high == 2, "it does not stretch the axis"
    tree = render("ratio_rows", chart)
    assert by_class(tree, "word")[0].text == "not learned"
    assert not list(tree.iter("circle"))
    assert "<circle" not in to_standalone_svg(chart)


def test_no_ratios_are_no_rows() -> None:
    assert draw_ratios("ratios", "All", []).rows == ()


def test_a_row_says_its_verdict_in_words_and_leads_to_its_setting(render: Callable[..., Element]) -> None:
    rows = [e for e in render("ratio_rows", RATIOS).iter("li") if e.get("class") != "head"]
    assert [e.get("class") for e in rows] == ["helped", "no-clear-difference"]
    assert [by_class(e, "word")[0].text for e in rows] == ["helped", "no clear difference"]
    assert [by_class(e, "note")[0].text for e in rows] == ["2.00 (1.50 to 3.00)", "1.00 (0.90 to 1.10)"]
    links = [next(e.iter("a")) for e in rows]
    assert [a.get("href") for a in links] == ["/ablation?setting=a&b#setting", "/ablation?setting=c"]
    assert [a.get("aria-current") for a in links] == ["true", None]


def test_pairs_are_to_scale_and_equal_steps_are_both_seen() -> None:
    first, second = PAIRS.rows
    assert [dot.x for dot in first.dots] == [25, 25]
    assert first.dots[0].y < first.y < first.dots[1].y
    assert (second.dots[0].x, second.dots[1].x) == (50, 100)
    assert [dot.arrived for dot in second.dots] == [True, False]
    assert PAIRS.missing
    assert PAIRS.description == "Steps. seed 0: mask on 100, mask off 100; seed 1: mask on 200, mask off never."


def test_a_run_that_never_arrived_is_an_open_mark_and_explained(render: Callable[..., Element]) -> None:
    tree = render("pair_dots", PAIRS)
    assert [e.get("class") for e in by_class(tree, "never")] == ["dot unmasked never"]
    assert "not within the budget" in "".join(tree.itertext())
    complete = draw_pairs("pairs", "Steps", [Pair("seed 0", 100, 100)], NAMES, 400)
    assert "budget" not in "".join(render("pair_dots", complete).itertext())


@pytest.mark.parametrize("chart", [RATIOS, PAIRS], ids=["ratios", "pairs"])
def test_as_a_file_it_is_a_whole_document_with_the_same_words(chart: RatioChart | PairChart) -> None:
    document = fromstring(to_standalone_svg(chart))
    svg = "{http://www.w3.org/2000/svg}"
    texts = " ".join(e.text or "" for e in document.iter(f"{svg}text"))
    words = (
        ("narrow", "2.00 (1.50 to 3.00) helped", "no clear difference") if chart is RATIOS else ("seed 0", "mask off")
    )
    for word in words:
        assert word in texts
    assert document.findtext(f"{svg}desc") == chart.description
    marks = [
        e for kind in ("circle", "rect") for e in document.iter(f"{svg}{kind}") if e.get("class") in ("end", "never")
    ]
    assert len(marks) == (2 if chart is RATIOS else 4 + 2), "two a row, and those of the keys"
