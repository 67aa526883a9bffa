"""What else could make a trace help: more targets, or more forward passes. Arms beside the `numbers` pair.

At equal steps the trace trains about nine times as many targets; one arm stops it at as many. A filler as long as
the trace gives as many positions between question and answer and writes nothing in them. Runs are trained and
measured; their weights are not kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.experiments.counted import count_answer_targets, for_steps, train_counting
from model.experiments.reasoning.traces import (
    MOST_SUMS,
    TRACE_PAIRS,
    Asking,
    Reasoning,
    ReasoningRun,
    TermsMeasured,
    measure_terms,
    runs_of,
)
from model.experiments.shipped import SEEDS
from model.intervals import SeedRate, rate_over_seeds
from model.kept import STRICT, KeptFile, compare_rates, keys_of, overlap
from model.masks.policies import RIGHT
from model.text.sums import filled_sums, with_filler
from model.training.loop import initial_model
from model.training.recipes import Recipe, sum_recipe

PAIR = TRACE_PAIRS["numbers"]
TRACE_STEPS = 440
"""With so many steps the trace uses as many targets as the answer at once in its 4,000."""


@dataclass(frozen=True)
class Control:
    slug: str
    title: str
    recipe: Recipe
    differs: str
    """The one thing that differs, and from what."""
    ask: Asking = str
    """A sum as it is asked."""


CONTROLS: dict[str, Control] = {
    control.slug: control
    for control in (
        Control(
            "trace-stopped",
            "with a trace, stopped early",
            for_steps(PAIR.thought, TRACE_STEPS),
            "fewer steps, until it has used as many targets as the answers at once",
        ),
        Control(
            "filler",
            "at once, after a filler",
            sum_recipe(filled_sums("numbers-filler", PAIR.sums)),
            "a filler as long as the trace between question and answer, fed in and never trained",
            ask=with_filler,
        ),
    )
}


@checked(config=STRICT)
class ControlRun:
    arm: str
    seed: int
    steps: Annotated[int, Field(ge=1)]
    targets: Annotated[int, Field(ge=1)]
    """Supervised ones that training has used."""
    by_terms: tuple[TermsMeasured, ...]
    """Of the arms of the pair itself none: their answers lie in reasoning.json."""

    @property
    def key(self) -> tuple[str, int]:
        return self.arm, self.seed

    def at(self, terms: int) -> TermsMeasured:
        return next(measured for measured in self.by_terms if measured.terms == terms)


ControlRuns = tuple[ControlRun, ...]


def measure_control(arm: str, seed: int) -> ControlRun:
    """Train and measure a run. Deterministic on one machine."""
    control = CONTROLS[arm]
    recipe, targets = control.recipe, 0
    model = initial_model(recipe, seed)
    for _, used in train_counting(model, recipe, RIGHT, seed=seed):
        targets = used
    rows = [measure_terms(model, recipe, terms, PAIR.sums, control.ask) for terms in PAIR.terms()]
    return ControlRun(arm, seed, recipe.training.steps, targets, tuple(rows))


def count_pair(recipe: Recipe, seed: int) -> ControlRun:
    """The targets of a run of the pair itself."""
    steps = recipe.training.steps
    return ControlRun(recipe.slug, seed, steps, count_answer_targets(recipe, seed=seed), ())


def measure_controls() -> Iterator[ControlRun]:
    """Everything."""
    for recipe in PAIR.recipes:
        yield from (count_pair(recipe, seed) for seed in SEEDS)
    for control in CONTROLS.values():
        yield from (measure_control(control.slug, seed) for seed in SEEDS)


def measure_again() -> Iterator[ControlRun]:
    """The first seed of each arm."""
    yield from (measure_control(arm, SEEDS[0]) for arm in CONTROLS)


_EXPECTED = (
    *((recipe.slug, seed) for recipe in PAIR.recipes for seed in SEEDS),
    *((control.slug, seed) for control in CONTROLS.values() for seed in SEEDS),
)
KEPT_CONTROLS = KeptFile("controls", TypeAdapter(ControlRuns), keys_of, _EXPECTED)


def runs_of_arm(runs: ControlRuns, arm: str) -> ControlRuns:
    """One per seed."""
    return tuple(run for run in runs if run.arm == arm)


@dataclass(frozen=True)
class ControlRow:
    """An arm over its seeds, asked sums of the most terms trained."""

    slug: str
    title: str
    steps: int
    targets: float
    """Supervised ones that training used, mean over seeds."""
    positions: float
    """Mean number that the model runs behind the sum: those it writes, the stop included, and the filler's."""
    right: SeedRate


def control_rows(runs: ControlRuns, reasoning: Reasoning) -> tuple[ControlRow, ...]:
    """The pair itself, then the arms beside it."""
    titles = zip(PAIR.recipes, ("at once", "with a trace"), strict=True)
    pair = [_row(runs, recipe.slug, title, runs_of(reasoning, recipe.slug)) for recipe, title in titles]
    arms = [_row(runs, c.slug, c.title, runs_of_arm(runs, c.slug), c.ask) for c in CONTROLS.values()]
    return (*pair, *arms)


def _row(
    runs: ControlRuns, arm: str, title: str, measured: Sequence[ReasoningRun | ControlRun], ask: Asking = str
) -> ControlRow:
    counted, most = runs_of_arm(runs, arm), PAIR.sums.most
    asked = PAIR.sums.held_out(most, MOST_SUMS)
    fed_in = sum(len(ask(sum_)) - len(sum_) for sum_ in asked) / len(asked)
    return ControlRow(
        arm,
        title,
        counted[0].steps,
        sum(run.targets for run in counted) / len(counted),
        fed_in + sum(run.at(most).passes for run in measured) / len(measured),
        rate_over_seeds([run.at(most).right for run in measured]),
    )


def departures(stated: ControlRuns, measured: Iterable[ControlRun]) -> list[str]:
    """Where runs, trained anew, depart from what was stated by more than their intervals allow."""
    by_key = {run.key: run for run in stated}
    return compare_rates(
        (
            (f"{run.arm} seed {run.seed}, {row.terms} terms", by_key[run.key].at(row.terms).right, row.right)
            for run in measured
            for row in run.by_terms
        ),
        same=overlap,
    )
