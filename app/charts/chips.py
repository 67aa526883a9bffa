"""Analyses as token chips with bars: what every page that shows a mask draws. In: analyses. Out: plain view data.

Numbers are scaled here, never invented: a bar's height is its value against the largest of its view.
"""

from dataclasses import dataclass
from itertools import groupby

from model.explain.analysis import Analysis, Position
from model.text.chat_template import SegmentKind


@dataclass(frozen=True)
class GradientChoice:
    """One of the quantities a bar can show. `field` is its name in the JSON."""

    field: str
    title: str
    sentence: str


GRADIENT_CHOICES: dict[str, GradientChoice] = {
    choice.field: choice
    for choice in (
        GradientChoice(
            "parameter_norm",
            "on the weights",
            "How hard this position's own loss pulls on all the weights: the length of its gradient, ‖g‖, "
            "divided by the number of trained positions. Exactly 0 where ignored.",
        ),
        GradientChoice(
            "share",
            "share of the whole",
            "How far this position's gradient goes along the sum G of all of them, on this word: ⟨g, G⟩ / ‖G‖². "
            "The shares add up to 1; one below 0 pulls against the rest.",
        ),
        GradientChoice(
            "logit_norm",
            "on its logits",
            "How far this position's prediction is pushed: the length of the loss's gradient by its logits. "
            "Exactly 0 where ignored.",
        ),
        GradientChoice(
            "input_norm",
            "on its input",
            "How much the loss depends on this token's embedding. Not 0 where ignored: "
            "the answer's loss flows back through attention, so ignored never means unimportant.",
        ),
    )
}

SEGMENT_TITLES: dict[SegmentKind, str] = {
    "user": "user",
    "template": "end",
    "assistant": "assistant",
}


@dataclass(frozen=True)
class Bar:
    """Geometry in a box of width 1 and height 100, y downwards."""

    y: float
    height: float
    baseline: float
    value: float


@dataclass(frozen=True)
class Span:
    """Neighbours whose targets lie in one kind of segment; a position without a target stands with its input."""

    segment: SegmentKind
    title: str
    columns: int


def draw_bars(analysis: Analysis, choice: GradientChoice) -> tuple[Bar, ...]:
    """A bar for each position, the tallest as high as the box."""
    values = [_value(p, choice) for p in analysis.positions]
    lowest, highest = min(0.0, *values), max(0.0, *values)
    return tuple(_bar(value, lowest, highest) for value in values)


def spans_of(analysis: Analysis) -> tuple[Span, ...]:
    kinds = (position.target_segment or position.input_segment for position in analysis.positions)
    return tuple(Span(kind, SEGMENT_TITLES[kind], len(list(run))) for kind, run in groupby(kinds))


def _value(position: Position, choice: GradientChoice) -> float:
    value: float = getattr(position.gradient, choice.field)
    return value


def _bar(value: float, lowest: float, highest: float) -> Bar:
    unit = 100 / (highest - lowest) if highest > lowest else 0.0
    baseline = 100 + lowest * unit
    height = abs(value) * unit
    return Bar(y=baseline - height if value > 0 else baseline, height=height, baseline=baseline, value=value)
