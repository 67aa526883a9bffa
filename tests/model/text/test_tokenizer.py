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
    ("text", "place", "written", "code"),
    [
        pytest.param("<", 1, "'<'", "U+003C", id="user start"),
        pytest.param("ab>c", 3, "'>'", "U+003E", id="assistant start"),
        pytest.param("abc#", 4, "'#'", "U+0023", id="end of turn"),
        pytest.param("Hello", 1, "'H'", "U+0048", id="uppercase"),
        pytest.param("he llo", 3, "' '", "U+0020", id="space"),
        pytest.param("a\x00b", 2, r"'\x00'", "U+0000", id="NUL"),
        pytest.param("ab\u202ecd", 3, r"'\u202e'", "U+202E", id="right-to-left override"),
        pytest.param("hi😀", 3, r"'\U0001f600'", "U+1F600", id="emoji"),
        pytest.param("naïve", 3, r"'\xef'", "U+00EF", id="accent"),
        pytest.param("ａ", 1, r"'\uff41'", "U+FF41", id="fullwidth a"),  # noqa: RUF001
        pytest.param("a\ud800", 2, r"'\ud800'", "U+D800", id="lone surrogate"),
        pytest.param("[pad]", 1, "'['", "U+005B", id="the pad token's name"),
    ],
)
@pytest.mark.parametrize("tokenizer", [LESSON, PADDING], ids=["29 symbols", "with pad"])
def test_a_character_outside_the_alphabet_is_named_with_its_place_and_what_is_allowed(
    tokenizer: Tokenizer, text: str, place: int, written: str, code: str
):
    with pytest.raises(InvalidText) as caught:
        tokenizer.encode(text, param="prompt")
    assert caught.value.message == f"character {place} is {written} ({code}); allowed: a-z"
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
    [("abcdef", "a-f"), ("0123456789", "0-9"), ("ab", "a b"), ("acd", "a c d"), ("z", "z")],
)
def test_an_alphabet_is_described_as_a_run_only_if_it_is_one(alphabet: str, description: str):
    assert describe_alphabet(alphabet) == description
