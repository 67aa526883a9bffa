"""Where the figures of a claim's line stand."""

from app.charts.claims import LineMark, draw_line
from model.claims.claim import Figure
from model.claims.lines import Lined


def lined(value: float, unit: str, **more: object) -> Lined:
    return Lined("x", Figure("x", value, unit, "here", **more))  # type: ignore[arg-type]


def test_rates_share_an_axis_and_their_intervals_end_within_it() -> None:
    drawn = draw_line([lined(0.9, "share", low=0.5, high=1.04), lined(0.1, "share", low=-0.02, high=0.2)])
    assert drawn.shared
    assert drawn.marks == (LineMark(90, 50, 100), LineMark(10, 0, 20))


def test_a_count_stands_on_what_was_counted_and_others_on_the_largest() -> None:
    assert draw_line([lined(3, "count", n=15)]).marks == (LineMark(20, None, None),)
    steps = draw_line([lined(50, "steps"), lined(100, "steps", low=80, high=200)])
    assert not steps.shared
    assert steps.marks == (LineMark(25, None, None), LineMark(50, 40, 100))


def test_nothing_but_zeros_stands_at_the_start() -> None:
    assert draw_line([lined(0, "nats")]).marks == (LineMark(0, None, None),)
