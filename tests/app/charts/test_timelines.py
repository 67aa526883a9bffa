"""app/charts/timelines.py: the charts hold what the runs measured."""

import math

import pytest

from app.catalog import Catalog
from app.charts.curves import GUESSING, Link
from app.charts.timelines import QUANTITIES, bands_of, draw_timeline, letter_floor
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


def test_words_of_one_length_leave_only_the_letter_to_guess() -> None:
    assert letter_floor(RECIPES["reverse4"]) == pytest.approx(math.log(26))


def test_words_of_many_lengths_also_leave_whether_they_go_on() -> None:
    recipe = RECIPES["reverse"]
    words = recipe.task.held_out_words(1000)
    # letter k follows a letter with the chance that a word of at least k-1 letters has at least k: (11 - k) / (12 - k)
    surprise = sum(
        -math.log(1 / 26) - (math.log((11 - k) / (12 - k)) if k > 1 else 0) for w in words for k in range(1, len(w) + 1)
    )
    assert letter_floor(recipe) == pytest.approx(surprise / sum(map(len, words)))


@recipes
def test_the_unmasked_model_comes_near_the_floor_and_never_below_it(catalog: Catalog, slug: str) -> None:
    loss = catalog.run(RECIPES[slug], "unmasked").run.metrics_at(RECIPES[slug].training.steps).loss["user"]
    assert loss.high > letter_floor(RECIPES[slug]) - 0.01
    assert loss.value < letter_floor(RECIPES[slug]) + 0.02


def test_without_an_ablation_there_are_no_bands() -> None:
    assert bands_of(None) == {}
