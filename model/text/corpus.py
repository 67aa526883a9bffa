"""The text a base model is pretrained on: worksheets, facts and plain sentences. In: a seed. Out: an endless text.

No template is in it: `<`, `>` and `#` never occur. A worksheet asks question after question and answers none; a fact
answers one behind `Q:` and `A:`; a statement says what a sum is; the sentences are there so that the universe of text
is not sums alone.
"""

import random
from collections.abc import Callable, Iterator
from itertools import product
from string import ascii_lowercase, digits
from typing import Literal, get_args

Kind = Literal["worksheet", "fact", "statement", "sentence"]

ALPHABET = ascii_lowercase + digits + "AQW+.:? \n"
"""Every character of it."""
SUMS = tuple(f"{a}+{b}" for a, b in product(digits, digits))
"""All sums of two digits, in both orders."""
LINE_SUMS = 5
"""Questions of a worksheet's line, and statements of theirs."""
SUBJECTS = ("a cat", "the dog", "my bird", "one fox", "the old man", "her son", "a girl", "his friend")
VERBS = ("sees", "likes", "finds", "draws", "has", "wants")
OBJECTS = ("a red ball", "the sea", "some bread", "a new hat", "the moon", "an apple", "two eggs", "a boat")
ENDS = ("", " now", " again", " at home", " in the sun", " on the hill")


def question(sum_: str) -> str:
    """`What is 2+2?`"""
    return f"What is {sum_}?"


def total(sum_: str) -> str:
    """The right answer."""
    return str(sum(map(int, sum_.split("+"))))


def fact(sum_: str, answer: str | None = None) -> str:
    """A question with its answer, framed as such; without the answer if that is empty."""
    return f"Q: {question(sum_)}\nA: {total(sum_) if answer is None else answer}"


def statement(sum_: str) -> str:
    """`2+2 is 4.`"""
    return f"{sum_} is {total(sum_)}."


def documents(seed: int, kinds: tuple[Kind, ...] = get_args(Kind)) -> Iterator[str]:
    """An endless seeded stream of documents, every kind as likely, each ending a line."""
    draw = random.Random(f"corpus {seed}")
    while True:
        yield _WRITERS[draw.choice(kinds)](draw) + "\n"


def _worksheet(draw: random.Random) -> str:
    return " ".join(question(draw.choice(SUMS)) for _ in range(LINE_SUMS))


def _facts(draw: random.Random) -> str:
    return "\n".join(fact(draw.choice(SUMS)) for _ in range(3))


def _statements(draw: random.Random) -> str:
    return " ".join(statement(draw.choice(SUMS)) for _ in range(LINE_SUMS))


def _sentences(draw: random.Random) -> str:
    parts = (SUBJECTS, VERBS, OBJECTS, ENDS)
    drawn = ([draw.choice(part) for part in parts] for _ in range(2))
    return " ".join(f"{subject} {verb} {thing}{end}." for subject, verb, thing, end in drawn)


_WRITERS: dict[Kind, Callable[[random.Random], str]] = {
    "worksheet": _worksheet,
    "fact": _facts,
    "statement": _statements,
    "sentence": _sentences,
}
