"""model/experiments/turns.py: half of the conversations have one turn, and masks that differ in the last turn alone."""

from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import pytest

from model.experiments.shipped import SEEDS
from model.experiments.turns import (
    KEPT_TURNS,
    MEASURED_STEPS,
    MIXED,
    POLICIES,
    QUESTIONS,
    departures,
    holds_out_a_word,
    learned_steps,
    mixed_rows,
    questions,
    runs_under,
)
from model.intervals import rate_over_seeds, wilson
from model.masks.policies import IGNORE_INDEX, MASK_POLICIES, differing_knobs
from model.text.tasks import Task, is_held_out
from model.training.batches import batch_of
from model.training.conversations import render_prompts
from model.training.recipes import DIALOGUE, Recipe

TRAINED = Path(__file__).resolve().parents[3] / "model" / "trained"
STATED = KEPT_TURNS.read(TRAINED)


def drawn(recipe: Recipe, count: int) -> list[list[str]]:
    return [prompt.split() for prompt in islice(recipe.task.prompts(0, held_out=False), count)]


def test_it_is_dialogue_but_for_single_turns_and_the_split():
    differ = [f.name for f in fields(Recipe) if getattr(DIALOGUE, f.name) != getattr(MIXED, f.name)]
    assert differ == ["slug", "title", "task"]
    tasks = [f.name for f in fields(Task) if getattr(DIALOGUE.task, f.name) != getattr(MIXED.task, f.name)]
    assert tasks == ["slug", "single_share", "split", "holds_out"]


def test_dialogue_itself_draws_what_it_drew_and_never_one_turn():
    first = [" ".join(turns) for turns in drawn(DIALOGUE, 4)]
    assert first == ["gxt yxhq falh", "eue 1 1", "rk tfj xtjt 1", "wa iwlv kxdi 1"]
    assert {len(turns) for turns in drawn(DIALOGUE, 500)} == {2, 3, 4}


def test_half_of_the_conversations_have_one_turn():
    counts = [len(turns) for turns in drawn(MIXED, 2000)]
    assert set(counts) == {1, 2, 3, 4}
    assert counts.count(1) / len(counts) > 0.5  # a longer one holds a held-out word more often, and is left out
    assert counts.count(1) / len(counts) == pytest.approx(0.5, abs=0.08)


def test_no_word_that_is_asked_about_is_in_a_training_conversation():
    asked = {word for turn in range(1, 5) for question in questions(turn) for word in question.split() if word != "1"}
    assert all(map(is_held_out, asked))
    for turns in drawn(MIXED, 2000):
        assert not any(is_held_out(turn) for turn in turns if turn != "1")
    assert holds_out_a_word("hello model")
    assert not holds_out_a_word("hello 1 abcd")


@pytest.mark.parametrize("turn", [1, 2, 3, 4])
def test_questions_are_different_and_have_so_many_turns(turn: int):
    asked = questions(turn)
    assert len(set(asked)) == len(asked) == QUESTIONS
    assert {len(question.split()) for question in asked} == {turn}
    for question in asked[:20]:
        MIXED.task.check_prompt(question)


@pytest.mark.parametrize(
    ("policy", "trained"), [("prompt-masked", ("cba#", "cba#ed#cba#")), ("last-turn-only", ("cba#", "cba#"))]
)
def test_a_first_answer_is_trained_under_both_masks_where_it_is_the_only_one(policy: str, trained: tuple[str, str]):
    conversations = render_prompts(MIXED, ["abc", "abc de 1"])
    batch = batch_of(MIXED, conversations, MASK_POLICIES[policy])
    rows = [[int(y) for y in row if y != IGNORE_INDEX] for row in batch.targets_BT]
    assert tuple(map(MIXED.tokenizer.decode, rows)) == trained


def test_the_arms_differ_in_the_turns_that_are_trained():
    assert [differing_knobs(MASK_POLICIES[policy]) for policy in POLICIES] == [{}, {"turns": "last"}]


def test_every_seed_is_measured_under_both_masks_on_the_way():
    for policy in POLICIES:
        runs = runs_under(STATED, policy)
        assert tuple(run.seed for run in runs) == SEEDS
        for run in runs:
            assert tuple(at.step for at in run.by_step) == MEASURED_STEPS
            assert all(rate.n == QUESTIONS for at in run.by_step for rate in at.by_turn)
            assert sorted(at.targets for at in run.by_step) == [at.targets for at in run.by_step]
    every, last = mixed_rows(STATED)
    assert every.targets > 1.5 * last.targets


def test_first_answers_are_learned_under_either_mask():
    for row in mixed_rows(STATED):
        assert row.by_turn[0].low > 0.9
        for turn, rate in enumerate(row.by_turn):
            runs = runs_under(STATED, row.policy)
            assert rate == rate_over_seeds([run.last.by_turn[turn] for run in runs])


def test_a_turn_is_learned_where_every_turn_has_95_in_100():
    run = STATED[0]
    fine, short = wilson(0.95, 200), wilson(0.94, 200)
    steps = [replace(run.by_step[0], by_turn=rates) for rates in ((fine, short), (fine, fine))]
    later = replace(steps[1], step=1000)
    assert replace(run, by_step=(steps[0], later)).learned_at == 1000
    assert replace(run, by_step=(steps[0],)).learned_at is None
    assert learned_steps((1500, None)) == "1,500; never"


def test_a_run_that_departs_is_named():
    run = STATED[0]
    assert departures(STATED, [run]) == []
    last = replace(run.last, by_turn=(wilson(0.2, 200), *run.last.by_turn[1:]))
    (line,) = departures(STATED, [replace(run, by_step=(*run.by_step[:-1], last))])
    assert line.startswith("prompt-masked seed 0, step 4000, turn 1: stated 1.000, measured 0.200")
