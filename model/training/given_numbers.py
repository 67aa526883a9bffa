"""Which number a text gives for a sum, and what follows it: two questions, answered apart. In: texts. Out: rates.

A model that goes on with a line and one that stops have both given the number. Knows neither models nor tokens.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic.dataclasses import dataclass as checked

from model.intervals import Rate, rate_of
from model.kept import STRICT
from model.text.tokenizer import END_OF_TURN

Follows = Literal["line", "stop", "other"]
"""What follows a number: the end of a line, a stop, any other character that is no digit."""
FOLLOWS: dict[str, Follows] = {"\n": "line", END_OF_TURN: "stop"}
NUMBER = re.compile(r"\s*([0-9]+)([^0-9])", re.DOTALL)


@dataclass(frozen=True)
class GivenNumber:
    value: int
    follows: Follows


def given_number(text: str) -> GivenNumber | None:
    """The number that a text begins with, white space aside; None where it begins with anything else.

    The numbers of a text that asks on (` What is 3+1?`) answer nothing. A number that the text breaks off behind is
    not given either: the next token might have been another digit. A text that stopped does not break off.
    """
    found = NUMBER.match(text)
    return GivenNumber(int(found[1]), FOLLOWS.get(found[2], "other")) if found else None


def gives(text: str, answer: str) -> bool:
    """`7#`, ` 7` and a line's end, and `07.` give 7; `70#` does not."""
    given = given_number(text)
    return given is not None and given.value == int(answer)


@checked(config=STRICT)
class Endings:
    """What follows the number that a text gives, right or wrong, of all texts: the four add up to 1."""

    line: Rate
    stop: Rate
    other: Rate
    none: Rate
    """The text gives no number."""


def endings(texts: Sequence[str]) -> Endings:
    found = [given.follows if (given := given_number(text)) else None for text in texts]
    return Endings(*(rate_of(follows == end for follows in found) for end in (*get_args(Follows), None)))


def right_rate(texts: Sequence[str], answers: Sequence[str]) -> Rate:
    """Texts that give the right number, whatever follows it."""
    return rate_of(gives(text, answer) for text, answer in zip(texts, answers, strict=True))
