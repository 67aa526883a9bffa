"""model/experiments/padding/rows.py: what pads do to logits and attention."""

import pytest

from app.settings import Settings
from model.experiments.padding.arms import PADDINGS
from model.experiments.padding.rows import LOGIT_ROUNDING, logit_changes, padded_rows, padding_changes
from model.masks.policies import MASK_POLICIES
from model.network.gpt import GPT
from model.training.checkpoints import load_last
from model.training.conversations import render_prompts
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
    for policy in ("left-pad-no-positions", "left-pad-seen", "left-pad-unmasked"):
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
            assert (row.on_pads(0, 0, t) > 0) == (policy in ("left-pad-seen", "left-pad-unmasked"))
    assert seen == {
        "prompt-masked": {0},
        "left-pad": {0},
        "left-pad-no-positions": {0},
        "left-pad-seen": {6},
        "left-pad-unmasked": {6},
    }


def test_a_batch_s_change_is_that_of_its_conversation_that_changes_most(model: GPT):
    conversations = render_prompts(RECIPE, ("hello", "ab"))
    changes = padding_changes(model, RECIPE, conversations)
    assert list(changes) == list(PADDINGS)
    for policy, change in changes.items():
        assert change == max(logit_changes(model, RECIPE, conversations, MASK_POLICIES[policy]))
        assert (change > LOGIT_ROUNDING) == (policy in ("left-pad-no-positions", "left-pad-seen", "left-pad-unmasked"))
