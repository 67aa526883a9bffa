"""app/charts/chips.py: bars are values to scale, and columns stand in the segments of their targets."""

from dataclasses import fields, replace

import pytest

from app.catalog import Catalog
from app.charts.chips import GRADIENT_CHOICES, Bar, GradientChoice, draw_bars, spans_of
from model.explain.analysis import Analysis, Gradient, analyze
from model.masks.policies import MASK_POLICIES
from model.training.recipes import RECIPES

SHARE = GRADIENT_CHOICES["share"]


@pytest.fixture(scope="session")
def hello(catalog: Catalog) -> Analysis:
    recipe = RECIPES["reverse"]
    model, _ = catalog.model(recipe, "unmasked", 1000)
    return analyze(recipe, model, MASK_POLICIES["unmasked"], "hello")


def with_shares(analysis: Analysis, shares: list[float]) -> Analysis:
    """The first positions of an analysis with other shares."""
    kept = zip(analysis.positions, shares, strict=False)
    return replace(analysis, positions=tuple(replace(p, gradient=replace(p.gradient, share=s)) for p, s in kept))


def bars(analysis: Analysis, choice: GradientChoice) -> list[Bar]:
    return list(draw_bars(analysis, choice))


def test_there_is_one_choice_for_each_number_of_a_gradient() -> None:
    assert set(GRADIENT_CHOICES) == {field.name for field in fields(Gradient)}
    assert all(choice.field == name for name, choice in GRADIENT_CHOICES.items())
    assert len({choice.title for choice in GRADIENT_CHOICES.values()}) == len(GRADIENT_CHOICES)
    for choice in GRADIENT_CHOICES.values():
        assert choice.sentence.endswith(".")


@pytest.mark.parametrize("field", ["parameter_norm", "logit_norm", "input_norm"])
def test_the_largest_norm_fills_the_box_and_the_others_are_to_scale(hello: Analysis, field: str) -> None:
    drawn = bars(hello, GRADIENT_CHOICES[field])
    largest = max(bar.value for bar in drawn)
    for bar, position in zip(drawn, hello.positions, strict=True):
        assert bar.value == getattr(position.gradient, field)
        assert bar.height == pytest.approx(100 * bar.value / largest)
        assert bar.baseline == 100
        assert bar.y + bar.height == pytest.approx(100)


def test_a_negative_share_hangs_below_the_line_that_a_positive_one_stands_on(hello: Analysis) -> None:
    up, down, zero = bars(with_shares(hello, [0.75, -0.25, 0.0]), SHARE)
    assert up == Bar(y=0, height=75, baseline=75, value=0.75)
    assert down == Bar(y=75, height=25, baseline=75, value=-0.25)
    assert zero == Bar(y=75, height=0, baseline=75, value=0)


def test_only_negative_shares_hang_from_the_top(hello: Analysis) -> None:
    small, large = bars(with_shares(hello, [-0.5, -1.0]), SHARE)
    assert small == Bar(y=0, height=50, baseline=0, value=-0.5)
    assert large == Bar(y=0, height=100, baseline=0, value=-1.0)


def test_nothing_at_all_is_drawn_as_nothing(hello: Analysis) -> None:
    assert bars(with_shares(hello, [0.0, 0.0]), SHARE) == [Bar(y=100, height=0, baseline=100, value=0)] * 2


@pytest.mark.parametrize("choice", GRADIENT_CHOICES.values(), ids=lambda choice: choice.field)
def test_every_bar_stays_in_its_box(hello: Analysis, choice: GradientChoice) -> None:
    for bar in bars(hello, choice):
        assert -1e-9 <= bar.y <= bar.y + bar.height <= 100 + 1e-9


def test_spans_follow_the_targets_and_lose_no_position(hello: Analysis) -> None:
    assert [(span.segment, span.columns) for span in spans_of(hello)] == [
        ("user", 5),
        ("template", 1),
        ("assistant", 6),
    ]
