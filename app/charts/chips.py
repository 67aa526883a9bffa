"""Analyses as token chips with bars: what every page that shows a mask draws. In: analyses. Out: plain view data.

Numbers are scaled here, never invented: a bar's height is its value against the largest of its view.
"""

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from model.explain.analysis import Analysis
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


class Bar(NamedTuple):
    """Geometry in a box of width 1 and height 100, y downwards. A page draws a hundred of them."""

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
    of = attrgetter(choice.field)
    values = [of(position.gradient) for position in analysis.positions]
    lowest, highest = min(0.0, *values), max(0.0, *values)
    unit = 100 / (highest - lowest) if highest > lowest else 0.0
    baseline = 100 + lowest * unit
    return tuple(
        Bar(baseline - value * unit if value > 0 else baseline, abs(value) * unit, baseline, value) for value in values
    )


def spans_of(analysis: Analysis) -> tuple[Span, ...]:
    kinds = (position.target_segment or position.input_segment for position in analysis.positions)
    return tuple(Span(kind, SEGMENT_TITLES[kind], len(list(run))) for kind, run in groupby(kinds))
