"""app/charts/files.py: the page's chart as a document that needs nothing else."""

from xml.etree.ElementTree import Element, fromstring

import pytest

from app.charts.curves import Reference, Series, draw_curves
from app.charts.files import CURVES_HEIGHT, MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, WIDTH, to_standalone_svg

SVG = "{http://www.w3.org/2000/svg}"
CHART = draw_curves(
    "right",
    "Right & wrong",
    [
        Series("prompt-masked", "mask <on>", ((0, 0.0), (200, 1.0)), ((0, 0.0, 0.1), (200, 0.9, 1.0))),
        Series("unmasked", "mask off", ((0, 0.0), (200, 0.25))),
    ],
    y_title="words right",
    references=[Reference(0.9, "90 %")],
    current_x=50,
)


@pytest.fixture
def document() -> Element:
    return fromstring(to_standalone_svg(CHART))


def test_it_is_a_whole_document_with_its_words_and_style(document: Element) -> None:
    assert document.tag == f"{SVG}svg"
    assert document.attrib["viewBox"] == f"0 0 {WIDTH} 540"
    assert document.findtext(f"{SVG}title") == "Right & wrong"
    assert document.findtext(f"{SVG}desc") == CHART.description
    texts = [e.text for e in document.iter(f"{SVG}text")]
    for text in ("mask <on>", "mask off", "words right", "training steps", "90 %", "75 %", "200"):
        assert text in texts
    assert ".unmasked .line" in (document.findtext(f"{SVG}style") or "")


def test_its_lines_are_the_chart_s_in_pixels(document: Element) -> None:
    masked, unmasked = (e.attrib["points"] for e in document.iter(f"{SVG}polyline"))
    right, bottom = WIDTH - MARGIN_RIGHT, MARGIN_TOP + CURVES_HEIGHT
    assert masked == f"{MARGIN_LEFT},{bottom} {right},{MARGIN_TOP}"
    assert unmasked == f"{MARGIN_LEFT},{bottom} {right},{MARGIN_TOP + 0.75 * CURVES_HEIGHT:g}"
    assert len(list(document.iter(f"{SVG}polygon"))) == 1


def test_it_fetches_nothing(document: Element) -> None:
    attributes = {name for element in document.iter() for name in element.attrib}
    assert not {name for name in attributes if "href" in name or name == "style" or name.startswith("on")}
    assert "url(" not in to_standalone_svg(CHART)
