"""model/training/given_numbers.py: which number a text gives, and, apart from that, what follows it."""

import pytest

from model.intervals import rate_of
from model.training.given_numbers import Endings, GivenNumber, endings, given_number, gives, right_rate

TEXTS = (
    ("7#", 7, "stop"),
    ("7\n", 7, "line"),
    (" 7#", 7, "stop"),
    (" 7\nQ: What is", 7, "line"),
    ("\n7.", 7, "other"),
    ("07#", 7, "stop"),
    ("7 What is 1+1?", 7, "other"),
    ("7. 8\n", 7, "other"),
    ("7+1 is 8.", 7, "other"),
    ("0#", 0, "stop"),
    ("70#", 70, "stop"),
    ("17#", 17, "stop"),
    ("77777777\n", 77777777, "line"),
)
"""What a text says, the number that it gives, and what follows it."""
NOTHING = ("", "#", "7", " 7", "17", "seven", "seven 7#", "-7#", ".7\n", " What is 3+4?", "is 7.", "\n", " ", "\u0667#")
"""Texts that give no number: cut off behind a digit, or begun with something else (the last with an Arabic 7)."""


@pytest.mark.parametrize(("text", "number", "follows"), TEXTS)
def test_a_text_gives_the_number_that_it_begins_with(text: str, number: int, follows: str):
    assert given_number(text) == GivenNumber(number, follows)  # type: ignore[arg-type]
    assert gives(text, str(number))
    assert not gives(text, str(number + 1))
    assert gives(text, "7") == (number == 7)


@pytest.mark.parametrize("text", NOTHING)
def test_a_text_that_begins_otherwise_or_breaks_off_gives_none(text: str):
    assert given_number(text) is None
    assert not gives(text, "7")


def test_right_counts_numbers_and_endings_count_what_follows_them_right_or_wrong():
    texts = ["7#", "7\n", "70#", " 7.", "7", "seven"]
    assert right_rate(texts, ["7"] * len(texts)) == rate_of([True, True, False, True, False, False])
    found = endings(texts)
    assert [rate.value * 6 for rate in (found.line, found.stop, found.other, found.none)] == pytest.approx([1, 2, 1, 2])
    assert found == Endings(*(rate_of(i < count for i in range(6)) for count in (1, 2, 1, 2)))
