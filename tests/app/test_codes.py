"""app/codes.py: what a code is made of can be read from the back row."""

from app.codes import ALPHABET

ALIKE = ("0OQD", "1IL", "2Z", "5S", "6G", "8B", "UV")
"""Characters that a back row takes for each other."""


def test_no_two_characters_of_a_code_look_alike() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET)
    for group in ALIKE:
        assert len(set(group) & set(ALPHABET)) <= 1, group
    assert not set("AEIOU") & set(ALPHABET), "no code spells a word"
