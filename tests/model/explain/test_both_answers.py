"""model/explain/both_answers.py: one word, two answers, their probabilities under one model."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from model.errors import InvalidText
from model.explain.both_answers import answer_probabilities, ask_for_both, mixtures
from model.network.gpt import GPT
from model.training.recipes import RECIPES

RECIPE = RECIPES["reverse4"]
EARLY = 150
"""A step at which the model is not sure of anything yet."""


@pytest.mark.parametrize(
    ("word", "mixed"),
    [
        ("ab", ("aa", "bb")),
        ("abc", ("aba", "cbc")),
        ("abba", ()),
        ("abca", ("abba", "acca")),
    ],
)
def test_a_mixture_takes_each_letter_from_one_of_both_and_is_neither(word: str, mixed: tuple[str, ...]):
    assert mixtures(word) == mixed


def test_a_word_of_four_different_letters_has_fourteen():
    assert len(mixtures("abcd")) == 14


def test_a_probability_is_the_product_of_the_model_s_own(trained_model: Callable[..., GPT]):
    model = trained_model("reverse4", "prompt-masked", EARLY)
    asked = ask_for_both(model, RECIPE, "mask")
    for odds in (asked.reversal, asked.copied):
        ids = torch.tensor([[RECIPE.tokenizer.tokens.index(c) for c in f"<mask>{odds.text}"]])
        chances = model(ids[:, :-1])[0, 5:].softmax(-1)
        expected = [float(chances[i, id_]) for i, id_ in enumerate(ids[0, 6:])]
        assert [p for _, p in odds.tokens] == pytest.approx(expected, abs=1e-6)
        assert odds.probability == pytest.approx(torch.tensor(expected).prod().item(), rel=1e-4)
    assert (asked.reversal.text, asked.copied.text) == ("ksam#", "mask#")


def test_everything_together_is_certain_and_every_part_has_its_share(trained_model: Callable[..., GPT]):
    model = trained_model("reverse4", "prompt-masked", EARLY)
    asked = ask_for_both(model, RECIPE, "mask")
    parts = asked.reversal.probability, asked.copied.probability, asked.mixed, asked.rest
    assert sum(parts) == pytest.approx(1)
    assert all(part > 0 for part in parts)
    one_by_one = [float(answer_probabilities(model, RECIPE, [("mask", m)])[0]) for m in mixtures("mask")]
    assert asked.mixed == pytest.approx(sum(one_by_one), rel=1e-4)


def test_of_a_palindrome_both_answers_are_one(trained_model: Callable[..., GPT]):
    asked = ask_for_both(trained_model("reverse4", "prompt-masked", 1000), RECIPE, "abba")
    assert asked.palindrome
    assert asked.mixed == 0
    assert asked.reversal.probability + asked.rest == pytest.approx(1)
    assert asked.writes == "the reversal"


def test_what_is_written_is_named(trained_model: Callable[..., GPT]):
    asked = ask_for_both(trained_model("reverse4", "prompt-masked", 1000), RECIPE, "mask")
    assert (asked.written, asked.writes) == ("ksam#", "the reversal")
    for written, name in (
        ("mask#", "the word itself"),
        ("xsam#", "neither"),
        ("kask#", "a mixture"),
        ("kask", "neither"),
    ):
        assert replace(asked, written=written).writes == name


@pytest.mark.parametrize("word", ["", "abc", "abcde", "ABCD", "ab d"])
def test_another_word_is_refused(trained_model: Callable[..., GPT], word: str):
    with pytest.raises(InvalidText):
        ask_for_both(trained_model("reverse4", "prompt-masked", 1000), RECIPE, word)
