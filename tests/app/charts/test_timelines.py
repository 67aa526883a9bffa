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
    assert [chart.slug for chart in charts] == ["exact_match", "assistant", "user", "template", "prompt"]
    for chart, quantity in zip(charts, QUANTITIES, strict=True):
        assert [line.slug for line in chart.lines] == ["prompt-masked", "unmasked"]
        for line, (_, run) in zip(chart.lines, runs, strict=True):
            points = [tuple(map(float, point.split(","))) for point in line.points.split()]
            values = [quantity.read(RECIPES[slug], m.metrics) for m in run.measurements]
            leaves = quantity.guess is not None and max(values) > GUESSING.high
            within = next(i for i, v in enumerate(values) if v > GUESSING.high) if leaves else len(values)
            assert len(points) == within + leaves  # one more where it leaves through the top
            for (x, y), measurement in zip(points, run.measurements[:within], strict=False):
                assert x == pytest.approx(1000 * measurement.step / run.steps, abs=0.1)
                value = chart.y.low + (1 - y / 1000) * (chart.y.high - chart.y.low)
                assert value == pytest.approx(
                    quantity.read(RECIPES[slug], measurement.metrics), abs=2e-3 * chart.y.high
                )
            assert line.band == ""


@pytest.mark.parametrize(("slug", "perfect"), [("reverse", "3.125"), ("reverse4", "2.606")])
def test_letters_have_the_entropy_of_one_as_their_level_and_letters_with_ends_perfect_guesses(
    catalog: Catalog, slug: str, perfect: str
) -> None:
    runs = [("off", catalog.run(RECIPES[slug], "unmasked").run)]
    charts = {c.slug: c for c in draw_timeline(RECIPES[slug], runs, {}, links=[], step=0)}
    levels = {slug: [level.label for level in chart.levels] for slug, chart in charts.items() if chart.levels}
    assert levels == {"user": ["ln 26 = 3.258: a random letter"], "prompt": [f"{perfect}: perfect guesses"]}
    for chart in (charts["user"], charts["prompt"]):
        lowest = max(float(point.split(",")[1]) for point in chart.lines[0].points.split())
        assert lowest <= 10 * chart.levels[0].place  # downwards: no point of the line is under its level


def test_without_an_ablation_there_are_no_bands() -> None:
    assert bands_of(None) == {}
