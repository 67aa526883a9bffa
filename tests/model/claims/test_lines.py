"""A claim's line: figures that it really has, of one unit, so that they can stand on one axis."""

import pytest

from app.settings import Settings
from model.claims.claim import Figure
from model.claims.evidence import gather
from model.claims.ledger import CLAIMS, ledger
from model.claims.lines import LINES, Lined, line_of


def test_every_claim_has_a_line_of_figures_with_one_unit() -> None:
    entries = list(ledger(gather(Settings().trained_folder)))
    assert set(LINES) <= set(CLAIMS)
    for entry in entries:
        assert len({each.figure.unit for each in entry.line}) == 1, entry.claim.slug
        assert all(each.figure in entry.figures for each in entry.line)


def test_a_claim_without_words_of_its_own_shows_its_first_figure() -> None:
    first, second = (Figure(name, 1.0, "nats", "here") for name in ("one", "two"))
    assert line_of("new", {"a": first, "b": second}) == (Lined("one", first),)


@pytest.mark.parametrize(
    ("figure", "value"),
    [(Figure("seeds", 3, "count", "here", 10), "3 of 10"), (Figure("right", 0.5, "share", "here", 10), "50.0 %")],
)
def test_a_count_says_of_how_many(figure: Figure, value: str) -> None:
    assert Lined("x", figure).value == value
