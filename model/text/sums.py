"""Tasks about sums: questions whose answers a base model knows, and sums to be worked out, with or without a trace.

`What is 2+2?` -> `4`; `3+4+5` -> `12`; `3+4+5` -> `{3+4=7;7+5=12}12`. Knows nothing of tokens and masks.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, product
from string import digits

from model.errors import InvalidText
from model.text.corpus import ALPHABET, SUMS, question, total
from model.text.tasks import Task, is_held_out

LONGEST_REQUEST = 40
SUM = re.compile(r"(0|[1-9]\d*)(\+(0|[1-9]\d*))+")
QUESTION = re.compile(r"What is (\d\+\d)\?")
PLUS = "+"
TRACE_START, TRACE_STEP, TRACE_END = "{", ";", "}"
FILLER = TRACE_STEP
COUNTABLE = 10_000
"""So many sums of a number of terms are listed; of more, some are drawn."""


@dataclass(frozen=True)
class LongSums:
    """Sums of `least` to `most` numbers from 0 to `largest`, as many of each number of terms."""

    largest: int
    example: str
    least: int = 2
    most: int = 6

    def longest(self) -> str:
        """Of those that may be asked: one term more than the training's most."""
        return sum_of([self.largest] * (self.most + 1))

    def check(self, asked: str) -> None:
        """Raises InvalidText for what is no sum, or is one of more terms than one beyond the training's most."""
        terms = list(map(int, asked.split(PLUS))) if SUM.fullmatch(asked) else []
        if not self.least <= len(terms) <= self.most + 1 or max(terms) > self.largest:
            allowed = f"{self.least} to {self.most + 1} numbers from 0 to {self.largest}"
            raise InvalidText(f"Write a sum of {allowed}, like {self.example}; {asked[:64]!a} is none", param="prompt")

    def draw(self, draw: random.Random) -> str:
        return self.draw_terms(draw, draw.randint(self.least, self.most))

    def held_out(self, terms: int, most: int) -> tuple[str, ...]:
        """So many different held-out sums of so many terms, or all if there are no more."""
        return _held_out(self, terms, most)

    def draw_terms(self, draw: random.Random, terms: int) -> str:
        """A sum of so many terms."""
        return sum_of([draw.randint(0, self.largest) for _ in range(terms)])


@lru_cache(maxsize=64)
def _held_out(sums: LongSums, terms: int, most: int) -> tuple[str, ...]:
    """Drawn once, though a page asks for the same ones for each of its rows."""
    numbers = range(sums.largest + 1)
    draw = random.Random(f"held out {terms}")
    if len(numbers) ** terms <= COUNTABLE:
        every = [sum_ for sum_ in map(sum_of, product(numbers, repeat=terms)) if is_held_out(sum_)]
        return tuple(draw.sample(every, min(most, len(every))))
    found: dict[str, None] = {}
    while len(found) < most:
        drawn = sums.draw_terms(draw, terms)
        if is_held_out(drawn):
            found.setdefault(drawn)
    return tuple(found)


DIGITS, NUMBERS = LongSums(9, "3+4+5"), LongSums(99, "12+34+56")


def sum_of(terms: Sequence[int]) -> str:
    """`3+4+5`"""
    return PLUS.join(map(str, terms))


def taught_sums(share: float, seed: int = 0) -> tuple[str, ...]:
    """That share of all sums, drawn at random; a smaller share is part of a larger one."""
    shuffled = list(SUMS)
    random.Random(f"taught {seed}").shuffle(shuffled)
    return tuple(islice(shuffled, round(share * len(SUMS))))


def answer_question(turns: Sequence[str]) -> str:
    """The sum asked for; nothing if no sum was asked for, since then nobody here knows what is right."""
    asked = QUESTION.fullmatch(turns[-1])
    return total(asked[1]) if asked else ""


def add(turns: Sequence[str]) -> str:
    return total(turns[-1])


def add_step_by_step(turns: Sequence[str]) -> str:
    """Each partial sum, then the answer."""
    first, *rest = map(int, turns[-1].split("+"))
    steps = []
    for term in rest:
        steps.append(f"{first}+{term}={first + term}")
        first += term
    return f"{TRACE_START}{TRACE_STEP.join(steps)}{TRACE_END}{first}"


def final_answer(text: str) -> str:
    """What is behind the trace, if there is one."""
    return text.rpartition(TRACE_END)[2]


def with_filler(sum_: str) -> str:
    """The sum, and after it one character as often as its trace has tokens."""
    trace = add_step_by_step([sum_])
    return sum_ + FILLER * (len(trace) - len(final_answer(trace)))


def without_filler(asked: str) -> str:
    return asked.rstrip(FILLER)


def sum_questions(slug: str, share: float, seed: int = 0) -> Task:
    """Questions about single-digit sums, of which that share may be trained on; all others are held out."""
    taught = taught_sums(share, seed)
    untaught = [sum_ for sum_ in SUMS if sum_ not in taught]
    return Task(
        slug,
        "Answer what a sum is",
        ALPHABET,
        1,
        LONGEST_REQUEST,
        answer_question,
        question("2+2"),
        longest=question("9+9"),
        taught=tuple(map(question, taught)),
        untaught=tuple(map(question, untaught)),
        split=f"never trained on: {' '.join(untaught)}",
    )


def long_sums(slug: str, sums: LongSums, *, traced: bool) -> Task:
    """Two such tasks that differ in `traced` ask the same and differ in the response alone."""
    how = "step by step" if traced else "at once"
    return Task(
        slug,
        f"Add numbers from 0 to {sums.largest}, {how}",
        digits + PLUS,
        3,
        len(sums.longest()),
        add_step_by_step if traced else add,
        sums.example,
        answer_alphabet="=" + TRACE_START + TRACE_STEP + TRACE_END,
        longest=sums.longest(),
        draw=sums.draw,
        check=sums.check,
    )


def filled_sums(slug: str, sums: LongSums) -> Task:
    """Sums answered at once behind a filler, which is part of the question: fed in, never trained, never written."""
    at_once = long_sums(slug, sums, traced=False)
    longest = with_filler(sums.longest())
    return replace(
        at_once,
        title=f"Add numbers from 0 to {sums.largest}, after a filler",
        max_length=len(longest),
        longest=longest,
        example=with_filler(sums.example),
        solve=_add_behind_filler,
        draw=lambda draw: with_filler(sums.draw(draw)),
        check=lambda asked: _check_filled(sums, asked),
        holds_out=lambda asked: is_held_out(without_filler(asked)),
    )


def _add_behind_filler(turns: Sequence[str]) -> str:
    return total(without_filler(turns[-1]))


def _check_filled(sums: LongSums, asked: str) -> None:
    """Raises InvalidText for what is no such sum, or has another filler than its own."""
    sums.check(without_filler(asked))
    if asked != with_filler(without_filler(asked)):
        told = f"{asked[:64]!a} has another number of them"
        raise InvalidText(f"Write a sum and then as many {FILLER} as its trace has tokens; {told}", param="prompt")
