"""model/explain/cut.py: the lesson's indices, and what each cut loses or leaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.explain.cut import Alignment, align, describe_mistakes, describe_trained
from model.masks.policies import CUTS
from model.training.conversations import render_prompt
from model.training.recipes import ALL_RECIPES

REVERSE = ALL_RECIPES["reverse"]


def aligned(word: str, offset: int = 0) -> Alignment:
    return align(REVERSE, render_prompt(REVERSE, word), offset)


def test_the_lesson_s_word_has_seven_and_six_tokens_and_trains_six_of_twelve():
    hello = aligned("hello")
    assert (hello.prompt_length, hello.response_length, hello.sequence_length) == (7, 6, 13)
    assert (hello.cut, hello.trained) == (6, (6, 7, 8, 9, 10, 11))
    assert describe_trained(hello) == "y[6..11], 6 of 12"


@pytest.mark.parametrize(
    ("offset", "sentence"),
    [
        (0, "Right: every token of the answer has a loss, the stop included, and no token of the prompt has one."),
        (1, "Lost: > → o. Nothing trains the step from reading to answering, o."),
        (2, "Lost: > → o and o → l. Nothing trains the answer's beginning, o and l."),
        (-1, "Leaked: o → >. The model is also trained to say >, which belongs to the prompt."),
        (-2, "Leaked: l → o and o → >. The model is also trained to say o and >, which belongs to the prompt."),
    ],
)
def test_what_is_lost_or_leaked_is_said(offset: int, sentence: str):
    assert describe_mistakes(aligned("hello", offset)) == sentence


def test_a_cut_behind_the_answer_leaves_nothing_to_train_on():
    short = aligned("a", 2)
    assert (short.trained, short.cut) == ((), 4)
    assert describe_trained(short) == "nothing, 0 of 4"
    assert describe_mistakes(short).endswith("Nothing is left to train on.")


@given(st.text("abcxyz", min_size=1, max_size=10), st.sampled_from(CUTS))
def test_the_slice_and_the_batch_that_training_reads_agree(word: str, offset: int):
    alignment = aligned(word, offset)
    assert alignment.trained == tuple(range(alignment.cut, len(alignment.cells)))
    for cell in alignment.cells:
        assert (cell.input, cell.next) == alignment.tokens[cell.position : cell.position + 2]
