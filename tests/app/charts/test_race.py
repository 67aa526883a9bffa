"""app/charts/race.py: a race's curves in axes that are those of the whole race from its start."""

from typing import Any

import pytest

from app.charts.race import draw_race
from app.races.orders import RaceOrder, order_race
from app.races.standings import Standing
from model.training.recipes import Variation


@pytest.fixture
def order() -> RaceOrder:
    return order_race("reverse4", ("prompt-masked", "unmasked"), 0, None, Variation(steps=100), max_cost=1e12)


def evaluation(step: int, exact: float, loss: float) -> dict[str, Any]:
    return {"step": step, "exact_match": {"value": exact}, "loss": {"assistant": {"value": loss}}}


def test_a_race_that_has_not_begun_has_axes_and_no_lines(order: RaceOrder) -> None:
    for chart in draw_race(order, {policy: Standing() for policy in order.policies}):
        assert (chart.x.low, chart.x.high) == (0, 100)
        assert [line.points for line in chart.lines] == ["", ""]
        assert [line.end for line in chart.lines] == [None, None]


def test_a_measurement_does_not_move_the_axes(order: RaceOrder) -> None:
    empty = draw_race(order, {policy: Standing() for policy in order.policies})
    standings = {
        "prompt-masked": Standing(evaluations=[evaluation(0, 0.0, 3.4), evaluation(50, 0.5, 1.0)]),
        "unmasked": Standing(evaluations=[evaluation(0, 0.0, 3.4)]),
    }
    exact, loss = draw_race(order, standings)
    assert [(c.x, c.y) for c in (exact, loss)] == [(c.x, c.y) for c in empty]
    assert exact.lines[0].points == "0,1000 500,500"
    assert loss.lines[0].points == "0,150 500,750"
    assert loss.lines[1].end == (0, 150)
