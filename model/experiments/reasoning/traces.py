"""Sums answered at once or with a trace: accuracy by number of terms, and forward passes per answer. In: models.

Everything shown of it lies in reasoning.json, as `measure_reasoning` makes it from trained models.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.experiments.shipped import SEEDS
from model.intervals import Rate, SeedRate, rate_of, rate_over_seeds
from model.kept import STRICT, KeptFile, compare_rates, keys_of
from model.masks.policies import RIGHT
from model.network.gpt import GPT
from model.text.sums import DIGITS, NUMBERS, LongSums, final_answer
from model.text.tokenizer import END_OF_TURN
from model.training.checkpoints import load_last
from model.training.evaluation import answers
from model.training.recipes import SUM_RECIPES, Recipe

Asking = Callable[[str], str]

MOST_SUMS = 200
"""Of each number of terms; where fewer are held out, all of them."""


@dataclass(frozen=True)
class TracePair:
    """The same kind of sums answered at once and with a trace: recipes that differ in the response alone."""

    slug: str
    title: str
    sums: LongSums
    direct: Recipe
    thought: Recipe

    @property
    def recipes(self) -> tuple[Recipe, Recipe]:
        return self.direct, self.thought

    def terms(self) -> range:
        """Up to one more than trained."""
        return range(self.sums.least, self.sums.most + 2)


TRACE_PAIRS: dict[str, TracePair] = {
    pair.slug: pair
    for pair in (
        TracePair("sums", "digits", DIGITS, SUM_RECIPES["sums-direct"], SUM_RECIPES["sums-thought"]),
        TracePair("numbers", "numbers to 99", NUMBERS, SUM_RECIPES["numbers-direct"], SUM_RECIPES["numbers-thought"]),
    )
}
TRACE_RECIPES = tuple(recipe for pair in TRACE_PAIRS.values() for recipe in pair.recipes)


@checked(config=STRICT)
class TermsMeasured:
    """Held-out sums of so many terms, greedy."""

    terms: Annotated[int, Field(ge=2)]
    right: Rate
    """Right and stopped: what stands behind the trace, if there is one, is the sum and a stop."""
    whole: Rate
    """The trace is right as well."""
    passes: float
    """Mean forward passes per answer: one for each token written, the stop included."""


@checked(config=STRICT)
class ReasoningRun:
    recipe: str
    seed: int
    steps: Annotated[int, Field(ge=1)]
    by_terms: tuple[TermsMeasured, ...]

    @property
    def key(self) -> tuple[str, int]:
        return self.recipe, self.seed

    def at(self, terms: int) -> TermsMeasured:
        return next(measured for measured in self.by_terms if measured.terms == terms)


Reasoning = tuple[ReasoningRun, ...]


def runs_of(measured: Reasoning, recipe: str) -> tuple[ReasoningRun, ...]:
    """One per seed."""
    return tuple(run for run in measured if run.recipe == recipe)


@dataclass(frozen=True)
class TermsRow:
    """Sums of so many terms, at once and with a trace, over seeds."""

    terms: int
    trained: bool
    rates: tuple[SeedRate, ...]
    whole: SeedRate
    """The trace right as well."""
    passes: tuple[float, ...]


def terms_rows(comparison: TracePair, reasoning: Reasoning) -> tuple[TermsRow, ...]:
    return tuple(_terms_row(comparison, reasoning, terms) for terms in comparison.terms())


def _terms_row(comparison: TracePair, reasoning: Reasoning, terms: int) -> TermsRow:
    measured = [[run.at(terms) for run in runs_of(reasoning, recipe.slug)] for recipe in comparison.recipes]
    return TermsRow(
        terms,
        trained=terms <= comparison.sums.most,
        rates=tuple(rate_over_seeds([row.right for row in rows]) for rows in measured),
        whole=rate_over_seeds([row.whole for row in measured[1]]),
        passes=tuple(sum(row.passes for row in rows) / len(rows) for rows in measured),
    )


def verdict_sentence(comparison: TracePair, rows: Sequence[TermsRow]) -> str:
    """What the intervals allow to be said, and no more."""
    most = next(row for row in rows if row.terms == comparison.sums.most)
    beyond = rows[-1]
    direct, thought = most.rates
    found = f"{100 * thought.value:.1f} % with a trace, {100 * direct.value:.1f} % at once"
    if thought.low > direct.high:
        verdict = f"With {most.terms} {comparison.title} the trace helps: {found}."
    elif direct.low > thought.high:
        verdict = f"With {most.terms} {comparison.title} the trace hurts: {found}."
    else:
        verdict = f"With {most.terms} {comparison.title} no clear gap was found: {found}, and the intervals overlap."
    rates = [f"{100 * rate.value:.1f} %" for rate in beyond.rates]
    rest = f"With one term more than in training: {rates[1]} with a trace, {rates[0]} at once."
    return f"{verdict} {rest}"


def measure_reasoning(model: GPT, recipe: Recipe, seed: int) -> ReasoningRun:
    comparison = next(c for c in TRACE_PAIRS.values() if recipe.slug in [r.slug for r in c.recipes])
    rows = [measure_terms(model, recipe, terms, comparison.sums) for terms in comparison.terms()]
    return ReasoningRun(recipe.slug, seed, recipe.training.steps, tuple(rows))


def measure_terms(model: GPT, recipe: Recipe, terms: int, among: LongSums, ask: Asking = str) -> TermsMeasured:
    """Held-out sums of so many terms, each asked as `ask` has it."""
    asked = tuple(map(ask, among.held_out(terms, MOST_SUMS)))
    given = answers(model, recipe.task, recipe.tokenizer, asked)
    return TermsMeasured(
        terms,
        rate_of(final_answer(a.given) == final_answer(a.right + END_OF_TURN) for a in given),
        rate_of(a.exact for a in given),
        sum(len(a.given) for a in given) / len(given),
    )


def measure_runs(folders: Sequence[Path]) -> Iterator[ReasoningRun]:
    """The last weights in each run's folder. Raises BrokenRun."""
    for folder in folders:
        run, model = load_last(folder)
        yield measure_reasoning(model, SUM_RECIPES[run.recipe], run.seed)


def shipped_folders(trained: Path) -> list[Path]:
    return [trained / recipe.slug / RIGHT.slug for recipe in TRACE_RECIPES]


_EXPECTED = tuple((recipe.slug, seed) for recipe in TRACE_RECIPES for seed in SEEDS)
KEPT_REASONING = KeptFile("reasoning", TypeAdapter(Reasoning), keys_of, _EXPECTED)


def departures(stated: Reasoning, measured: Iterable[ReasoningRun]) -> list[str]:
    """Where shipped runs, measured anew, depart from what was stated."""
    by_key = {run.key: run for run in stated}
    return compare_rates(
        (f"{run.recipe}, {row.terms} terms, {name}", getattr(by_key[run.key].at(row.terms), name), getattr(row, name))
        for run in measured
        for row, name in product(run.by_terms, ("right", "whole"))
    )
