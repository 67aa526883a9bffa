"""model/experiments/bugs/diagnosis.py: words for symptoms follow the numbers, whichever they are."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.experiments.bugs.diagnosis import diagnose, turns_sentence
from model.experiments.bugs.symptoms import Symptoms
from model.intervals import wilson

N = 500
ONE, NONE = wilson(1, N), wilson(0, N)
RIGHT_ONE = Symptoms(ONE, ONE, ONE, ONE, 0.0, 0.05, 0.05, 0.9, (ONE,))


def symptoms(**changes: Any) -> Symptoms:
    return replace(RIGHT_ONE, **changes)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "harmless here"),
        ({"exact_match": wilson(0.996, N)}, "harmless here"),
        ({"exact_match": NONE, "stops": NONE}, "right, but never stops"),
        ({"exact_match": NONE, "stops": NONE, "answer_right": NONE}, "never answers, never stops"),
        ({"exact_match": NONE, "first_right": NONE, "answer_right": NONE}, "wrong from the first token"),
        ({"exact_match": wilson(0.4, N)}, "begins right, goes wrong"),
        ({"exact_match": wilson(0.4, N), "first_right": wilson(0.6, N)}, "right less often"),
        ({"exact_match": NONE, "own_loss": None}, "learns nothing"),
    ],
)
def test_a_word_for_what_one_sees_first(changes: dict[str, Any], word: str):
    diagnosis = diagnose(symptoms(**changes), RIGHT_ONE)
    assert diagnosis.word == word
    assert (diagnosis.kind == "harmless") == (word == "harmless here")


def test_the_log_is_said_to_look_fine_only_where_its_loss_is_low():
    broken = {"exact_match": NONE}
    fine, not_fine = (" ".join(diagnose(symptoms(**broken, own_loss=x), RIGHT_ONE).sentences) for x in (0.1, 0.4))
    assert "looks fine: 0.100 nats, where the right mask's log shows 0.050" in fine
    assert "does not look fine: 0.400 nats" in not_fine
    assert "looks fine" not in " ".join(diagnose(symptoms(own_loss=0.1), RIGHT_ONE).sentences)


def test_a_loss_over_nothing_is_explained():
    said = " ".join(diagnose(symptoms(own_loss=None, moved=0.0031, exact_match=NONE), RIGHT_ONE).sentences)
    assert "only weight decay moved the weights, by 0.3 %" in said
    assert "0/0" in said


def test_turns_are_told_one_by_one():
    said = " ".join(diagnose(symptoms(by_turn=(NONE, ONE)), RIGHT_ONE).sentences)
    assert "Answer by answer, from the first: 0 %, 100 %." in said


def test_training_last_answers_alone_is_said_to_be_worse_where_intervals_are_apart():
    assert turns_sentence((ONE, ONE), (ONE, ONE)).startswith("No clear difference ")
    assert "does worse in turn 2: it gets 0.0 % of turn 2 right, the" in turns_sentence((ONE, ONE), (ONE, NONE))
    assert "does worse in turns 1, 2: it gets" in turns_sentence((ONE, ONE, ONE), (NONE, NONE, ONE))
    assert turns_sentence((ONE,), (NONE,)).endswith(
        "every turn: it gets 0.0 % of turn 1 right, the one trained on all answers 100.0 %."
    )


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_harm_is_claimed_only_where_the_intervals_are_apart(exact: float, stops: float, right: float):
    bug, good = symptoms(exact_match=wilson(exact, N), stops=wilson(stops, N)), symptoms(exact_match=wilson(right, N))
    overlaps = bug.exact_match.high >= good.exact_match.low
    assert (diagnose(bug, good).kind == "harmless") == overlaps
