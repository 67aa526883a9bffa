"""model/experiments/padding/accuracies.py: what models answer in padded batches, by word length."""

from dataclasses import replace

import pytest

from app.settings import Settings
from model.experiments.padding.accuracies import (
    PADDED_PROMPTS,
    LengthCount,
    PaddedAccuracy,
    Paddings,
    complete_padded,
    count_by_length,
    departures,
    read_paddings,
)
from model.experiments.padding.arms import PADDINGS, TRAINED_PADDINGS, TWO_BY_TWO
from model.experiments.padding.rows import LOGIT_ROUNDING
from model.experiments.padding.sentences import (
    headline,
    interaction_sentence,
    mistakes_sentence,
    trained_sentence,
    two_by_two_sentence,
)
from model.masks.policies import MASK_POLICIES
from model.network.gpt import GPT
from model.text.tokenizer import END_OF_TURN
from model.training.checkpoints import load_last
from model.training.evaluation import complete_prompts
from model.training.recipes import ALL_RECIPES

RECIPE = ALL_RECIPES["reverse"]
FOLDER = Settings().trained_folder


@pytest.fixture(scope="module")
def model() -> GPT:
    return load_last(FOLDER / "reverse" / "prompt-masked")[1]


def test_asked_without_harm_it_answers_as_it_does_unpadded(model: GPT):
    words = RECIPE.task.held_out_prompts(40)
    plain = complete_prompts(model, RECIPE.task, RECIPE.tokenizer, words)
    for policy in ("prompt-masked", "left-pad"):
        assert complete_padded(model, RECIPE, words, MASK_POLICIES[policy]) == plain
    bare = complete_padded(model, RECIPE, words, MASK_POLICIES["left-pad-unmasked"])
    assert sum(a == b for a, b in zip(bare, plain, strict=True)) < 20


@pytest.mark.parametrize(
    ("policy", "right"),
    [("left-pad", 260), ("left-pad-no-positions", 0), ("left-pad-seen", 31), ("left-pad-unmasked", 2)],
)
def test_an_arm_of_the_two_by_two_counts_each_padded_word_once(model: GPT, policy: str, right: int):
    words = RECIPE.task.held_out_prompts(PADDED_PROMPTS)
    assert len(set(words)) == PADDED_PROMPTS
    given = complete_padded(model, RECIPE, words, MASK_POLICIES[policy])
    longest = max(map(len, words))
    padded = [(word, text) for word, text in zip(words, given, strict=True) if len(word) < longest]
    assert len(padded) == 260
    assert sum(text == word[::-1] + END_OF_TURN for word, text in padded) == right
    shipped = read_paddings(FOLDER)["prompt-masked", policy]
    assert (shipped.right_with_pads(), shipped.with_pads.n) == (right, 260)
    assert shipped.by_length == count_by_length(words, [(t, w[::-1] + "#") for w, t in zip(words, given, strict=True)])


def test_every_pair_of_paddings_is_shipped_with_its_n_and_interval():
    measured = read_paddings(FOLDER)
    assert set(measured) == {(a, b) for a in TRAINED_PADDINGS for b in PADDINGS}
    for row in measured.values():
        assert row.exact_match.n == 300
        assert row.with_pads.n + row.without_pads.n == 300
        assert row.exact_match.low <= row.exact_match.value <= row.exact_match.high


def test_a_departure_is_named():
    row = read_paddings(FOLDER)["prompt-masked", "left-pad-unmasked"]
    first = row.by_length[0]
    other = replace(row, by_length=(replace(first, right=0), *row.by_length[1:-1], replace(row.by_length[-1], right=5)))
    assert departures(Paddings(0.0, (row,)), Paddings(0.0, (other,))) == [
        f"prompt-masked asked with left-pad-unmasked, {words}: stated 1.000, measured 0.125"
        for words in ("words without", "10 letters, right")
    ]
    assert departures(Paddings(0.0, (row,)), Paddings(0.0, (row,))) == []


def test_logits_that_pads_on_the_right_change_otherwise_than_stated_depart_unless_it_is_rounding() -> None:
    stated = Paddings(0.0, ())
    assert departures(stated, Paddings(LOGIT_ROUNDING / 2, ())) == []
    assert departures(stated, Paddings(0.5, ())) == ["logits with pads on the right: stated 0.0e+00, measured 5.0e-01"]


def padded(policy: str, right: int) -> PaddedAccuracy:
    counts = LengthCount(2, right, 10 - right, 0, 10), LengthCount(3, 5, 0, 0, 5)
    return PaddedAccuracy("prompt-masked", policy, 0, 1, counts)


def test_right_words_that_move_between_lengths_depart_though_their_sum_stays():
    row = read_paddings(FOLDER)["prompt-masked", "left-pad"]
    one, two, three, *others = row.by_length
    stated, other = (
        replace(row, by_length=(one, replace(two, right=right), replace(three, right=49 - right), *others))
        for right in (22, 27)
    )
    assert stated.with_pads == other.with_pads
    assert [
        line.split(": ")[0].split(", ", 1)[1] for line in departures(Paddings(0.0, (stated,)), Paddings(0.0, (other,)))
    ] == [
        "2 letters, right",
        "3 letters, right",
    ]


def test_each_word_is_counted_once_in_one_way():
    words = ["ab", "cd", "ef", "ghi"]
    answers = [("ba#", "ba#"), ("d#", "dc#"), ("fee#", "fe#"), ("igh#", "ihg#")]
    assert count_by_length(words, answers) == (LengthCount(2, 1, 1, 1, 3), LengthCount(3, 0, 0, 0, 1))
    assert LengthCount(3, 0, 0, 0, 1).wrong_letters == 1
    with pytest.raises(AssertionError, match="asked twice"):
        count_by_length(["ab", "ab"], answers[:2])
    for row in read_paddings(FOLDER).values():
        assert row.right_with_pads() + sum(row.wrong_with_pads().values()) == row.with_pads.n


def test_sentences_on_causes_are_made_of_the_counts():
    rights = {("prompt-masked", a.policy): padded(a.policy, n) for a, n in zip(TWO_BY_TWO, (10, 3, 4, 1), strict=True)}
    assert "from 1 to 4 while the pads are seen, but from 3 to 10" in interaction_sentence(rights)
    assert "from 1 to 3 while the positions count them, but from 4 to 10" in interaction_sentence(rights)
    assert "counted, 7 are too short; with the pads seen but not counted, 6 are too short" in mistakes_sentence(rights)
    rights["prompt-masked", "left-pad-seen"] = padded("left-pad-seen", 10)
    assert "not counted, none is wrong" in mistakes_sentence(rights)


def test_words_without_pads_do_not_flatter_a_model_that_was_trained_with_them():
    said = trained_sentence(read_paddings(FOLDER))
    assert "it gets 0 of 260 right; asked with pads on the right, 0 of 260." in said
    assert said.endswith("every model gets all 40 of them right, however it is asked.")


@pytest.mark.parametrize(
    ("rights", "says"),
    [((10, 0, 1, 0), "one alone is not enough"), ((10, 9, 1, 0), "hidden or seen"), ((3, 0, 0, 0), "or")],
)
def test_the_title_says_that_both_are_needed_only_if_they_are(rights: tuple[int, ...], says: str):
    measured = {("prompt-masked", a.policy): padded(a.policy, n) for a, n in zip(TWO_BY_TWO, rights, strict=True)}
    assert says in headline(measured)
    assert f"{rights[0]} of 10 padded words are right" in two_by_two_sentence(measured)
