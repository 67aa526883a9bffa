"""The gallery: which bugs, that each is trained and measured, what the measurements say, how they are compared."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from model.errors import BrokenRun
from model.experiments.bugs.gallery import (
    GALLERY,
    GALLERY_RUNS,
    KEPT_GALLERY,
    PROMPTS,
    SHIFT_RECIPE,
    Measured,
    departures,
    differences,
    measure_gallery,
    read_gallery,
)
from model.experiments.bugs.symptoms import Symptoms
from model.experiments.shipped import trained_as
from model.intervals import wilson
from model.kept import TIES
from model.masks.policies import COMPARED_POLICIES, CUTS, MASK_POLICIES, shifted_cut
from model.training.checkpoints import RUN_FILE, read_run
from model.training.recipes import ALL_RECIPES, MASK_RECIPES

TRAINED = Path(__file__).resolve().parents[4] / "model" / "trained"
STATED = read_gallery(TRAINED)
ASKED_FOR = (
    "mask-late",
    "mask-early",
    "eos-masked",
    "pad-is-eos",
    "unmasked",
    "all-masked",
    "prompt-only",
    "double-shift",
    "no-shift",
    "pad-supervised",
    "left-pad-unmasked",
    "left-pad",
    "truncated",
    "last-turn-only",
    "packed-naive",
)
NO_BUG = ("left-pad", "packed")
HARMLESS = (*NO_BUG, "mask-early", "unmasked", "pad-supervised")
"""Whose model answers as the right one does."""

bugs = pytest.mark.parametrize("bug", GALLERY.values(), ids=GALLERY)
runs = pytest.mark.parametrize(("recipe", "policy"), GALLERY_RUNS)


def symptoms_of(slug: str) -> Symptoms:
    return STATED[GALLERY[slug].recipe.slug, slug].symptoms


def test_every_bug_asked_for_is_there():
    assert set(ASKED_FOR) <= set(GALLERY)
    assert len(set(GALLERY) - set(NO_BUG)) >= 12


@bugs
def test_a_bug_is_a_policy_of_the_table_other_than_the_right_one_by_one_knob(bug):
    assert bug.policy is MASK_POLICIES[bug.slug]
    right = MASK_POLICIES["prompt-masked"]
    knobs = [f.name for f in fields(right) if f.name not in ("slug", "title", "code")]
    assert sum(getattr(bug.policy, knob) != getattr(right, knob) for knob in knobs) == 1
    assert bug.recipe is ALL_RECIPES[bug.recipe.slug]


@bugs
def test_a_bug_says_its_cause_and_how_to_find_it_in_sentences_of_its_own(bug):
    others = [other for other in GALLERY.values() if other is not bug]
    for said in ("cause", "detect"):
        sentence = getattr(bug, said)
        assert sentence.endswith(".")
        assert sentence not in [getattr(other, said) for other in others]
    assert bug.policy.code not in [other.policy.code for other in others]


@bugs
def test_the_right_model_of_a_bugs_recipe_is_shipped_beside_it(bug):
    right, wrong = STATED[bug.recipe.slug, "prompt-masked"], STATED[bug.recipe.slug, bug.slug]
    assert (right.seed, right.steps) == (wrong.seed, wrong.steps)
    assert right.symptoms.exact_match.value >= 0.99


def test_every_bug_every_cut_and_both_compared_policies_are_shipped_once():
    assert len(set(GALLERY_RUNS)) == len(GALLERY_RUNS)
    assert set(GALLERY_RUNS) == {
        *((bug.recipe.slug, slug) for slug, bug in GALLERY.items()),
        *((SHIFT_RECIPE, shifted_cut(offset).slug) for offset in CUTS),
        *((recipe, policy) for recipe in MASK_RECIPES for policy in COMPARED_POLICIES),
    }


@runs
def test_a_shipped_run_is_the_measured_one(recipe: str, policy: str):
    run, measured = read_run(TRAINED / recipe / policy), STATED[recipe, policy]
    assert (run.recipe, run.policy, run.seed, run.steps) == (recipe, policy, measured.seed, measured.steps)
    assert run.training == trained_as(ALL_RECIPES[recipe], policy).training
    assert run.checkpoints[-1].step == measured.steps
    assert (len(run.checkpoints) > 1) == (policy in COMPARED_POLICIES)


@runs
def test_what_is_stated_of_a_run_holds_together(recipe: str, policy: str):
    s = STATED[recipe, policy].symptoms
    whole = (s.exact_match, s.first_right, s.answer_right, s.stops)
    assert {rate.n for rate in whole} == {PROMPTS}
    assert all(rate == wilson(rate.value, rate.n) for rate in (*whole, *s.by_turn))
    assert s.exact_match.value <= min(s.answer_right.value, s.stops.value)
    assert s.answer_right.value <= s.first_right.value
    assert (s.runaway > 0) >= (s.stops.value < s.answer_right.value)
    assert len(s.by_turn) == ALL_RECIPES[recipe].task.most_turns


def test_nothing_is_stated_of_runs_that_are_not_shipped():
    assert set(STATED) == set(GALLERY_RUNS)


@pytest.mark.parametrize("slug", HARMLESS)
def test_a_policy_that_is_harmless_here_answers_like_the_right_one(slug: str):
    right = STATED[GALLERY[slug].recipe.slug, "prompt-masked"].symptoms
    assert symptoms_of(slug).exact_match.high >= right.exact_match.low


@pytest.mark.parametrize("slug", [slug for slug in GALLERY if slug not in HARMLESS])
def test_any_other_answers_fewer_prompts_right_than_the_right_one(slug: str):
    right = STATED[GALLERY[slug].recipe.slug, "prompt-masked"].symptoms
    assert symptoms_of(slug).exact_match.high < right.exact_match.low


def test_the_lessons_symptoms_are_the_measured_ones():
    late, stop, left_out = symptoms_of("mask-late"), symptoms_of("eos-masked"), symptoms_of("last-turn-only")
    assert late.first_right.high < 0.1
    assert late.stops.value == 1
    assert (stop.first_right.value, stop.answer_right.value, stop.stops.value) == (1, 1, 0)
    assert symptoms_of("pad-is-eos").stops.value == 0
    assert symptoms_of("all-masked").own_loss is None
    assert symptoms_of("all-masked").moved < 0.01
    assert left_out.by_turn[0].value == 0, "no answer to a first turn was ever trained"


def test_the_cut_may_come_early_but_not_late():
    exact = [STATED[SHIFT_RECIPE, shifted_cut(offset).slug].symptoms.exact_match.value for offset in CUTS]
    assert exact[: CUTS.index(0) + 1] == [1.0] * (CUTS.index(0) + 1)
    assert max(exact[CUTS.index(0) + 1 :]) < 0.1


@runs
def test_a_model_measured_anew_agrees_with_what_is_stated(recipe: str, policy: str):
    (measured,) = measure_gallery(TRAINED, [(recipe, policy)])
    assert differences(STATED[recipe, policy], measured) == []


def changed(measured: Measured, **symptoms: object) -> Measured:
    return replace(measured, symptoms=replace(measured.symptoms, **symptoms))


STATED_LATE = STATED["reverse4", "mask-late"]


@pytest.mark.parametrize("name", [f.name for f in fields(Symptoms)])
def test_a_difference_in_any_symptom_is_named(name: str):
    value = getattr(STATED_LATE.symptoms, name)
    if name == "by_turn":
        other: object = (wilson(0.9, PROMPTS),)
    else:
        other = wilson(0.5, PROMPTS) if hasattr(value, "n") else value + 0.5
    (difference,) = differences(STATED_LATE, changed(STATED_LATE, **{name: other}))
    assert difference.startswith(f"{name}: stated ")
    assert ", measured " in difference


def test_two_answers_that_run_to_the_contexts_end_are_no_difference_and_a_token_in_each_tenth_is():
    longest = ALL_RECIPES["reverse4"].model.context_length
    for tokens, count in ((TIES * longest, 0), (PROMPTS // 10, 1)):
        assert len(differences(STATED_LATE, changed(STATED_LATE, runaway=tokens / PROMPTS))) == count


def test_a_turn_too_few_is_a_difference():
    assert len(differences(STATED_LATE, changed(STATED_LATE, by_turn=()))) == 1


def test_a_departure_names_its_run_as_soon_as_it_is_measured():
    other = changed(STATED_LATE, first_right=wilson(1.0, PROMPTS))
    lines = departures(STATED.values(), iter([STATED_LATE, other]))
    assert next(lines) == "reverse4/mask-late: first_right: stated (0.036,), measured (1.0,)"
    assert list(lines) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda rows: rows[1:], "lacks reverse/prompt-masked; `maskscope gallery --measure`"),
        (lambda rows: [row | {"more": 1} for row in rows], "Unexpected keyword argument"),
        (lambda rows: [row | {"steps": -1} for row in rows], "greater than or equal to 0"),
        (lambda rows: {}, "Input should be a valid"),
    ],
)
def test_a_gallery_that_is_not_as_it_is_written_is_refused_by_name(
    tmp_path: Path, spoil: Callable[[list[dict[str, object]]], object], words: str
):
    rows = [asdict(measured) for measured in STATED.values()]
    (tmp_path / KEPT_GALLERY.name).write_text(json.dumps(spoil(rows)))
    with pytest.raises(BrokenRun, match=words) as caught:
        read_gallery(tmp_path)
    assert str(tmp_path / KEPT_GALLERY.name) in str(caught.value)


def test_a_missing_gallery_or_run_is_refused_by_name(tmp_path: Path):
    with pytest.raises(BrokenRun, match=KEPT_GALLERY.name):
        read_gallery(tmp_path)
    with pytest.raises(BrokenRun, match=RUN_FILE):
        next(measure_gallery(tmp_path))
