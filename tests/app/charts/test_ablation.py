"""app/charts/ablation.py: the charts show the findings' numbers and no others."""

from collections.abc import Callable

import pytest

from app.charts.ablation import curve_charts, name_of, pair_chart, ratio_chart, sweep_chart
from app.charts.curves import SIDE
from model.experiments.ablation.findings import Findings, find
from model.experiments.ablation.runs import Ablation, setting_of
from model.training.recipes import Variation

TINY = Variation(width=8, steps=400, evaluate_every=20, evaluation_words=10)
MASKED, UNMASKED = [100, 120, 140, 100, 120, 140], [200, 220, 260, None, 200, 300]


@pytest.fixture
def findings(make_ablation: Callable[..., Ablation]) -> Findings:
    return find(make_ablation(("reverse4", TINY, {"prompt-masked": MASKED, "unmasked": UNMASKED})))


def test_curves_are_the_means_and_bands_over_seeds(findings: Findings) -> None:
    (comparison,) = findings.comparisons
    right, answer, user = curve_charts(comparison)
    assert (right.slug, answer.slug, user.slug) == ("exact-match", "assistant", "user")
    for line in right.lines:
        curve = comparison.curve("exact_match", line.slug)
        places = [tuple(map(float, pair.split(","))) for pair in line.points.split()]
        assert places == [
            pytest.approx((SIDE * step / 400, SIDE * (1 - mean)), abs=0.06)
            for step, mean in zip(curve.steps, curve.mean, strict=True)
        ]
        assert len(line.band.split()) == 2 * len(curve.steps)
    assert [level.label for level in user.levels] == ["ln 26 = 3.258: a random letter"]
    assert not right.levels


def test_dots_are_the_seeds_steps(findings: Findings) -> None:
    chart = pair_chart(findings.comparisons[0])
    assert [row.dots[0].x for row in chart.rows] == [step / 4 for step in MASKED]
    assert [row.dots[1].x for row in chart.rows] == [100 if step is None else step / 4 for step in UNMASKED]
    assert "seed 3: mask on 100, mask off never" in chart.description
    assert chart.title == "Steps to 90 % of each seed"


def test_a_ratio_s_row_says_what_the_comparison_says(findings: Findings) -> None:
    (comparison,) = findings.comparisons
    for chart in (ratio_chart([comparison], comparison), sweep_chart([comparison])):
        ratio = chart.rows[0].ratio
        assert (ratio.value, ratio.low, ratio.high) == (
            comparison.ratio.value,
            comparison.ratio.low,
            comparison.ratio.high,
        )
        assert ratio.verdict == comparison.verdict
        assert ratio.href == "/ablation?setting=reverse4-width8-steps400#setting"
    assert ratio_chart([comparison], comparison).rows[0].ratio.current
    assert sweep_chart([comparison]).rows[0].ratio.name == "50 % without a loss"


@pytest.mark.parametrize(
    ("variation", "name"),
    [
        (Variation(), "4 letters · width 32 · rate 0.0003"),
        (Variation(min_length=2, answer_length=1, width=8), "2 to 4 letters, 1 asked · width 8 · rate 0.0003"),
    ],
)
def test_a_setting_s_name_is_what_it_is_told_apart_by(variation: Variation, name: str) -> None:
    assert name_of(setting_of("reverse4", variation)) == name
