"""Tasks about sums: questions whose answers a base model knows, and sums to be worked out, with or without a trace.

`What is 2+2?` -> `4`; `3+4+5` -> `12`; `3+4+5` -> `{3+4=7;7+5=12}12`. Knows nothing of tokens and masks.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
COUNTABLE = 10_000
"""So many sums of a number of terms are listed; of more, some are drawn."""


@dataclass(frozen=True)
class SumQuestions(Task):
    """Questions about single-digit sums. Those of `taught` may be trained on, all others are held out."""

    taught: tuple[str, ...] = ()

    @property
    def untaught(self) -> tuple[str, ...]:
        return tuple(sum_ for sum_ in SUMS if sum_ not in self.taught)

    def longest_answer(self) -> int:
        return 2

    def describe_split(self) -> str:
        """Which sums are never trained on."""
        return f"never trained on: {' '.join(self.untaught)}"

    def words(self, seed: int, *, held_out: bool) -> Iterator[str]:
        """An endless seeded stream of questions from one side of the split."""
        draw = random.Random(f"{self.slug} {seed} {held_out}")
        sums = self.untaught if held_out else self.taught
        while True:
            yield question(draw.choice(sums))

    def held_out_words_at_most(self) -> int:
        return len(self.untaught)


@dataclass(frozen=True)
class LongSums(Task):
    """Sums of `least` to `most` numbers from 0 to `largest`, as many of each number of terms."""

    least: int = 2
    most: int = 6
    largest: int = 9
    traced: bool = False
    """The answer begins with its partial sums."""

    def characters(self) -> str:
        return self.alphabet + "=" + TRACE_START + TRACE_STEP + TRACE_END

    def longest_answer(self) -> int:
        return len(self.solve([sum_of([self.largest] * (self.most + 1))]))

    def check_prompt(self, word: str) -> None:
        """Raises InvalidText for what is no sum, or is one of more terms than one beyond the training's most."""
        super().check_prompt(word)
        terms = list(map(int, word.split(PLUS))) if SUM.fullmatch(word) else []
        if not self.least <= len(terms) <= self.most + 1 or max(terms) > self.largest:
            allowed = f"{self.least} to {self.most + 1} numbers from 0 to {self.largest}"
            raise InvalidText(f"{word[:64]!a} is not a sum of {allowed}, like {self.example}", param="prompt")

    def held_out_sums(self, terms: int, most: int) -> tuple[str, ...]:
        """So many different held-out sums of so many terms, or all if there are no more."""
        numbers = range(self.largest + 1)
        draw = random.Random(f"held out {terms}")
        if len(numbers) ** terms <= COUNTABLE:
            every = [sum_ for sum_ in map(sum_of, product(numbers, repeat=terms)) if is_held_out(sum_)]
            return tuple(draw.sample(every, min(most, len(every))))
        found: dict[str, None] = {}
        while len(found) < most:
            drawn = self.draw_terms(draw, terms)
            if is_held_out(drawn):
                found.setdefault(drawn)
        return tuple(found)

    def draw_terms(self, draw: random.Random, terms: int) -> str:
        return sum_of([draw.randint(0, self.largest) for _ in range(terms)])

    def _draw_word(self, draw: random.Random) -> str:
        return self.draw_terms(draw, draw.randint(self.least, self.most))


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


def sum_questions(slug: str, share: float, seed: int = 0) -> SumQuestions:
    return SumQuestions(
        slug,
        "Answer what a sum is",
        ALPHABET,
        1,
        LONGEST_REQUEST,
        answer_question,
        question("2+2"),
        taught=taught_sums(share, seed),
    )


def long_sums(slug: str, *, traced: bool, largest: int = 9, most: int = 6) -> LongSums:
    """Two such tasks that differ in `traced` ask the same and differ in the response alone."""
    how = "step by step" if traced else "at once"
    return LongSums(
        slug,
        f"Add numbers from 0 to {largest}, {how}",
        digits + PLUS,
        3,
        len(sum_of([largest] * (most + 1))),
        add_step_by_step if traced else add,
        "3+4+5" if largest < 10 else "12+34+56",
        most=most,
        largest=largest,
        traced=traced,
    )
