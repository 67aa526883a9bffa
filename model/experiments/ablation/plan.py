"""Plans of ablations: every combination of some values, and the shipped file's as a literal table."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

from model.errors import OutOfRange
from model.experiments.ablation.runs import Plan, setting_of
from model.masks.policies import COMPARED_POLICIES
from model.training.recipes import Variation


def plan_of(variations: Sequence[tuple[str, Variation]], policies: Sequence[str], seeds: int) -> Plan:
    """Seeds count from 0, the seed of the shipped runs.

    Raises:
        OutOfRange: a setting cannot be trained, or is there twice.
    """
    settings = tuple(setting_of(recipe, variation) for recipe, variation in variations)
    slugs = [setting.slug for setting in settings]
    for slug in slugs:
        if slugs.count(slug) > 1:
            raise OutOfRange(f"{slug} is there twice: settings must differ in more than how they are measured")
    return Plan(settings, tuple(policies), tuple(range(seeds)))


def cross(options: Mapping[str, Sequence[float] | None]) -> tuple[Variation, ...]:
    """Every combination of the values given for each field of a Variation; a field without values stays as it is."""
    given = {name: values for name, values in options.items() if values}
    combinations: Iterator[tuple[Any, ...]] = product(*given.values())
    return tuple(Variation(**dict(zip(given, values, strict=True))) for values in combinations)


SHIPPED_SEEDS, SHIPPED_WORDS = 10, 250

GRID = (
    # width, learning rate, steps, steps between two measurements
    (16, 3e-4, 3000, 50),
    (16, 1e-3, 1500, 25),
    (16, 3e-3, 800, 10),
    (32, 3e-4, 1000, 25),  # reverse4 as it is
    (32, 1e-3, 500, 5),
    (32, 3e-3, 400, 5),
    (64, 3e-4, 400, 5),
    (64, 1e-3, 200, 2),
    (64, 3e-3, 150, 2),
)
"""Of reverse4. Budgets are about twice what the slowest of three seeds needed, so that most runs arrive."""

ASKED = (
    # letters asked, steps, steps between two measurements
    (1, 8000, 100),
    (2, 3000, 50),
    (4, 1500, 25),
    (8, 1500, 25),
)
"""Of words of eight letters, so many from their end: the fewer, the more of the sequence is prompt."""


def shipped_plan() -> Plan:
    """The grid, the sweep over prompt : response, and `reverse` at its learning rate and at half of it."""
    shipped = partial(Variation, evaluation_words=SHIPPED_WORDS)
    grid = [
        shipped(width=width, learning_rate=rate, steps=steps, evaluate_every=every)
        for width, rate, steps, every in GRID
    ]
    sweep = [
        shipped(min_length=8, max_length=8, answer_length=asked, steps=steps, evaluate_every=every)
        for asked, steps, every in ASKED
    ]
    varied = [("reverse4", variation) for variation in (*grid, *sweep)]
    varied += [("reverse", shipped(learning_rate=rate)) for rate in (1e-3, 5e-4)]
    return plan_of(varied, COMPARED_POLICIES, SHIPPED_SEEDS)
