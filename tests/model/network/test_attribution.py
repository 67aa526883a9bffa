"""The five quantities, in the float32 that the page shows, against autograd in float64."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields, replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.masks.batches import Batch, make_batch
from model.masks.policies import COMPARED_POLICIES, MASK_POLICIES
from model.network.attribution import Attribution, attribute
from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.text.chat_template import render
from model.training.recipes import RECIPES

REVERSE = RECIPES["reverse"]
SHIPPED_STEPS = (0, 200, 1000, 3000)

policies = pytest.mark.parametrize("slug", COMPARED_POLICIES)
words = pytest.mark.parametrize("word", ["hello", "a", "zzzz", "abcdefghij"])


@pytest.fixture(params=["1 layer", "2 layers", *SHIPPED_STEPS])
def model(request: pytest.FixtureRequest, random_model: Callable[..., GPT], trained_model: Callable[..., GPT]) -> GPT:
    if request.param == "1 layer":
        return random_model(GPTConfig(REVERSE.tokenizer.vocab_size, 32, 1, 4, 32))
    if request.param == "2 layers":
        return random_model(REVERSE.model)
    return trained_model("reverse", "prompt-masked", request.param)


def batch_of(word: str, slug: str) -> Batch:
    return make_batch(
        [render(REVERSE.task.conversation(word), REVERSE.tokenizer)], MASK_POLICIES[slug], REVERSE.tokenizer
    )


@dataclass(frozen=True)
class Reference:
    """By autograd, one backward pass per position; ignored positions have gradient 0 by their weight in the loss."""

    logit_norm_T: Tensor
    parameter_norm_T: Tensor
    share_T: Tensor
    input_norm_T: Tensor
    similarity_TT: Tensor


def reference(model: GPT, batch: Batch) -> Reference:
    model = deepcopy(model).double().requires_grad_(True)
    embedded: list[Tensor] = []
    model.blocks[0].register_forward_hook(lambda _, inputs, output: embedded.append(inputs[0]))
    logits_BTV = model(batch.inputs_BT)
    targets_T, supervised_T = batch.targets_BT[0], batch.supervised_BT[0]
    losses_T = F.cross_entropy(logits_BTV[0], targets_T, reduction="none") / max(int(supervised_T.sum()), 1)
    by_logits, by_inputs = torch.autograd.grad(losses_T.sum(), [logits_BTV, embedded[0]], retain_graph=True)
    parameters = list(model.parameters())
    rows_TP = torch.stack(
        [
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, retain_graph=True)])
            for loss in losses_T
        ]
    )
    total_P = rows_TP.sum(0)
    directions_TP = F.normalize(rows_TP, dim=-1)  # cosine_similarity would hold T x T x P numbers
    return Reference(
        logit_norm_T=by_logits[0].norm(dim=-1),
        parameter_norm_T=rows_TP.norm(dim=-1),
        share_T=rows_TP @ total_P / (total_P @ total_P),
        input_norm_T=by_inputs[0].norm(dim=-1),
        similarity_TT=directions_TP @ directions_TP.T,
    )


@policies
@words
def test_all_quantities_are_what_autograd_gives(model: GPT, slug: str, word: str):
    batch = batch_of(word, slug)
    ours, theirs = attribute(model, batch), reference(model, batch)
    for field in fields(Reference):
        expected = getattr(theirs, field.name)
        torch.testing.assert_close(
            getattr(ours, field.name).double(),
            expected,
            rtol=1e-3,
            atol=1e-5 * expected.abs().max().item(),
            msg=lambda m, n=field.name: f"{n}: {m}",
        )


@policies
@words
def test_shares_sum_to_1(model: GPT, slug: str, word: str):
    assert attribute(model, batch_of(word, slug)).share_T.sum().item() == pytest.approx(1, abs=1e-5)


@words
def test_an_ignored_position_adds_exactly_nothing_but_is_still_reached_by_the_loss(model: GPT, word: str):
    batch = batch_of(word, "prompt-masked")
    ignored_T = ~batch.supervised_BT[0]
    ours = attribute(model, batch)
    assert int(ignored_T.sum()) == len(word) + 1  # y[: P-1]
    for zero_T in (ours.logit_norm_T, ours.parameter_norm_T, ours.share_T):
        assert (zero_T[ignored_T] == 0).all()
    assert (ours.similarity_TT[ignored_T] == 0).all()
    assert (ours.similarity_TT[:, ignored_T] == 0).all()
    assert (ours.input_norm_T[ignored_T] > 0).all()


@policies
@words
def test_every_supervised_position_pushes(model: GPT, slug: str, word: str):
    batch = batch_of(word, slug)
    ours = attribute(model, batch)
    assert (ours.logit_norm_T[batch.supervised_BT[0]] > 0).all()
    assert (ours.parameter_norm_T[batch.supervised_BT[0]] > 0).all()


@policies
@words
def test_similarity_is_a_cosine(model: GPT, slug: str, word: str):
    batch = batch_of(word, slug)
    similarity_TT = attribute(model, batch).similarity_TT
    torch.testing.assert_close(similarity_TT, similarity_TT.T)
    diagonal_S = similarity_TT.diagonal()[batch.supervised_BT[0]]
    torch.testing.assert_close(diagonal_S, torch.ones_like(diagonal_S), rtol=0, atol=1e-6)
    assert similarity_TT.abs().max() <= 1


def test_a_share_may_pull_against_the_rest(trained_model: Callable[..., GPT]):
    """Signed: otherwise shares would be the squares of the norms in disguise."""
    ours = attribute(trained_model("reverse", "prompt-masked", 200), batch_of("hello", "prompt-masked"))
    assert ours.share_T.min() < -0.01


@words
def test_the_mask_alone_changes_no_logit(model: GPT, word: str):
    masked, unmasked = (attribute(model, batch_of(word, slug)) for slug in ("prompt-masked", "unmasked"))
    assert torch.equal(masked.logits_TV, unmasked.logits_TV)


def test_where_nothing_is_supervised_every_quantity_is_0_and_none_is_nan(model: GPT):
    batch = batch_of("hello", "prompt-masked")
    ours = attribute(model, replace(batch, targets_BT=torch.full_like(batch.targets_BT, -100)))
    for field in fields(Attribution):
        if field.name != "logits_TV":
            values = getattr(ours, field.name)
            assert values.shape[0] == 12
            assert (values == 0).all(), field.name


def test_one_attribution_of_two_rows_is_a_programming_error(model: GPT):
    batch = batch_of("hello", "unmasked")
    twice = Batch(*(tensor.expand(2, -1) for tensor in (batch.inputs_BT, batch.targets_BT, batch.real_BT)))
    with pytest.raises(AssertionError, match="2, 12"):
        attribute(model, twice)
