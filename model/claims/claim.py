"""What a claim is: a statement, how its figures are collected, and the rule that judges them. Knows no claim itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from model.claims.evidence import Evidence
from model.intervals import MeanLoss, Rate, pooled
from model.masks.policies import RIGHT

Word = Literal["holds", "holds when", "does not hold here"]
Unit = Literal["share", "nats", "steps", "times", "logits", "count", "tokens"]


@dataclass(frozen=True)
class Figure:
    """One measured number with its n, its 95 % interval where it has one, and its conditions."""

    label: str
    value: float
    unit: Unit
    conditions: str
    n: int | None = None
    low: float | None = None
    high: float | None = None
    spans: Literal["95 % interval", "lowest to highest"] = "95 % interval"
    """What `low` and `high` are."""


Figures = Mapping[str, Figure]
"""By a name that rules ask for."""


@dataclass(frozen=True)
class Judgement:
    """`sentence` says when it holds, or what was found instead."""

    word: Word
    sentence: str


@dataclass(frozen=True)
class Claim:
    slug: str
    says: str
    """What the lesson states, in our words."""
    page: str
    """Where it can be seen."""
    command: str
    """What measures it anew."""
    collect: Callable[[Evidence], Figures]
    judge: Callable[[Figures], Judgement]
    retrain: str = ""
    """What trains anew all that it rests on; by default `command` with --measure in place of --check."""

    def retrain_command(self) -> str:
        return self.retrain or self.command.replace("--check", "--measure")


def holds(sentence: str) -> Judgement:
    return Judgement("holds", sentence)


def holds_when(sentence: str) -> Judgement:
    return Judgement("holds when", sentence)


def does_not_hold(sentence: str) -> Judgement:
    return Judgement("does not hold here", sentence)


def of_rate(label: str, rate: Rate, conditions: str) -> Figure:
    return Figure(label, rate.value, "share", conditions, rate.n, rate.low, rate.high)


def of_rates(label: str, rates: Sequence[Rate], conditions: str) -> Figure:
    """All seeds pooled."""
    return of_rate(label, pooled(rates), conditions)


def of_loss(label: str, loss: MeanLoss, conditions: str) -> Figure:
    return Figure(label, loss.value, "nats", conditions, loss.n, loss.low, loss.high)


def of_mean(label: str, values: Sequence[float], unit: Unit, conditions: str) -> Figure:
    """The mean of one value per seed, with the lowest and the highest of them."""
    mean = sum(values) / len(values)
    return Figure(label, mean, unit, conditions, len(values), min(values), max(values), "lowest to highest")


GALLERY_CHECK, GALLERY_TRAIN = "maskscope gallery --check", "maskscope gallery --train"
TITLES = {
    "exact_match": "exact match",
    "first_right": "first letter right",
    "by_turn": "first answer of a dialogue right",
}


def rates_beside_the_right(recipe: str, policy: str, *rates: str) -> Callable[[Evidence], Figures]:
    """`bug_` and `right_` for each rate: of the model trained under a policy, and under the right one."""

    def collect(evidence: Evidence) -> Figures:
        found = {}
        for (name, slug), rate in product((("bug", policy), ("right", RIGHT.slug)), rates):
            measured = evidence.gallery[recipe, slug]
            value = getattr(measured.symptoms, rate)
            first = value[0] if isinstance(value, tuple) else value
            conditions = f"{recipe}, {slug}, step {measured.steps}, seed {measured.seed}"
            found[f"{name}_{rate}"] = of_rate(f"{TITLES[rate]}, {slug}", first, conditions)
        return found

    return collect


def bounds(figure: Figure) -> tuple[float, float]:
    """Its interval, or the number itself."""
    return (figure.value if figure.low is None else figure.low, figure.value if figure.high is None else figure.high)


def clearly_above(first: Figure, second: Figure, by: float = 0.0) -> bool:
    """The whole interval of the first lies above that of the second, by more than so much."""
    return bounds(first)[0] > bounds(second)[1] + by


SAME = 0.02
"""Rates no further apart than this are taken for the same."""


def in_words(figure: Figure) -> str:
    """`96.0 %`, `3.21 nats`"""
    return f"{write(figure.value, figure.unit)}{UNIT_WORDS[figure.unit]}"


def interval_in_words(figure: Figure) -> str:
    """`94.1 to 97.2 %`; empty if there is none."""
    if figure.low is None or figure.high is None:
        return ""
    low, high = write(figure.low, figure.unit), write(figure.high, figure.unit)
    return f"{low} to {high}{UNIT_WORDS[figure.unit]}"


UNIT_WORDS: Mapping[Unit, str] = {
    "share": " %",
    "nats": " nats",
    "times": " times",
    "logits": "",
    "steps": "",
    "count": "",
    "tokens": "",
}


def write(value: float, unit: Unit) -> str:
    """The number alone, shares in percent."""
    match unit:
        case "share":
            return f"{100 * value:.1f}"
        case "nats" | "times":
            return f"{value:.2f}"
        case "logits":
            return f"{value:.1e}"
        case "steps" | "count" | "tokens":
            return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
