"""model/experiments/dispatcher/drift.py: how far a model is from another, in weights and in distributions."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch

from model.experiments.dispatcher.drift import divergence, measure_drift, moved_by_part
from model.network.gpt import GPT
from model.text.chat_template import render
from model.training.recipes import SUM_RECIPES

RECIPE = SUM_RECIPES["answers"]
WORDS = ("What is 7+8?", "What is 0+0?", "What is 9+9?")


@pytest.fixture(scope="module")
def tuned(trained_model: Callable[[str, str, int], GPT]) -> GPT:
    return trained_model("answers", "prompt-masked", RECIPE.training.steps)


def test_a_model_has_not_drifted_from_itself(base: GPT):
    drift = measure_drift(base, base, RECIPE, WORDS)
    assert set(drift.moved.values()) == {0.0}
    for losses in (drift.text, drift.request):
        assert all(loss.value == pytest.approx(0, abs=1e-5) for loss in losses.values())
    assert drift.ability.continues.value == drift.ability.knows.value == 1.0
    assert drift.ability.endings.line.value == 1.0, "a fact ends its line"


def test_a_part_that_was_moved_is_told_by_how_much(base: GPT):
    moved = deepcopy(base)
    with torch.no_grad():
        for parameter in moved.blocks[1].attention.parameters():  # type: ignore[union-attr]
            parameter.mul_(1.5)
        for parameter in moved.blocks[1].norm_1.parameters():  # type: ignore[union-attr]
            parameter.mul_(1.5)
    parts = moved_by_part(base, moved)
    assert parts.pop("blocks.1.attention") == pytest.approx(0.5)
    assert set(parts) == {"token_embedding", "position_embedding", "norm"} | {
        f"blocks.{i}.{half}" for i in (0, 1) for half in ("attention", "mlp")
    } - {"blocks.1.attention"}
    assert set(parts.values()) == {0.0}


def test_divergence_is_that_of_the_two_distributions_and_zero_at_pads(base: GPT, tuned: GPT):
    rows = [render(RECIPE.task.conversation(word), RECIPE.tokenizer) for word in WORDS]
    nats_BT = divergence(base, tuned, rows, RECIPE)
    lengths = [len(row.token_ids) - 1 for row in rows]
    for b, row in enumerate(rows):
        with torch.inference_mode():
            inputs = torch.tensor([row.token_ids[:-1]])
            ours, theirs = (torch.distributions.Categorical(logits=model(inputs)[0]) for model in (tuned, base))
            expected = torch.distributions.kl_divergence(ours, theirs)
        assert torch.allclose(nats_BT[b, : lengths[b]], expected, atol=1e-4)
        assert not nats_BT[b, lengths[b] :].any()


def test_sft_moves_answers_further_than_text(base: GPT, tuned: GPT):
    drift = measure_drift(base, tuned, RECIPE, WORDS)
    assert drift.request["assistant"].value > max(loss.value for loss in drift.text.values())
    assert all(loss.value > 0 for loss in drift.text.values())
