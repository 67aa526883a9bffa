"""model/writing.py: numbers in few characters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.writing import compact, joined, number, ordinal, percent, scientific


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.934, 0, "93 %"), (0.934, 1, "93.4 %"), (0, 0, "0 %"), (1, 1, "100.0 %"), (-0.05, 0, "-5 %"), (1.2, 0, "120 %")],
)
def test_percent(value: float, digits: int, text: str) -> None:
    assert percent(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (19.4, "19"),
        (1.14, "1.1"),
        (0.136, "0.14"),
        (0.0042, "0.004"),
        (0.001, "0.001"),
        (6.4e-5, "6e\N{MINUS SIGN}5"),
        (1e-12, "1e\N{MINUS SIGN}12"),
        (-0.25, "\N{MINUS SIGN}0.25"),
        (-6e-5, "\N{MINUS SIGN}6e\N{MINUS SIGN}5"),
        (1234.5, "1234"),
    ],
)
def test_compact(value: float, text: str) -> None:
    assert compact(value) == text


@settings(derandomize=True, max_examples=300)
@given(st.floats(-9999, 9999).filter(lambda value: abs(value) > 1e-99))
def test_a_compact_number_is_short_and_close_and_zero_only_for_zero(value: float) -> None:
    text = compact(value)
    assert len(text) <= 7 if abs(value) < 1e-9 else len(text) <= 6
    assert text.isascii() or "\N{MINUS SIGN}" in text
    assert float(text.replace("\N{MINUS SIGN}", "-")) == pytest.approx(value, rel=0.5)
    assert float(text.replace("\N{MINUS SIGN}", "-")) != 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (3e-17, "3e\N{MINUS SIGN}17"),
        (0.0018, "0.0018"),
        (-0.25, "\N{MINUS SIGN}0.25"),
        (3.0, "3.0"),
        (9.96, "10"),
        (48.27, "48"),
        (1876.8, "1,877"),
    ],
)
def test_a_number_has_two_digits_and_is_0_only_if_it_is(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("place", "written"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (112, "112th"),
    ],
)
def test_a_place_is_written_with_its_ending(place: int, written: str) -> None:
    assert ordinal(place) == written


@pytest.mark.parametrize(("parts", "text"), [("", ""), ("a", "a"), ("ab", "a and b"), ("abc", "a, b and c")])
def test_parts_are_joined_as_a_sentence_lists_them(parts: str, text: str) -> None:
    assert joined(tuple(parts)) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0002, "2e-4"), (1e-06, "1e-6"), (0.0125, "1.25e-2"), (10.0**-5, "1e-5")]
)
def test_a_learning_rate_is_told_by_its_power_of_ten(value: float, text: str):
    assert scientific(value) == text
