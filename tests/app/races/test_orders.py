"""app/races/orders.py: a race is resolved, or refused, before anything starts."""

from typing import Any

import pytest

from app.races.orders import MOST_MEASUREMENTS, RaceOrder, order_race
from model.errors import InvalidText, OutOfRange, UnknownName
from model.masks.policies import MASK_POLICIES
from model.training.recipes import RECIPES, Variation

BOTH = ("prompt-masked", "unmasked")


def order(recipe: str = "reverse4", prompt: str | None = None, max_cost: float = 2e12, **changes: Any) -> RaceOrder:
    return order_race(recipe, BOTH, 0, prompt, Variation(**changes), max_cost)


@pytest.mark.parametrize("slug", RECIPES)
def test_every_recipe_can_be_raced_as_it_is(slug: str) -> None:
    settings = order(slug).settings()
    recipe = RECIPES[slug]
    assert (settings["recipe"], settings["prompt"]) == (slug, recipe.task.example)
    assert (settings["steps"], settings["width"]) == (recipe.training.steps, recipe.model.width)
    assert (settings["min_length"], settings["max_length"]) == (recipe.task.min_length, recipe.task.max_length)
    assert None not in [value for name, value in settings.items() if name != "answer_length"]


def test_what_was_asked_for_is_among_the_settings_resolved() -> None:
    settings = order(width=16, learning_rate=0.001, steps=200, answer_length=2).settings()
    assert (settings["width"], settings["learning_rate"], settings["steps"]) == (16, 0.001, 200)
    assert (settings["answer_length"], settings["batch_size"]) == (2, 32)
    assert order(answer_length=2).describe()["answer"] == "dc#"


@pytest.mark.parametrize(
    ("changes", "lengths"),
    [({}, (4, 4)), ({"min_length": 6, "max_length": 6}, (6, 6)), ({"min_length": 1, "max_length": 3}, (1, 3))],
)
def test_the_word_that_is_shown_fits_the_lengths(changes: dict[str, Any], lengths: tuple[int, int]) -> None:
    assert lengths[0] <= len(order(evaluation_words=100, **changes).prompt) <= lengths[1]


@pytest.mark.parametrize(
    ("given", "error", "param"),
    [
        ({"recipe": "nope"}, UnknownName, "recipe"),
        ({"recipe": "\u202e" * 100}, UnknownName, "recipe"),
        ({"width": 9}, OutOfRange, "width"),
        ({"prompt": "abc"}, InvalidText, "prompt"),
        ({"prompt": "ABCD"}, InvalidText, "prompt"),
        ({"steps": MOST_MEASUREMENTS + 1, "evaluate_every": 1}, OutOfRange, "evaluate_every"),
        ({"max_cost": 1e9}, OutOfRange, "steps"),
    ],
)
def test_what_cannot_be_run_is_refused_and_its_field_named(
    given: dict[str, Any], error: type[OutOfRange], param: str
) -> None:
    with pytest.raises(error) as refused:
        order(**given)
    assert refused.value.param == param
    assert len(refused.value.message) < 500
    assert refused.value.message.isascii()


def test_a_race_costs_what_its_models_cost_together() -> None:
    cost = 2 * RECIPES["reverse4"].cost()
    assert order(max_cost=cost).recipe.cost() * 2 == cost
    with pytest.raises(OutOfRange, match="a smaller batch, a narrower model or fewer measurements"):
        order(max_cost=cost - 1)


def test_measuring_costs_as_training_does() -> None:
    with pytest.raises(OutOfRange, match=r"it costs 1\.4e"):
        order(width=128, layers=4, min_length=12, max_length=12, batch_size=1, steps=500, evaluate_every=1)
    order(width=128, layers=4, min_length=12, max_length=12, batch_size=1, steps=500, evaluate_every=50)


@pytest.mark.parametrize("policy", [slug for slug in MASK_POLICIES if slug not in BOTH])
def test_any_other_mask_may_run_against_the_two(policy: str) -> None:
    raced = order_race("reverse4", (*BOTH, policy), 0, None, Variation(), 2e12)
    assert raced.settings()["policies"] == [*BOTH, policy]


@pytest.mark.parametrize(
    ("policies", "error"),
    [
        ((), OutOfRange),
        (("unmasked", "unmasked"), OutOfRange),
        (("mask-late", "mask-early"), OutOfRange),
        (("nope",), UnknownName),
    ],
)
def test_which_masks_cannot_run_together(policies: tuple[str, ...], error: type[OutOfRange]) -> None:
    with pytest.raises(error) as refused:
        order_race("reverse4", policies, 0, None, Variation(), 2e12)
    assert refused.value.param == "policies"


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_is_bounded(seed: int) -> None:
    with pytest.raises(OutOfRange, match="must be 0 to 2147483647"):
        order_race("reverse4", BOTH, seed, None, Variation(), 2e12)


def test_as_many_measurements_as_are_kept_are_allowed() -> None:
    assert order(steps=MOST_MEASUREMENTS, evaluate_every=1).recipe.training.evaluate_every == 1
