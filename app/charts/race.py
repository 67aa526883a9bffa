"""A race as charts over steps: exact match, and the loss on the answer. In: an order and its standings. Out: charts.

The axes are those of the whole race from its start, so that a script can go on drawing in them.
"""

import math
from collections.abc import Mapping

from app.charts.curves import RATE, CurveChart, Series, Unit, draw_curves
from app.races.orders import RaceOrder
from app.races.standings import Standing
from model.masks.policies import MASK_POLICIES, POLICY_NAMES


def name_of(policy: str) -> str:
    """What a model of a race is called."""
    return POLICY_NAMES.get(policy) or MASK_POLICIES[policy].title.lower()


def draw_race(order: RaceOrder, standings: Mapping[str, Standing]) -> tuple[CurveChart, ...]:
    """Exact match and the answer's loss on held-out words, a line for each policy."""
    steps = float(order.recipe.training.steps)
    # A model that knows nothing is as good as one that gives every token the same chance.
    nats = Unit(lambda value: f"{value:.3g}", high=math.ceil(math.log(order.recipe.tokenizer.vocab_size)))
    exact = _series(standings, "exact_match")
    loss = _series(standings, "loss", "assistant")
    return (
        draw_curves("exact_match", "Answers right", exact, y_title="of unseen words", y_unit=RATE, x_high=steps),
        draw_curves("assistant", "Loss on the answer", loss, y_title="nats per token", y_unit=nats, x_high=steps),
    )


def _series(standings: Mapping[str, Standing], *path: str) -> list[Series]:
    return [
        Series(policy, name_of(policy), tuple((e["step"], _value(e, path)) for e in standing.evaluations))
        for policy, standing in standings.items()
    ]


def _value(evaluation: dict[str, object], path: tuple[str, ...]) -> float:
    found: object = evaluation
    for name in (*path, "value"):
        assert isinstance(found, dict)
        found = found[name]
    assert isinstance(found, float)
    return found
