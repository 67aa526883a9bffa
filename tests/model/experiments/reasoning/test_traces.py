"""model/experiments/reasoning/traces.py: two recipes that differ in the response alone, and what is shipped of them."""

from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import pytest

from model.experiments.reasoning.traces import (
    KEPT_REASONING,
    TRACE_PAIRS,
    TracePair,
    departures,
    measure_runs,
    runs_of,
    shipped_folders,
    terms_rows,
    verdict_sentence,
)
from model.experiments.shipped import SEEDS
from model.intervals import rate_over_seeds
from model.text.sums import final_answer
from model.text.tokenizer import END_OF_TURN
from model.training.checkpoints import load_last
from model.training.evaluation import answers
from model.training.given_numbers import gives
from model.training.recipes import SUM_RECIPES, Recipe

TRAINED = Path(__file__).resolve().parents[4] / "model" / "trained"
STATED = KEPT_REASONING.read(TRAINED)
comparisons = pytest.mark.parametrize("comparison", TRACE_PAIRS.values(), ids=list(TRACE_PAIRS))


@comparisons
def test_direct_and_thought_differ_in_nothing_but_the_response(comparison: TracePair):
    direct, thought = comparison.recipes
    differ = [f.name for f in fields(Recipe) if getattr(direct, f.name) != getattr(thought, f.name)]
    assert differ == ["slug", "title", "task"]
    tasks = [f.name for f in fields(direct.task) if getattr(direct.task, f.name) != getattr(thought.task, f.name)]
    assert sorted(tasks) == ["slug", "solve", "title"]


@comparisons
def test_the_response_is_all_that_tells_their_conversations_apart(comparison: TracePair):
    direct, thought = (recipe.task for recipe in comparison.recipes)
    for sum_ in islice(direct.prompts(0, held_out=False), 200):
        assert direct.question(sum_) == thought.question(sum_)
        assert final_answer(thought.answer(sum_)) == direct.answer(sum_)
        assert thought.answer(sum_).startswith("{")


@comparisons
def test_every_seed_and_number_of_terms_is_measured_one_more_than_trained(comparison: TracePair):
    for recipe in comparison.recipes:
        runs = runs_of(STATED, recipe.slug)
        assert tuple(run.seed for run in runs) == SEEDS
        for run in runs:
            assert [row.terms for row in run.by_terms] == [2, 3, 4, 5, 6, 7]
            assert run.steps == recipe.training.steps
            for row in run.by_terms:
                assert row.whole.value <= row.right.value
                assert row.right.n == len(comparison.sums.held_out(row.terms, 200))


def test_with_digits_there_is_no_gap_and_with_larger_numbers_there_is():
    def at_six(recipe: str):
        return rate_over_seeds([run.at(6).right for run in runs_of(STATED, recipe)])

    assert at_six("sums-direct").low > 0.95
    assert at_six("sums-thought").low > 0.95
    assert at_six("numbers-thought").low > at_six("numbers-direct").high + 0.3


@comparisons
def test_rates_are_told_over_seeds_by_number_of_terms(comparison: TracePair):
    rows = terms_rows(comparison, STATED)
    assert [row.terms for row in rows] == list(comparison.terms())
    assert [row.trained for row in rows] == [True] * 5 + [False]
    for row in rows:
        for recipe, rate in zip(comparison.recipes, row.rates, strict=True):
            assert rate == rate_over_seeds([run.at(row.terms).right for run in runs_of(STATED, recipe.slug)])
            assert rate.questions == len(set(comparison.sums.held_out(row.terms, 200)))
            assert rate.low <= min(rate.seeds) <= max(rate.seeds) <= rate.high


def test_the_trace_is_said_to_help_or_to_hurt_only_where_intervals_are_apart():
    digits, numbers = (verdict_sentence(c, terms_rows(c, STATED)) for c in TRACE_PAIRS.values())
    assert digits.startswith("With 6 digits no clear gap was found: ")
    assert numbers.startswith("With 6 numbers to 99 the trace helps: ")
    turned = [replace(row, rates=row.rates[::-1]) for row in terms_rows(TRACE_PAIRS["numbers"], STATED)]
    assert "the trace hurts" in verdict_sentence(TRACE_PAIRS["numbers"], turned)


def test_a_trace_takes_more_forward_passes():
    for run in runs_of(STATED, "numbers-thought"):
        direct = next(r for r in runs_of(STATED, "numbers-direct") if r.seed == run.seed)
        for terms in range(2, 8):
            assert run.at(terms).passes > 2 * direct.at(terms).passes


def test_no_shipped_model_gives_the_right_number_without_a_stop():
    for folder in shipped_folders(TRAINED):
        run, model = load_last(folder)
        recipe = SUM_RECIPES[run.recipe]
        sums = next(pair.sums for pair in TRACE_PAIRS.values() if recipe in pair.recipes)
        for given in answers(model, recipe.task, recipe.tokenizer, sums.held_out(sums.most, 200)):
            number, right = final_answer(given.given), final_answer(given.right)
            assert gives(number, right) == (number == right + END_OF_TURN)


def test_the_shipped_models_do_what_is_stated():
    measured = list(measure_runs(shipped_folders(TRAINED)))
    assert departures(STATED, measured) == []
    first = measured[0]
    row = first.by_terms[0]
    other = replace(first, by_terms=(replace(row, right=replace(row.right, value=0.2, low=0.1)), *first.by_terms[1:]))
    (line,) = departures(STATED, [other])
    assert line == "sums-direct, 2 terms, right: stated 1.000, measured 0.200"
