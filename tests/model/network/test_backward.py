"""The reference everywhere is autograd in float64, so that agreement means the same formula and not luck."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.masks.batches import Batch, make_batch
from model.masks.policies import COMPARED_POLICIES, MASK_POLICIES
from model.network.backward import PositionGradients, position_gradients
from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.network.loss import summed_cross_entropy
from model.text.chat_template import Message, render
from model.training.recipes import RECIPES

REVERSE = RECIPES["reverse"]
EXACT = {"rtol": 1e-9, "atol": 1e-11}

policies = pytest.mark.parametrize("slug", COMPARED_POLICIES)
words = pytest.mark.parametrize("word", ["hello", "a", "zzzz", "abcdefghij"])


@pytest.fixture(params=["1 layer", "2 layers", "3 layers, 1 head", "new", "half trained", "trained"])
def model(request: pytest.FixtureRequest, random_model: Callable[..., GPT], trained_model: Callable[..., GPT]) -> GPT:
    """In float64 and differentiable, so that autograd can be asked for the same."""
    V = REVERSE.tokenizer.vocab_size
    models: dict[str, Callable[[], GPT]] = {
        "1 layer": lambda: random_model(GPTConfig(V, 32, 1, 4, 32)),
        "2 layers": lambda: random_model(REVERSE.model),
        "3 layers, 1 head": lambda: random_model(GPTConfig(V, 24, 3, 1, 8)),
        "new": lambda: trained_model("reverse", "prompt-masked", 0),
        "half trained": lambda: trained_model("reverse", "unmasked", 500),
        "trained": lambda: trained_model("reverse", "prompt-masked", 3000),
    }
    return deepcopy(models[request.param]()).double().requires_grad_(True)


def batch_of(word: str, slug: str) -> Batch:
    return make_batch(
        [render(REVERSE.task.conversation(word), REVERSE.tokenizer)], MASK_POLICIES[slug], REVERSE.tokenizer
    )


def loss_at_each_position(model: GPT, batch: Batch) -> list[Tensor]:
    """l_s/|S| of each supervised position s, as the loss counts it."""
    logp_TV = model(batch.inputs_BT)[0].log_softmax(-1)
    supervised = batch.supervised_BT[0].nonzero()[:, 0].tolist()
    return [-logp_TV[s, batch.targets_BT[0, s]] / len(supervised) for s in supervised]


def parameters_of(model: GPT) -> dict[str, Tensor]:
    return dict(model.named_parameters())


@policies
@words
def test_the_positions_gradients_add_up_to_what_backward_leaves_in_grad(model: GPT, slug: str, word: str):
    batch = batch_of(word, slug)
    total, count = summed_cross_entropy(model(batch.inputs_BT), batch.targets_BT)
    (total / count).backward()
    ours = position_gradients(model, batch).by_parameter()
    assert ours.keys() == parameters_of(model).keys()
    for name, parameter in parameters_of(model).items():
        torch.testing.assert_close(ours[name].sum(0), parameter.grad, **EXACT, msg=lambda m, n=name: f"{n}: {m}")


@policies
@words
def test_each_positions_gradient_is_autograds_of_its_own_loss(model: GPT, slug: str, word: str):
    batch = batch_of(word, slug)
    ours = position_gradients(model, batch).by_parameter()
    for s, loss in enumerate(loss_at_each_position(model, batch)):
        theirs = torch.autograd.grad(loss, list(parameters_of(model).values()), retain_graph=True)
        for name, gradient in zip(parameters_of(model), theirs, strict=True):
            torch.testing.assert_close(ours[name][s], gradient, **EXACT, msg=lambda m, n=name: f"{n}: {m}")


@policies
@words
def test_products_of_factors_are_products_of_the_gradients_themselves(model: GPT, slug: str, word: str):
    gradients = position_gradients(model, batch_of(word, slug))
    rows_SP = torch.cat([gradient.flatten(1) for gradient in gradients.by_parameter().values()], 1)
    torch.testing.assert_close(gradients.products(), rows_SP @ rows_SP.T, **EXACT)


@policies
def test_logits_and_supervised_positions_are_the_models_and_the_batchs(model: GPT, slug: str):
    batch = batch_of("hello", slug)
    gradients = position_gradients(model, batch)
    torch.testing.assert_close(gradients.logits_TV, model(batch.inputs_BT)[0], **EXACT)
    first = {"prompt-masked": 6, "unmasked": 0}[slug]
    assert gradients.positions_S.tolist() == list(range(first, 12))


def supervised_on_two_turns() -> Batch:
    turns = (Message("user", "ab"), Message("assistant", "ba"), Message("user", "xyz"), Message("assistant", "zyx"))
    return make_batch([render(turns, REVERSE.tokenizer)], MASK_POLICIES["prompt-masked"], REVERSE.tokenizer)


def test_supervised_positions_need_not_be_one_run(model: GPT):
    batch = supervised_on_two_turns()
    gradients: PositionGradients = position_gradients(model, batch)
    assert gradients.positions_S.tolist() == [3, 4, 5, 11, 12, 13, 14]
    total, count = summed_cross_entropy(model(batch.inputs_BT), batch.targets_BT)
    (total / count).backward()
    for name, parameter in parameters_of(model).items():
        torch.testing.assert_close(gradients.by_parameter()[name].sum(0), parameter.grad, **EXACT)


def test_where_nothing_is_supervised_there_are_no_gradients(model: GPT):
    batch = batch_of("hello", "prompt-masked")
    nothing = replace(batch, targets_BT=torch.full_like(batch.targets_BT, -100))
    gradients = position_gradients(model, nothing)
    assert gradients.products().shape == (0, 0)
    for name, gradient in gradients.by_parameter().items():
        assert gradient.shape == (0, *parameters_of(model)[name].shape)


def test_the_model_is_left_as_it_was(model: GPT):
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    position_gradients(model, batch_of("hello", "unmasked"))
    assert all(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_batch_of_two_rows_is_a_programming_error(model: GPT):
    batch = batch_of("hello", "unmasked")
    twice = Batch(*(tensor.expand(2, -1) for tensor in (batch.inputs_BT, batch.targets_BT, batch.real_BT)))
    with pytest.raises(AssertionError, match="2, 12"):
        position_gradients(model, twice)
