"""The tour's texts as they are written: three choices, one right, no number typed, each row in its own step."""

import re
from itertools import pairwise

import pytest

from app.tours.steps import GUESSES, TOUR, Frame, Step, first_step_of, shown_rows

EVERY_STEP = pytest.mark.parametrize("step", TOUR, ids=lambda step: step.title)
FRAMES = [frame for step in TOUR for frame in (step.asked_frame, step.told_frame)]


@EVERY_STEP
def test_one_of_three_choices_is_right_and_each_other_is_answered(step: Step) -> None:
    assert len(step.choices) == len(GUESSES) == 3
    assert [choice.is_right for choice in step.choices].count(True) == 1
    assert all(choice.reply.endswith(".") for choice in step.choices if not choice.is_right)


@EVERY_STEP
def test_no_number_of_a_text_is_typed(step: Step) -> None:
    texts = [step.text, step.question, step.act, *step.told, *(c.text + c.reply for c in step.choices)]
    assert not [text for text in texts if re.search(r"\d", text)]


def test_a_row_once_shown_stays_and_none_comes_before_its_own_step_has_asked() -> None:
    for earlier, later in pairwise(FRAMES):
        assert set(shown_rows(earlier)) <= set(shown_rows(later))
    assert [first_step_of(row) for row in ("targets", "off", "gradient", "on", "on-writes")] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("row", ["off", "on"])
def test_what_a_model_predicts_is_not_shown_where_it_is_asked(row: str) -> None:
    asked: Frame = TOUR[{"off": 2, "on": 4}[row] - 1].asked_frame
    assert row in asked.look
    assert row not in shown_rows(asked)
