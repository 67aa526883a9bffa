from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InvalidText
from model.text.tokenizer import Tokenizer, describe_alphabet

LESSON = Tokenizer(ascii_lowercase)
PADDING = Tokenizer(ascii_lowercase, pads=True)


def test_the_vocabulary_is_the_lessons_29_symbols_in_its_order():
    assert "".join(LESSON.tokens) == "abcdefghijklmnopqrstuvwxyz<>#"
    assert LESSON.vocab_size == 29
    assert [LESSON.ids[token] for token in "az<>#"] == [0, 25, 26, 27, 28]
    assert LESSON.end_of_turn_id == 28


def test_without_padding_there_is_no_pad_id():
    assert LESSON.pad_id is None


def test_the_pad_comes_last_and_moves_no_other_id():
    assert PADDING.tokens[:-1] == LESSON.tokens
    assert PADDING.pad_id == 29
    assert PADDING.vocab_size == 30


@given(st.text(ascii_lowercase))
def test_decoding_what_was_encoded_gives_the_text_back(text: str):
    ids = LESSON.encode(text)
    assert len(ids) == len(text)
    assert LESSON.decode(ids) == text


@given(st.lists(st.sampled_from(PADDING.tokens)))
def test_decoding_shows_special_tokens_as_they_are_written(tokens: list[str]):
    assert PADDING.decode(PADDING.ids[token] for token in tokens) == "".join(tokens)


@pytest.mark.parametrize(
    ("text", "place", "written"),
    [
        pytest.param("<", "1st", "<", id="user start"),
        pytest.param("ab>c", "3rd", ">", id="assistant start"),
        pytest.param("abc#", "4th", "#", id="end of turn"),
        pytest.param("Hello", "1st", "H", id="uppercase"),
        pytest.param("he llo", "3rd", "a space", id="space"),
        pytest.param("a\x00b", "2nd", "U+0000", id="NUL"),
        pytest.param("ab\u202ecd", "3rd", "U+202E (right-to-left override)", id="right-to-left override"),
        pytest.param("hi😀", "3rd", "U+1F600 (grinning face)", id="emoji"),
        pytest.param("naïve", "3rd", "U+00EF (latin small letter i with diaeresis)", id="accent"),
        pytest.param("ａ", "1st", "U+FF41 (fullwidth latin small letter a)", id="fullwidth a"),  # noqa: RUF001
        pytest.param("a\ud800", "2nd", "U+D800", id="lone surrogate"),
        pytest.param("[pad]", "1st", "[", id="the pad token's name"),
    ],
)
@pytest.mark.parametrize("tokenizer", [LESSON, PADDING], ids=["29 symbols", "with pad"])
def test_a_character_outside_the_alphabet_is_named_with_its_place_and_what_is_allowed(
    tokenizer: Tokenizer, text: str, place: str, written: str
):
    with pytest.raises(InvalidText) as caught:
        tokenizer.encode(text, param="prompt")
    assert caught.value.message == f"Use letters a to z only: the {place} character is {written}"
    assert caught.value.param == "prompt"
    assert isinstance(caught.value, ValueError)


@given(st.text().filter(lambda text: not set(text) <= set(ascii_lowercase)))
def test_a_foreign_character_is_never_dropped_silently(text: str):
    with pytest.raises(InvalidText) as caught:
        LESSON.encode(text)
    assert caught.value.message.isprintable()
    assert caught.value.message.isascii()


@pytest.mark.parametrize(
    ("alphabet", "description"),
    [
        (ascii_lowercase, "letters a to z"),
        ("0123456789", "digits 0 to 9"),
        (f"{ascii_lowercase}1", "letters a to z and 1"),
        (f"{ascii_lowercase}0123456789+? \n", "letters a to z, digits 0 to 9, +, ?, spaces and line ends"),
        ("ab", "a and b"),
        ("z", "z"),
    ],
)
def test_an_alphabet_is_described_as_a_run_only_if_it_is_one(alphabet: str, description: str):
    assert describe_alphabet(alphabet) == description
