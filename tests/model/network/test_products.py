"""Products of gradients without the gradients, against autograd in float64; and a batch against its rows."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.masks.batches import Batch, make_batch
from model.masks.policies import COMPARED_POLICIES, IGNORE_INDEX, MASK_POLICIES
from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.network.loss import summed_cross_entropy
from model.network.products import Products, gradient_products
from model.text.chat_template import render
from model.training.recipes import RECIPES

REVERSE = RECIPES["reverse"]
VOCABULARY = REVERSE.tokenizer.vocab_size
WORDS = ("hello", "a", "zzzz", "abcdefghij")

policies = pytest.mark.parametrize("slug", COMPARED_POLICIES)


@pytest.fixture(params=["1 layer", "2 layers", "3 layers, 1 head", "half trained", "trained"])
def model(request: pytest.FixtureRequest, random_model: Callable[..., GPT], trained_model: Callable[..., GPT]) -> GPT:
    models: dict[str, Callable[[], GPT]] = {
        "1 layer": lambda: random_model(GPTConfig(VOCABULARY, 32, 1, 4, 32)),
        "2 layers": lambda: random_model(REVERSE.model),
        "3 layers, 1 head": lambda: random_model(GPTConfig(VOCABULARY, 24, 3, 1, 8)),
        "half trained": lambda: trained_model("reverse", "unmasked", 500),
        "trained": lambda: trained_model("reverse", "prompt-masked", 3000),
    }
    return deepcopy(models[request.param]()).double()


def batch_of(words: tuple[str, ...], slug: str) -> Batch:
    conversations = [render(REVERSE.task.conversation(word), REVERSE.tokenizer) for word in words]
    return make_batch(conversations, MASK_POLICIES[slug], REVERSE.tokenizer)


def products_of(model: GPT, batch: Batch) -> Products:
    return gradient_products(model, batch.inputs_BT, batch.targets_BT, batch.supervised_BT)


def rows_by_autograd(model: GPT, batch: Batch) -> Tensor:
    """(T, P): the gradient of l_t/|S| by all parameters, 0 where ignored."""
    model = deepcopy(model).requires_grad_(True)
    losses_T = F.cross_entropy(model(batch.inputs_BT)[0], batch.targets_BT[0], reduction="none")
    losses_T = losses_T / batch.supervised_BT.sum()
    parameters = list(model.parameters())
    rows = (torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses_T)
    return torch.stack([torch.cat([gradient.flatten() for gradient in row]) for row in rows])


@policies
@pytest.mark.parametrize("word", WORDS)
def test_products_are_those_of_the_gradients_that_autograd_gives(model: GPT, slug: str, word: str) -> None:
    batch = batch_of((word,), slug)
    rows_TP = rows_by_autograd(model, batch)
    ours = products_of(model, batch)
    rows_SP = rows_TP[ours.positions_S]
    torch.testing.assert_close(ours.products_BSS[0], rows_SP @ rows_SP.T, rtol=1e-9, atol=1e-13)
    torch.testing.assert_close(ours.logits_BTV, model(batch.inputs_BT), rtol=1e-9, atol=1e-11)


@policies
def test_products_add_up_to_the_squared_length_of_what_backward_leaves_in_grad(model: GPT, slug: str) -> None:
    batch = batch_of(("hello",), slug)
    model.requires_grad_(True)
    total, count = summed_cross_entropy(model(batch.inputs_BT), batch.targets_BT)
    (total / count).backward()
    squared = sum(
        float(parameter.grad.square().sum()) for parameter in model.parameters() if parameter.grad is not None
    )
    assert products_of(model, batch).products_BSS.sum().item() == pytest.approx(squared, rel=1e-9)


@policies
def test_a_batch_of_words_of_different_lengths_says_of_each_what_it_says_alone(model: GPT, slug: str) -> None:
    together = products_of(model, batch_of(WORDS, slug))
    for row, word in enumerate(WORDS):
        alone = products_of(model, batch_of((word,), slug))
        T = alone.logits_BTV.shape[1]
        places = torch.isin(together.positions_S, alone.positions_S).nonzero()[:, 0]
        assert together.positions_S[places].tolist() == alone.positions_S.tolist()
        products_SS = together.products_BSS[row]
        exact = {"rtol": 1e-9, "atol": 1e-13}
        torch.testing.assert_close(products_SS[places][:, places], alone.products_BSS[0], **exact)
        assert products_SS.sum().item() == pytest.approx(alone.products_BSS.sum().item(), rel=1e-9)
        torch.testing.assert_close(together.logits_BTV[row, :T], alone.logits_BTV[0], **exact)
        torch.testing.assert_close(together.logit_norm_BS[row, places], alone.logit_norm_BS[0], **exact)
        torch.testing.assert_close(together.input_norm_BT[row, :T], alone.input_norm_BT[0], **exact)
        assert (together.input_norm_BT[row, T:] == 0).all()


def test_supervised_positions_need_not_be_one_run(model: GPT) -> None:
    batch = batch_of(("hello",), "unmasked")
    targets_BT = batch.targets_BT.clone()
    targets_BT[0, [1, 2, 5, 10]] = IGNORE_INDEX
    supervised_BT = targets_BT != IGNORE_INDEX
    every = rows_by_autograd(model, batch) * batch.targets_BT.shape[1] / supervised_BT.sum()
    ours = gradient_products(model, batch.inputs_BT, targets_BT, supervised_BT)
    rows_SP = every[ours.positions_S]
    assert ours.positions_S.tolist() == supervised_BT[0].nonzero()[:, 0].tolist()
    torch.testing.assert_close(ours.products_BSS[0], rows_SP @ rows_SP.T, rtol=1e-9, atol=1e-13)


def test_where_nothing_is_supervised_there_are_no_products_and_the_logits_all_the_same(model: GPT) -> None:
    batch = batch_of(("hello",), "unmasked")
    nothing = torch.zeros_like(batch.supervised_BT)
    ours = gradient_products(model, batch.inputs_BT, batch.targets_BT, nothing)
    assert ours.products_BSS.shape == (1, 0, 0)
    assert (ours.input_norm_BT == 0).all()
    torch.testing.assert_close(ours.logits_BTV, model(batch.inputs_BT))


def test_the_model_is_left_as_it_was(model: GPT) -> None:
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    products_of(model, batch_of(WORDS, "unmasked"))
    assert all(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
