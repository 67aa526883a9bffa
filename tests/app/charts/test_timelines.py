"""app/charts/timelines.py: the charts hold what the runs measured."""

import pytest

from app.catalog import Catalog
from app.charts.curves import GUESSING, Link
from app.charts.timelines import QUANTITIES, bands_of, draw_timeline
from model.training.recipes import RECIPES

recipes = pytest.mark.parametrize("slug", RECIPES)


@recipes
def test_a_chart_for_each_segment_s_loss_and_for_exact_match(catalog: Catalog, slug: str) -> None:
    runs = [(policy, catalog.run(RECIPES[slug], policy).run) for policy in ("prompt-masked", "unmasked")]
    charts = draw_timeline(RECIPES[slug], runs, {}, links=[Link(0, "step 0", "/?step=0")], step=0)
    assert [chart.slug for chart in charts] == ["exact_match", "assistant", "user", "template"]
    for chart, quantity in zip(charts, QUANTITIES, strict=True):
        assert [line.slug for line in chart.lines] == ["prompt-masked", "unmasked"]
        for line, (_, run) in zip(chart.lines, runs, strict=True):
            points = [tuple(map(float, point.split(","))) for point in line.points.split()]
            values = [quantity.read(m.metrics) for m in run.measurements]
            leaves = quantity.field == "user" and max(values) > GUESSING.high
            within = next(i for i, v in enumerate(values) if v > GUESSING.high) if leaves else len(values)
            assert len(points) == within + leaves  # one more where it leaves through the top
            for (x, y), measurement in zip(points, run.measurements[:within], strict=False):
                assert x == pytest.approx(1000 * measurement.step / run.steps, abs=0.1)
                value = chart.y.low + (1 - y / 1000) * (chart.y.high - chart.y.low)
                assert value == pytest.approx(quantity.read(measurement.metrics), abs=2e-3 * chart.y.high)
            assert line.band == ""


@recipes
def test_only_the_user_s_loss_has_the_entropy_of_a_letter_as_its_level(catalog: Catalog, slug: str) -> None:
    runs = [("on", catalog.run(RECIPES[slug], "prompt-masked").run)]
    levels = {c.slug: c.levels for c in draw_timeline(RECIPES[slug], runs, {}, links=[], step=0)}
    assert [level.label for level in levels.pop("user")] == ["ln 26 = 3.258: a random letter"]
    assert set(levels.values()) == {()}


def test_without_an_ablation_there_are_no_bands() -> None:
    assert bands_of(None) == {}
