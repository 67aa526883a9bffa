"""model/text/sums.py: the tasks about sums, their splits and their answers."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InvalidText
from model.text.corpus import SUMS, question, total
from model.text.sums import DIGITS, final_answer, long_sums, sum_questions, taught_sums
from model.text.tasks import is_held_out

HALF = sum_questions("sums", 0.5)
DIRECT, THOUGHT = long_sums("direct", DIGITS, traced=False), long_sums("thought", DIGITS, traced=True)


@pytest.mark.parametrize(("share", "count"), [(0.05, 5), (0.1, 10), (0.2, 20), (0.5, 50)])
def test_a_share_of_the_sums_is_taught_and_a_smaller_one_is_part_of_it(share: float, count: int):
    taught = taught_sums(share)
    assert len(set(taught)) == len(taught) == count
    assert taught == taught_sums(0.5)[:count]


def test_no_question_is_on_both_sides():
    trained = set(islice(HALF.prompts(0, held_out=False), 2000))
    held_out = set(HALF.held_out_prompts(50))
    assert trained == set(HALF.taught) == set(map(question, taught_sums(0.5)))
    assert held_out == set(HALF.untaught)
    assert len(trained | held_out) == len(SUMS)


def test_what_was_not_asked_as_a_sum_has_no_right_answer():
    assert HALF.answer("What is 7+8?") == "15"
    assert HALF.answer("a cat sees") == ""


@pytest.mark.parametrize(
    ("asked", "direct", "thought"),
    [
        ("3+4", "7", "{3+4=7}7"),
        ("3+4+5", "12", "{3+4=7;7+5=12}12"),
        ("9+9+9+9", "36", "{9+9=18;18+9=27;27+9=36}36"),
    ],
)
def test_the_trace_is_all_that_differs(asked: str, direct: str, thought: str):
    assert (DIRECT.answer(asked), THOUGHT.answer(asked)) == (direct, thought)
    assert final_answer(thought) == final_answer(direct) == direct


@given(st.lists(st.integers(0, 9), min_size=2, max_size=7))
def test_every_trace_leads_to_the_sum_and_fits(terms: list[int]):
    asked = "+".join(map(str, terms))
    traced = THOUGHT.answer(asked)
    assert final_answer(traced) == total(asked) == DIRECT.answer(asked)
    assert len(traced) <= THOUGHT.longest_answer()
    assert set(asked + traced) <= set(THOUGHT.characters())
    for step in traced[1 : traced.index("}")].split(";"):
        left, _, right = step.partition("=")
        assert str(sum(map(int, left.split("+")))) == right
    THOUGHT.check_prompt(asked)


def test_sums_are_drawn_with_as_many_of_each_number_of_terms():
    sums = list(islice(DIRECT.prompts(0, held_out=False), 5000))
    counts = [sum(asked.count("+") + 1 == terms for asked in sums) for terms in range(2, 7)]
    assert sum(counts) == 5000
    assert min(counts) > 850
    assert not any(map(is_held_out, sums))


@pytest.mark.parametrize("asked", ["", "3", "3+", "+3", "3++4", "33+4", "3+4=", "{3+4}", "1+2+3+4+5+6+7+8", "hello"])
def test_what_is_no_sum_is_refused(asked: str):
    with pytest.raises(InvalidText) as refused:
        THOUGHT.check_prompt(asked)
    assert refused.value.param == "prompt"
