"""What a claim is: a statement, how its figures are collected, and the rule that judges them. Knows no claim itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from model.claims.evidence import Evidence
from model.intervals import (
    Interval,
    MeanLoss,
    Rate,
    SeedRate,
    difference_of_rates,
    difference_over_seeds,
    over_seeds,
    rate_over_seeds,
)

Word = Literal["holds", "holds when", "does not hold here", "not settled here"]
Unit = Literal["share", "points", "nats", "steps", "times", "logits", "count", "tokens"]
Spans = Literal[
    "95 % Wilson interval, one model",
    "95 % interval, one model",
    "95 % t interval over seeds",
    "95 % t interval over paired seeds",
    "95 % Newcombe interval, one model each",
    "95 % bootstrap interval over seeds",
    "lowest to highest seed",
]


PAIRED: Spans = "95 % t interval over paired seeds"


@dataclass(frozen=True)
class Figure:
    """One measured number with its n, its interval where it has one, and its conditions."""

    label: str
    value: float
    unit: Unit
    conditions: str
    n: int | None = None
    """How many of what the label counts; of a rate the different questions, each counted once."""
    low: float | None = None
    high: float | None = None
    spans: Spans | None = None
    """What `low` and `high` are."""
    seeds: tuple[float, ...] = ()
    """The value of each seed, of a figure over seeds."""
    questions: int | None = None
    """Of a rate: how many different ones were asked."""
    bound: Literal["at least", "at most"] | None = None
    """What the number is of the true one, where a training ended before it was known."""

    @classmethod
    def of_rate(cls, label: str, rate: Rate, conditions: str) -> "Figure":
        span: Spans = "95 % Wilson interval, one model"
        return cls(label, rate.value, "share", conditions, rate.n, rate.low, rate.high, span, questions=rate.n)

    @classmethod
    def of_rates(cls, label: str, rates: Sequence[Rate], conditions: str) -> "Figure":
        """One rate per seed; all were asked the same."""
        return cls.of_seeds(label, rate_over_seeds(rates), conditions)

    @classmethod
    def of_seeds(cls, label: str, rate: SeedRate, conditions: str) -> "Figure":
        ends: tuple[float, float, Spans] = rate.low, rate.high, "95 % t interval over seeds"
        return cls(label, rate.value, "share", conditions, rate.questions, *ends, rate.seeds, rate.questions)

    @classmethod
    def of_difference(cls, label: str, first: Rate, second: Rate, conditions: str) -> "Figure":
        """first - second, one model each."""
        span: Spans = "95 % Newcombe interval, one model each"
        return cls._difference(label, difference_of_rates(first, second), span, conditions, first.n)

    @classmethod
    def of_differences(
        cls, label: str, first: Sequence[Rate], second: Sequence[Rate], conditions: str, questions: int | None = None
    ) -> "Figure":
        """first - second, paired by seed; `questions` as in `rate_over_seeds`."""
        difference, span = difference_over_seeds(first, second), PAIRED
        by_seed = tuple(a.value - b.value for a, b in zip(first, second, strict=True))
        return cls._difference(label, difference, span, conditions, questions or first[0].n, by_seed)

    @classmethod
    def _difference(
        cls, label: str, found: Interval, span: Spans, conditions: str, questions: int, seeds: tuple[float, ...] = ()
    ) -> "Figure":
        ends = found.low, found.high, span
        return cls(label, found.value, "points", conditions, questions, *ends, seeds, questions)

    @classmethod
    def of_loss(cls, label: str, loss: MeanLoss, conditions: str) -> "Figure":
        return cls(label, loss.value, "nats", conditions, loss.n, loss.low, loss.high, "95 % interval, one model")

    @classmethod
    def of_mean(cls, label: str, values: Sequence[float], unit: Unit, conditions: str) -> "Figure":
        """The mean of one value per seed, with the lowest and the highest of them."""
        mean = over_seeds(values)
        ends: tuple[float, float, Spans] = mean.low, mean.high, "lowest to highest seed"
        return cls(label, mean.value, unit, conditions, len(values), *ends, tuple(values))

    def __str__(self) -> str:
        """`96.0 %`, `3.21 nats`"""
        bound = f"{self.bound} " if self.bound else ""
        return f"{bound}{_number(self.value, self.unit)}{UNIT_WORDS.get(self.unit, '')}"

    def interval(self) -> str:
        """`94.1 to 97.2 %`; empty if there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"{_number(self.low, self.unit)} to {_number(self.high, self.unit)}{UNIT_WORDS.get(self.unit, '')}"

    def by_seed(self) -> str:
        """`7.0; 67.0; 5.0 %`; empty if it is not over seeds."""
        numbers = "; ".join(_number(value, self.unit) for value in self.seeds)
        return f"{numbers}{UNIT_WORDS.get(self.unit, '')}" if numbers else ""

    def at_least(self) -> float:
        """The lower end of its interval, or the number itself."""
        return self.value if self.low is None else self.low

    def at_most(self) -> float:
        """The upper end of its interval, or the number itself."""
        return self.value if self.high is None else self.high

    def within(self, by: float) -> bool:
        """The whole interval, of a difference, is no further from 0 than so much."""
        return -by <= self.at_least() and self.at_most() <= by

    def clearly_above(self, other: "Figure", by: float = 0.0) -> bool:
        """The whole interval lies above that of the other, by more than so much."""
        return self.at_least() > other.at_most() + by


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
    part: str
    """Of the lesson, by slug."""
    source: Source
    collect: Callable[[Evidence], Figures]
    judge: Callable[[Figures], Judgement]


def holds(sentence: str) -> Judgement:
    return Judgement("holds", sentence)


def holds_when(sentence: str) -> Judgement:
    return Judgement("holds when", sentence)


def does_not_hold(sentence: str) -> Judgement:
    return Judgement("does not hold here", sentence)


def not_settled(sentence: str) -> Judgement:
    """Neither a difference nor sameness was shown."""
    return Judgement("not settled here", sentence)


SAME = 0.02
"""Rates are the same if the whole interval of their difference is no further from 0 than this: two points."""
SAME_TOLD = f"{100 * SAME:.0f} points"


UNIT_WORDS: Mapping[Unit, str] = {"share": " %", "points": " points", "nats": " nats", "times": " times"}
"""Behind a number, where its unit is told."""


def _number(value: float, unit: Unit) -> str:
    """The number alone, shares and their differences in percent."""
    match unit:
        case "share" | "points":
            return f"{100 * value:z.1f}"
        case "nats" | "times":
            return f"{value:.2f}"
        case "logits":
            return f"{value:.1e}"
        case "steps" | "tokens":
            return f"{value:,.0f}"
        case "count":
            return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
