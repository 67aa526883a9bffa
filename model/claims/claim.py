"""What a claim is: a statement, how its figures are collected, and the rule that judges them. Knows no claim itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from model.claims.evidence import Evidence
from model.intervals import MeanLoss, Rate, over_seeds, pooled

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

    @classmethod
    def of_rate(cls, label: str, rate: Rate, conditions: str) -> "Figure":
        return cls(label, rate.value, "share", conditions, rate.n, rate.low, rate.high)

    @classmethod
    def of_rates(cls, label: str, rates: Sequence[Rate], conditions: str) -> "Figure":
        """All seeds pooled."""
        return cls.of_rate(label, pooled(rates), conditions)

    @classmethod
    def of_loss(cls, label: str, loss: MeanLoss, conditions: str) -> "Figure":
        return cls(label, loss.value, "nats", conditions, loss.n, loss.low, loss.high)

    @classmethod
    def of_mean(cls, label: str, values: Sequence[float], unit: Unit, conditions: str) -> "Figure":
        """The mean of one value per seed, with the lowest and the highest of them."""
        mean = over_seeds(values)
        return cls(label, mean.value, unit, conditions, len(values), mean.low, mean.high, "lowest to highest")

    def __str__(self) -> str:
        """`96.0 %`, `3.21 nats`"""
        return f"{_number(self.value, self.unit)}{UNIT_WORDS.get(self.unit, '')}"

    def interval(self) -> str:
        """`94.1 to 97.2 %`; empty if there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"{_number(self.low, self.unit)} to {_number(self.high, self.unit)}{UNIT_WORDS.get(self.unit, '')}"

    def at_least(self) -> float:
        """The lower end of its interval, or the number itself."""
        return self.value if self.low is None else self.low

    def clearly_above(self, other: "Figure", by: float = 0.0) -> bool:
        """The whole interval lies above that of the other, by more than so much."""
        return self.at_least() > (other.value if other.high is None else other.high) + by


Figures = Mapping[str, Figure]
"""By a name that rules ask for."""


@dataclass(frozen=True)
class Judgement:
    """`sentence` says when it holds, or what was found instead."""

    word: Word
    sentence: str


@dataclass(frozen=True)
class Source:
    """Of figures: the page that shows them, what measures them anew, what trains anew all that they rest on."""

    page: str
    check: str
    retrain: str


def shown(page: str, command: str, retrain: str = "--measure") -> Source:
    """Figures of one command."""
    return Source(page, f"maskscope {command} --check", f"maskscope {command} {retrain}")


@dataclass(frozen=True)
class Claim:
    slug: str
    says: str
    """What the lesson states, in our words."""
    source: Source
    collect: Callable[[Evidence], Figures]
    judge: Callable[[Figures], Judgement]


def holds(sentence: str) -> Judgement:
    return Judgement("holds", sentence)


def holds_when(sentence: str) -> Judgement:
    return Judgement("holds when", sentence)


def does_not_hold(sentence: str) -> Judgement:
    return Judgement("does not hold here", sentence)


SAME = 0.02
"""Rates no further apart than this are taken for the same."""


UNIT_WORDS: Mapping[Unit, str] = {"share": " %", "nats": " nats", "times": " times"}
"""Behind a number, where its unit is told."""


def _number(value: float, unit: Unit) -> str:
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
