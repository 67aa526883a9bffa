"""model/experiments/padding.py: what pads do to logits, attention and answers, and what they cost."""

from copy import deepcopy
from dataclasses import replace

import pytest

from app.settings import Settings
from model.experiments.padding import (
    LOGIT_ROUNDING,
    PADDINGS,
    batch_shapes,
    complete_padded,
    departures,
    logit_changes,
    padded_rows,
    padding_changes,
    read_paddings,
)
from model.intervals import wilson
from model.masks.policies import MASK_POLICIES
from model.network.gpt import GPT
from model.training.checkpoints import load_last
from model.training.conversations import render_prompts
from model.training.evaluation import complete_prompts
from model.training.recipes import ALL_RECIPES

RECIPE = ALL_RECIPES["reverse"]
FOLDER = Settings().trained_folder


@pytest.fixture(scope="module")
def model() -> GPT:
    return load_last(FOLDER / "reverse" / "prompt-masked")[1].double()


@pytest.mark.parametrize("words", [("hello", "ab"), ("a", "abcdefghij"), ("cat", "ab", "mask")])
def test_right_padding_and_corrected_left_padding_leave_every_logit_alone(model: GPT, words: tuple[str, ...]):
    conversations = render_prompts(RECIPE, words)
    for policy in ("prompt-masked", "left-pad"):
        assert max(logit_changes(model, RECIPE, conversations, MASK_POLICIES[policy])) < 1e-11
    for policy in ("left-pad-no-positions", "left-pad-unmasked"):
        changes = logit_changes(model, RECIPE, conversations, MASK_POLICIES[policy])
        longest = max(words, key=len)
        for word, change in zip(words, changes, strict=True):
            assert (change > 1) == (word != longest)


def test_pads_are_seen_on_the_left_only_and_only_where_nothing_hides_them(model: GPT):
    conversations = render_prompts(RECIPE, ("hello", "ab"))
    seen = {}
    for policy in PADDINGS:
        row = padded_rows(model, RECIPE, conversations, MASK_POLICIES[policy])[1]
        seen[policy] = {row.seen_pads(t) for t in row.positions()}
        for t in row.positions():
            assert row.real[t]
            assert (row.on_pads(0, 0, t) > 0) == (policy == "left-pad-unmasked")
    assert seen == {"prompt-masked": {0}, "left-pad": {0}, "left-pad-no-positions": {0}, "left-pad-unmasked": {6}}


def test_a_batch_s_change_is_that_of_its_conversation_that_changes_most(model: GPT):
    conversations = render_prompts(RECIPE, ("hello", "ab"))
    changes = padding_changes(model, RECIPE, conversations)
    assert list(changes) == list(PADDINGS)
    for policy, change in changes.items():
        assert change == max(logit_changes(model, RECIPE, conversations, MASK_POLICIES[policy]))
        assert (change > LOGIT_ROUNDING) == (policy in ("left-pad-no-positions", "left-pad-unmasked"))


def test_asked_without_harm_it_answers_as_it_does_unpadded(model: GPT):
    model = deepcopy(model).float()
    words = RECIPE.task.held_out_prompts(40)
    plain = complete_prompts(model, RECIPE.task, RECIPE.tokenizer, words)
    for policy in ("prompt-masked", "left-pad"):
        assert complete_padded(model, RECIPE, words, MASK_POLICIES[policy]) == plain
    bare = complete_padded(model, RECIPE, words, MASK_POLICIES["left-pad-unmasked"])
    assert sum(a == b for a, b in zip(bare, plain, strict=True)) < 20


def test_cells_are_counted_as_they_are_drawn():
    longest, buckets, packed = batch_shapes(RECIPE, 0)
    assert longest.tokens == buckets.tokens == packed.tokens
    ((columns, rows),) = longest.rectangles
    assert (len(rows), max(rows)) == (64, columns)
    assert longest.cells == 64 * columns
    assert [len(rows) for _, rows in buckets.rectangles] == [16] * 4
    assert all(max(rows) == columns for columns, rows in (*buckets.rectangles, *packed.rectangles))
    assert longest.wasted > buckets.wasted > 0
    assert longest.wasted > packed.wasted > 0


def test_every_pair_of_paddings_is_shipped_with_its_n_and_interval():
    measured = read_paddings(FOLDER)
    assert set(measured) == {(a, b) for a in PADDINGS for b in PADDINGS}
    for row in measured.values():
        assert row.exact_match.n == 300
        assert row.exact_match.low <= row.exact_match.value <= row.exact_match.high


def test_a_departure_is_named():
    row = read_paddings(FOLDER)["prompt-masked", "left-pad-unmasked"]
    other = replace(row, exact_match=wilson(0.5, 300))
    (line,) = departures([row], [other])
    stated = f"{row.exact_match.value:.3f}"
    assert line == f"prompt-masked asked with left-pad-unmasked: stated {stated}, measured 0.500"
    assert departures([row], [row]) == []
