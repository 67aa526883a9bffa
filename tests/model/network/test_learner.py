"""model/network/learner.py against autograd and torch's AdamW on GPT.forward."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from model.masks.batches import Batch, make_batch
from model.masks.policies import IGNORE_INDEX, MASK_POLICIES
from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.network.learner import Learner
from model.network.loss import batch_logits, summed_cross_entropy
from model.text.chat_template import Message, render
from model.training.loop import training_batches
from model.training.recipes import RECIPES

REVERSE = RECIPES["reverse"]
WORDS = {
    "one length": ["abcd", "wxyz", "aaaa"],
    "several lengths": ["a", "hello", "abcdefghij", "zz"],
    "one row": ["hello"],
}

policies = pytest.mark.parametrize("policy", MASK_POLICIES.values(), ids=MASK_POLICIES.keys())


def gpt(layers: int) -> GPT:
    """In float64, every weight away from where it starts, so that each one matters."""
    generator = torch.Generator().manual_seed(layers)
    model = GPT(GPTConfig(REVERSE.tokenizer.vocab_size, 32, layers, 4, 24), generator).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


def learner(model: GPT) -> Learner:
    return Learner(model, betas=(0.9, 0.999), weight_decay=0.01)


def mean_loss(model: GPT, batch: Batch) -> torch.Tensor:
    total, count = summed_cross_entropy(batch_logits(model, batch), batch.targets_BT)
    return total / count.clamp(min=1)


@policies
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_loss_and_gradients_are_those_of_autograd(policy, words: list[str], layers: int):
    conversations = [render(REVERSE.task.conversation(word), REVERSE.tokenizer) for word in words]
    batch = make_batch(conversations, policy, REVERSE.tokenizer, row_tokens=30)
    model = gpt(layers)
    expected = mean_loss(model, batch)
    by_autograd = dict(
        zip(dict(model.named_parameters()), torch.autograd.grad(expected, list(model.parameters())), strict=True)
    )
    ours = learner(model)
    assert ours.backward(batch) == pytest.approx(expected.item(), rel=1e-12)
    assert ours.gradients.keys() == by_autograd.keys()
    for name, gradient in by_autograd.items():
        torch.testing.assert_close(ours.gradients[name], gradient, rtol=1e-9, atol=1e-12, msg=name)


def test_a_second_batch_leaves_nothing_of_the_first():
    model = gpt(2)
    first, second = (
        make_batch(
            [render(REVERSE.task.conversation(w), REVERSE.tokenizer)], MASK_POLICIES["unmasked"], REVERSE.tokenizer
        )
        for w in ("abcdefgh", "zy")
    )
    ours, fresh = learner(model), learner(deepcopy(model))
    ours.backward(first)
    ours.backward(second)
    fresh.backward(second)
    for name, gradient in fresh.gradients.items():
        assert torch.equal(ours.gradients[name], gradient), name


def test_conversations_of_several_turns_have_their_losses_wherever_they_are():
    messages = [Message("user", "ab"), Message("assistant", "ba"), Message("user", "c"), Message("assistant", "c")]
    batch = make_batch([render(messages, REVERSE.tokenizer)], MASK_POLICIES["prompt-masked"], REVERSE.tokenizer)
    model = gpt(2)
    expected = torch.autograd.grad(mean_loss(model, batch), model.token_embedding.weight)[0]
    ours = learner(model)
    ours.backward(batch)
    torch.testing.assert_close(ours.gradients["token_embedding.weight"], expected, rtol=1e-9, atol=1e-12)


def test_a_batch_without_a_loss_has_loss_0_and_no_gradient():
    batch = make_batch(
        [render(REVERSE.task.conversation("abc"), REVERSE.tokenizer)], MASK_POLICIES["unmasked"], REVERSE.tokenizer
    )
    model = gpt(1)
    ours = learner(model)
    ours.backward(batch)
    assert ours.backward(replace(batch, targets_BT=torch.full_like(batch.targets_BT, IGNORE_INDEX))) == 0.0
    assert all(not gradient.any() for gradient in ours.gradients.values())


@policies
@pytest.mark.parametrize("slug", RECIPES)
def test_twenty_steps_are_those_of_a_plain_loop_with_torch_s_adamw(policy, slug: str):
    recipe = replace(RECIPES[slug], training=replace(RECIPES[slug].training, batch_size=12))
    config = replace(recipe.model, width=16)
    model = GPT(config, torch.Generator().manual_seed(0)).double()
    plain = deepcopy(model)
    ours = learner(model)
    optimizer = torch.optim.AdamW(plain.parameters(), weight_decay=0.01)
    for step, batch in zip(range(1, 21), training_batches(recipe, policy, seed=3), strict=False):
        optimizer.param_groups[0]["lr"] = 1e-3 / step
        loss = mean_loss(plain, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert ours.step(batch, 1e-3 / step) == pytest.approx(loss.item(), rel=1e-9)
    for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


def test_the_model_itself_changes_with_each_step():
    model = gpt(1)
    before = model.head.weight.detach().clone()
    batch = next(training_batches(REVERSE, MASK_POLICIES["unmasked"], seed=0))
    first = mean_loss(model, batch).item()
    ours = learner(model)
    for _ in range(30):
        ours.step(batch, 1e-2)
    assert not torch.equal(model.head.weight, before)
    assert model.head.weight is model.token_embedding.weight
    assert mean_loss(model, batch).item() < first - 0.5
