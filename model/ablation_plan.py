"""Plans of ablations: every combination of some values, and the shipped file's as a literal table."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from model.ablation import Plan, setting_of
from model.errors import OutOfRange
from model.masks import MASK_POLICIES
from model.recipes import Variation


def plan_of(variations: Sequence[tuple[str, Variation]], policies: Sequence[str], seeds: int) -> Plan:
    """Seeds count from 0, the seed of the shipped runs.

    Raises:
        OutOfRange: a setting cannot be trained, or is there twice.
    """
    settings = tuple(setting_of(recipe, variation) for recipe, variation in variations)
    slugs = [setting.slug for setting in settings]
    for slug in slugs:
        if slugs.count(slug) > 1:
            raise OutOfRange(f"{slug} is there twice; allowed: settings that differ in more than how they are measured")
    return Plan(settings, tuple(policies), tuple(range(seeds)))


def cross(options: Mapping[str, Sequence[float] | None]) -> tuple[Variation, ...]:
    """Every combination of the values given for each field of a Variation; a field without values stays as it is."""
    given = {name: values for name, values in options.items() if values}
    combinations: Iterator[tuple[Any, ...]] = product(*given.values())
    return tuple(Variation(**dict(zip(given, values, strict=True))) for values in combinations)


SHIPPED_SEEDS = 10

SHIPPED: tuple[tuple[str, Variation], ...] = (
    ("reverse4", Variation(evaluation_words=250)),
    ("reverse4", Variation(width=16, learning_rate=1e-4, steps=6000, evaluate_every=100, evaluation_words=250)),
    ("reverse4", Variation(width=16, learning_rate=3e-4, steps=3000, evaluate_every=50, evaluation_words=250)),
    ("reverse4", Variation(width=16, learning_rate=1e-3, steps=1500, evaluate_every=25, evaluation_words=250)),
    ("reverse4", Variation(width=32, learning_rate=1e-4, steps=3000, evaluate_every=50, evaluation_words=250)),
    ("reverse4", Variation(width=32, learning_rate=1e-3, steps=500, evaluate_every=10, evaluation_words=250)),
    ("reverse4", Variation(width=64, learning_rate=1e-4, steps=1000, evaluate_every=20, evaluation_words=250)),
    ("reverse4", Variation(width=64, learning_rate=3e-4, steps=500, evaluate_every=10, evaluation_words=250)),
    ("reverse4", Variation(width=64, learning_rate=1e-3, steps=250, evaluate_every=5, evaluation_words=250)),
    *(
        (
            "reverse4",
            Variation(
                min_length=8,
                max_length=8,
                answer_length=answer_length,
                steps=2500,
                evaluate_every=50,
                evaluation_words=250,
            ),
        )
        for answer_length in (1, 2, 4, 8)
    ),
    ("reverse", Variation(evaluation_words=250)),
)
"""First reverse4 as it is among widths and learning rates, each with a budget that most runs need less than; then words
of eight letters of which fewer and fewer are asked; then reverse as it is."""


def shipped_plan() -> Plan:
    return plan_of(SHIPPED, tuple(MASK_POLICIES), SHIPPED_SEEDS)
