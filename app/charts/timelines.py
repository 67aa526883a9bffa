"""The training of a recipe's runs as charts over steps: exact match, and the loss by segment. In: runs. Out: charts.

Each chart's lines are the shipped runs, the models in memory; its bands are other seeds, if any were measured.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.charts.curves import (
    GUESSING,
    NATS,
    RATE,
    CurveChart,
    Link,
    Reference,
    Series,
    Unit,
    draw_curves,
    place_on,
    random_letter,
)
from model.experiments.ablation.findings import Curves
from model.explain.guessing import Guessing, perfect_guesses, prompt_loss
from model.training.checkpoints import Run
from model.training.evaluation import Metrics
from model.training.recipes import Recipe

Band = tuple[tuple[float, float, float], ...]
"""(step, low, high) in order of steps."""


@dataclass(frozen=True)
class Quantity:
    """Something that is measured during training. `field` names it among the bands."""

    field: str
    title: str
    y_title: str
    unit: Unit
    read: Callable[[Recipe, Metrics], float]
    guess: Callable[[Recipe], Reference] | None = None
    """Where it is a loss on what is random: the best that can be expected."""


def _letter(recipe: Recipe) -> Reference:
    return random_letter(len(recipe.task.alphabet))


def _prompt(recipe: Recipe) -> Reference:
    least = perfect_guesses(recipe)
    return Reference(least, f"{least:.3f}: perfect guesses")


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("exact_match", "Answers right", "of unseen words", RATE, lambda _, m: m.exact_match.value),
    Quantity("assistant", "Loss on the answer", "nats per token", NATS, lambda _, m: m.loss["assistant"].value),
    Quantity(
        "user", "Loss on the user segment", "nats per letter", GUESSING, lambda _, m: m.loss["user"].value, _letter
    ),
    Quantity("template", "Loss on the template segment", "nats", NATS, lambda _, m: m.loss["template"].value),
    Quantity(
        "prompt",
        "Loss on user and template together",
        "nats per token",
        GUESSING,
        lambda recipe, m: prompt_loss(recipe, m).value,
        _prompt,
    ),
)


@dataclass(frozen=True)
class Timeline:
    """The training of both models, the same for every word."""

    charts: tuple[CurveChart, ...]
    seed_curves: dict[str, str]
    """Of each policy, one path with the curves of all seeds."""
    guessing: Guessing
    seeds: int
    """Behind the bands; 0 if there are none."""
    words: int
    """Held-out words of each of the bands' measurements."""

    def at(self, step: int) -> "Timeline":
        return replace(self, charts=tuple(replace(c, current=place_on(c.x, step)) for c in self.charts))


def bands_of(curves: Curves | None) -> dict[tuple[str, str], Band]:
    """The intervals of the mean over seeds, by policy and quantity."""
    return {
        (curve.policy, quantity): tuple(zip(map(float, curve.steps), curve.low, curve.high, strict=True))
        for quantity, of_policies in (curves or {}).items()
        for curve in of_policies
    }


def draw_timeline(
    recipe: Recipe,
    runs: Sequence[tuple[str, Run]],
    bands: Mapping[tuple[str, str], Band],
    *,
    links: Sequence[Link],
    step: int,
) -> tuple[CurveChart, ...]:
    """A chart of each quantity for (name, run) of each policy; `bands` by policy and quantity."""
    return tuple(_draw(quantity, recipe, runs, bands, links, step) for quantity in QUANTITIES)


def _draw(
    quantity: Quantity,
    recipe: Recipe,
    runs: Sequence[tuple[str, Run]],
    bands: Mapping[tuple[str, str], Band],
    links: Sequence[Link],
    step: int,
) -> CurveChart:
    series = [
        Series(
            run.policy,
            name,
            tuple((float(m.step), quantity.read(recipe, m.metrics)) for m in run.measurements),
            bands.get((run.policy, quantity.field), ()),
        )
        for name, run in runs
    ]
    return draw_curves(
        quantity.field,
        quantity.title,
        series,
        y_title=quantity.y_title,
        y_unit=quantity.unit,
        guess=quantity.guess(recipe) if quantity.guess else None,
        links=links,
        current_x=float(step),
    )
