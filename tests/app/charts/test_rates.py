"""app/charts/rates.py: every seed is a dot at its rate and its share, and the marked range is the one that is told."""

import math
from pathlib import Path

import pytest

from app.charts.rates import draw_rates
from model.experiments.dispatcher.rates import KEPT_RATES, PRETRAINING_RATE, RATES, SKILLS

TRIED = KEPT_RATES.read(Path(__file__).resolve().parents[3] / "model" / "trained")
CHART = draw_rates(TRIED, (1, 10))


def test_every_seed_s_share_of_each_skill_is_a_dot() -> None:
    for slug, skill in SKILLS.items():
        shares = [skill.read(run).value for rate in RATES for run in TRIED.at(rate)]
        dots = [dot for dot in CHART.dots if dot.skill == slug]
        assert [dot.y for dot in dots] == pytest.approx([100 * (1 - share) for share in shares], abs=0.001)
    assert len({(dot.skill, dot.x) for dot in CHART.dots}) == len(CHART.dots), "equal seeds are seen as well"


def test_places_are_those_of_the_rates_logarithms() -> None:
    x = CHART.curves.x
    most = 100 * (math.log10(PRETRAINING_RATE) - x.low) / (x.high - x.low)
    least = 100 * (math.log10(PRETRAINING_RATE / 10) - x.low) / (x.high - x.low)
    assert (CHART.start, CHART.width) == (pytest.approx(least, abs=0.01), pytest.approx(most - least, abs=0.01))
    assert [tick.label for tick in x.ticks] == ["1e-6", "1e-5", "1e-4", "1e-3"]
    for dot in CHART.dots:
        assert 0 <= dot.y <= 100
