"""model/experiments/reasoning/controls.py: arms that differ from the pair in one thing each, and what came of them."""

from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import pytest

from model.errors import InvalidText
from model.experiments.counted import count_targets
from model.experiments.reasoning.controls import (
    CONTROLS,
    KEPT_CONTROLS,
    PAIR,
    TRACE_STEPS,
    control_rows,
    departures,
    runs_of_arm,
)
from model.experiments.reasoning.traces import KEPT_REASONING, runs_of
from model.experiments.shipped import SEEDS
from model.intervals import rate_over_seeds, wilson
from model.masks.policies import IGNORE_INDEX, RIGHT
from model.text.sums import with_filler
from model.text.tasks import Task, is_held_out
from model.training.batches import batch_of
from model.training.conversations import render_prompt
from model.training.recipes import Recipe, TrainingConfig

TRAINED = Path(__file__).resolve().parents[4] / "model" / "trained"
STATED = KEPT_CONTROLS.read(TRAINED)
ROWS = {row.slug: row for row in control_rows(STATED, KEPT_REASONING.read(TRAINED))}
FILLER = CONTROLS["filler"].recipe


def differing(a: object, b: object, of: type) -> list[str]:
    return [f.name for f in fields(of) if getattr(a, f.name) != getattr(b, f.name)]


def test_the_arm_of_equal_targets_differs_from_the_trace_in_steps_alone():
    recipe = CONTROLS["trace-stopped"].recipe
    assert differing(recipe, PAIR.thought, Recipe) == ["training"]
    assert differing(recipe.training, PAIR.thought.training, TrainingConfig) == ["checkpoint_steps", "decay_steps"]


def test_the_filler_differs_from_answers_at_once_in_what_is_asked_alone():
    assert differing(FILLER, PAIR.direct, Recipe) == ["slug", "title", "task"]
    assert set(differing(FILLER.task, PAIR.direct.task, Task)) == {
        *("slug", "title", "draw", "check", "holds_out"),  # the sum and its filler
        *("solve", "max_length", "example", "longest"),  # that know of it
    }


def test_steps_are_chosen_so_that_targets_are_equal():
    direct, thought = (count_targets(recipe, RIGHT, seed=0, steps=30) / 30 for recipe in PAIR.recipes)
    assert direct * PAIR.direct.training.steps == pytest.approx(thought * TRACE_STEPS, rel=0.02)


@pytest.mark.parametrize(
    ("sum_", "filled"), [("3+4", "3+4" + ";" * 7), ("1+2+3", "1+2+3" + ";" * 13), ("99+99", "99+99" + ";" * 11)]
)
def test_a_filler_is_as_long_as_the_trace(sum_: str, filled: str):
    assert with_filler(sum_) == filled
    trace, answer = PAIR.thought.task.answer(sum_), FILLER.task.answer(filled)
    assert len(filled) - len(sum_) == len(trace) - len(answer)
    assert answer == PAIR.direct.task.answer(sum_)


def test_the_filler_is_fed_in_and_only_the_answer_is_trained():
    conversation = render_prompt(FILLER, with_filler("3+4"))
    assert FILLER.tokenizer.decode(conversation.token_ids) == "<3+4;;;;;;;>7#"
    (targets,) = batch_of(FILLER, [conversation], RIGHT).targets_BT.tolist()
    assert targets[:-2] == [IGNORE_INDEX] * 11
    assert FILLER.tokenizer.decode(targets[-2:]) == "7#"


def test_a_sum_is_on_the_same_side_of_the_split_with_its_filler():
    for filled in islice(FILLER.task.prompts(0, held_out=False), 300):
        assert not is_held_out(filled.rstrip(";"))
        assert filled == with_filler(filled.rstrip(";"))
        FILLER.task.check_prompt(filled)


@pytest.mark.parametrize("asked", ["3+4", "3+4;", "3+4" + ";" * 8, ";" * 7, "3;4", "100+1;;;;;;;;;;;;"])
def test_another_filler_is_refused(asked: str):
    with pytest.raises(InvalidText):
        FILLER.task.check_prompt(asked)


def test_targets_and_positions_are_equal_where_the_arms_say_so():
    direct, thought = (ROWS[recipe.slug] for recipe in PAIR.recipes)
    assert ROWS["trace-stopped"].targets == pytest.approx(direct.targets, rel=0.01)
    assert ROWS["filler"].targets == pytest.approx(direct.targets, rel=0.01)
    assert ROWS["filler"].positions == pytest.approx(thought.positions, abs=0.5)
    assert thought.targets / direct.targets == pytest.approx(9.1, abs=0.1)


def test_rows_are_those_of_the_runs_asked_the_most_terms_trained():
    reasoning = KEPT_REASONING.read(TRAINED)
    for recipe in PAIR.recipes:
        rates = [run.at(6).right for run in runs_of(reasoning, recipe.slug)]
        assert ROWS[recipe.slug].right == rate_over_seeds(rates)
    for slug, control in CONTROLS.items():
        runs = runs_of_arm(STATED, slug)
        assert tuple(run.seed for run in runs) == SEEDS
        assert {run.steps for run in runs} == {control.recipe.training.steps}
        assert ROWS[slug].right == rate_over_seeds([run.at(6).right for run in runs])


def test_a_run_that_departs_is_named():
    (run, *_) = runs_of_arm(STATED, "trace-stopped")
    assert departures(STATED, [run]) == []
    other = replace(run, by_terms=(replace(run.by_terms[0], right=wilson(0.9, 200)), *run.by_terms[1:]))
    (line,) = departures(STATED, [other])
    assert line.startswith("trace-stopped seed 0, 2 terms: stated 0.0")
