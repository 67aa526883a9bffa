"""model/experiments/ablation/plan.py.

Every combination once; the shipped plan compares what the page says it compares.
"""

import pytest

from model.errors import OutOfRange
from model.experiments.ablation.plan import cross, plan_of, shipped_plan
from model.masks.policies import COMPARED_POLICIES
from model.training.recipes import RECIPES, Variation


def test_every_combination_of_the_values_given() -> None:
    assert cross({"width": [8, 16], "steps": None, "layers": [], "learning_rate": [0.1, 0.2]}) == (
        Variation(width=8, learning_rate=0.1),
        Variation(width=8, learning_rate=0.2),
        Variation(width=16, learning_rate=0.1),
        Variation(width=16, learning_rate=0.2),
    )
    assert cross({}) == (Variation(),)


def test_a_setting_that_is_there_twice_is_refused() -> None:
    with pytest.raises(OutOfRange, match="reverse4 is there twice"):
        plan_of([("reverse4", Variation()), ("reverse4", Variation(width=32, evaluate_every=5))], ["unmasked"], 1)


def test_the_shipped_plan_has_every_recipe_as_it_is_and_the_sweeps_of_the_page() -> None:
    plan = shipped_plan()
    assert plan.policies == COMPARED_POLICIES
    assert plan.seeds[0] == 0
    assert len(plan.seeds) >= 10
    slugs = {setting.slug for setting in plan.settings}
    assert set(RECIPES) <= slugs
    of_grid = [s for s in plan.settings if s.recipe == "reverse4" and s.min_length == 4 and s.answer_length is None]
    widths, rates = {s.width for s in of_grid}, {s.learning_rate for s in of_grid}
    assert len(of_grid) == len(widths) * len(rates)
    assert min(len(widths), len(rates)) >= 3
    asked = {s.answer_length: s.prompt_tokens / s.answer_tokens for s in plan.settings if s.answer_length}
    assert len(asked) >= 4
    assert max(asked.values()) > 4 * min(asked.values())
