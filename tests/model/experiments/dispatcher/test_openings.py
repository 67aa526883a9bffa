"""model/experiments/dispatcher/openings.py: openings of one request, and where a model's probability goes from them."""

from collections.abc import Callable

import pytest

from model.errors import InvalidText
from model.experiments.dispatcher.openings import SAMPLES, drift_rows, masses, openings, position_drift
from model.network.gpt import GPT
from model.training.recipes import SUM_RECIPES

RECIPE = SUM_RECIPES["answers"]
TOKENIZER = RECIPE.tokenizer
PLAIN, FRAMED, TEMPLATED = openings(RECIPE, "What is 7+8?")


@pytest.fixture(scope="module")
def tuned(trained_model: Callable[[str, str, int], GPT]) -> GPT:
    return trained_model("answers", "prompt-masked", RECIPE.training.steps)


def test_openings_are_the_request_in_three_framings():
    texts = [opening.text for opening in (PLAIN, FRAMED, TEMPLATED)]
    assert texts == ["What is 7+8?", "Q: What is 7+8?\nA: ", "<What is 7+8?>"]
    for opening in (PLAIN, FRAMED, TEMPLATED):
        assert TOKENIZER.decode(opening.token_ids) == opening.text


@pytest.mark.parametrize("text", ["<", "a>b", "#", "é", "what, is", "", "a" * 41])
def test_what_the_task_or_the_tokenizer_does_not_know_is_refused(text: str):
    with pytest.raises(InvalidText):
        openings(RECIPE, text)


def test_the_base_asks_on_and_knows_and_sft_answers_and_stops(base: GPT, tuned: GPT):
    asked, framed = masses(base, (PLAIN, FRAMED), "15", TOKENIZER)
    assert asked.question.n == SAMPLES
    assert asked.question.value > 0.5 > (asked.answer.value if asked.answer else 1.0)
    assert framed.answer is not None
    assert framed.answer.value > 0.9
    (templated,) = masses(tuned, (TEMPLATED,), "15", TOKENIZER)
    assert templated.answer is not None
    assert min(templated.answer.value, templated.stop.value) > 0.8
    assert masses(base, (PLAIN,), "15", TOKENIZER) == (asked,)  # seeded, whatever is beside it


def test_where_nobody_knows_the_answer_none_is_told(base: GPT):
    assert all(mass.answer is None for mass in masses(base, openings(RECIPE, "a cat"), "", TOKENIZER))


def test_rows_of_a_request_are_as_long_as_their_positions(base: GPT, tuned: GPT):
    rows = drift_rows("What is 7+8?", RECIPE)
    assert [TOKENIZER.decode(row.token_ids) for _, row in rows] == [
        "<What is 7+8?>15#",
        "What is 7+8? What is 7+8?",
        "Q: What is 7+8?\nA: 15\n",
    ]
    for _, row in rows:
        positions = position_drift(base, tuned, RECIPE, row)
        assert len(positions) == len(row.token_ids) - 1
        assert all(position.nats >= 0 for position in positions)
    assert [title for title, _ in drift_rows("a", RECIPE)] == ["in the template"]
