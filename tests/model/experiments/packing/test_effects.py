"""Packing: separated, it changes nothing that training computes; naive, it does. Counts on literal rows."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, replace
from itertools import islice

import pytest
import torch
from torch import Tensor

from model.experiments.packing.effects import (
    LEAST_LEAK,
    SEPARATIONS,
    measure_documents,
    measure_effects,
    separated_batch,
)
from model.experiments.packing.rows import (
    Filling,
    boundaries,
    measure_filling,
    trace_sight,
)
from model.explain.cells import inspect_mask
from model.masks.batches import Batch, make_batch
from model.masks.policies import MASK_POLICIES
from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.network.learner import Learner
from model.network.loss import batch_logits, summed_cross_entropy
from model.text.chat_template import Rendered
from model.training.conversations import render_prompts
from model.training.loop import initial_model, training_batches, training_conversations
from model.training.recipes import ALL_RECIPES, Recipe

RandomModel = Callable[[GPTConfig], GPT]
RIGHT, PACKED, NAIVE = (MASK_POLICIES[slug] for slug in ("prompt-masked", "packed", "packed-naive"))
REVERSE = ALL_RECIPES["reverse"]
PACKING_RECIPES = pytest.mark.parametrize("recipe", [REVERSE, ALL_RECIPES["dialogue"]], ids=lambda r: r.slug)


def batches(recipe: Recipe, conversations: tuple[Rendered, ...]) -> dict[str, Batch]:
    """The same conversations under the three policies."""
    return {
        policy.slug: make_batch(conversations, policy, recipe.tokenizer, row_tokens=recipe.row_tokens)
        for policy in (RIGHT, PACKED, NAIVE)
    }


def by_autograd(model: GPT, batch: Batch) -> tuple[float, Tensor]:
    model = deepcopy(model).double().requires_grad_(True)
    total, count = summed_cross_entropy(batch_logits(model, batch), batch.targets_BT)
    loss = total / count
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    return float(loss.detach()), torch.cat([gradient.flatten() for gradient in gradients])


def by_learner(model: GPT, batch: Batch) -> tuple[float, Tensor]:
    learner = Learner(deepcopy(model).double(), betas=(0.9, 0.999), weight_decay=0.0)
    loss = learner.backward(batch)
    return loss, torch.cat([gradient.flatten() for gradient in learner.gradients.values()])


# Training


@PACKING_RECIPES
@pytest.mark.parametrize("compute", [by_autograd, by_learner])
def test_packed_and_separated_gradients_equal_unpacked_ones(
    random_model: RandomModel, recipe: Recipe, compute: Callable[[GPT, Batch], tuple[float, Tensor]]
) -> None:
    model, laid_out = random_model(recipe.model), batches(recipe, training_conversations(recipe, 3))
    assert len(laid_out["packed"].inputs_BT) < len(laid_out["prompt-masked"].inputs_BT)
    loss, gradient_P = compute(model, laid_out["prompt-masked"])
    packed_loss, packed_P = compute(model, laid_out["packed"])
    assert packed_loss == pytest.approx(loss, abs=1e-9)
    assert (packed_P - gradient_P).abs().max() < 1e-9
    naive_loss, naive_P = compute(model, laid_out["packed-naive"])
    assert abs(naive_loss - loss) > 1e-3
    assert (naive_P - gradient_P).abs().max() > 1e-3


@PACKING_RECIPES
def test_training_packed_and_separated_is_training_unpacked_step_by_step(recipe: Recipe) -> None:
    steps, small = 5, replace(recipe, training=replace(recipe.training, batch_size=16))

    def train(slug: str) -> tuple[list[float], Tensor]:
        model = initial_model(small, 0).double()
        learner = Learner(model, betas=small.training.betas, weight_decay=small.training.weight_decay)
        taken = islice(training_batches(small, MASK_POLICIES[slug], 0), steps)
        losses = [learner.step(batch, small.training.learning_rate) for batch in taken]
        return losses, torch.cat([p.detach().flatten() for p in model.parameters()])

    (losses, weights_P), (packed, packed_P), (naive, naive_P) = map(train, ("prompt-masked", "packed", "packed-naive"))
    assert packed == pytest.approx(losses, abs=1e-9)
    assert (
        packed_P - weights_P
    ).abs().max() < 1e-6  # AdamW divides by the root of tiny squares, which magnifies rounding
    assert losses[-1] < losses[0]
    assert naive[1:] != pytest.approx(losses[1:], abs=1e-6)
    assert (naive_P - weights_P).abs().max() > 1e-4


def test_the_conversations_of_a_training_batch_are_those_that_training_reads() -> None:
    conversations = training_conversations(REVERSE, 2)
    for policy in (RIGHT, PACKED, NAIVE):
        batch = make_batch(conversations, policy, REVERSE.tokenizer, row_tokens=REVERSE.row_tokens)
        read = next(training_batches(REVERSE, policy, 2))
        assert torch.equal(batch.inputs_BT, read.inputs_BT)
        assert torch.equal(batch.targets_BT, read.targets_BT)


# Measured effects


@PACKING_RECIPES
def test_only_what_is_kept_apart_in_both_ways_changes_nothing(random_model: RandomModel, recipe: Recipe) -> None:
    effects = measure_effects(random_model(recipe.model), recipe, training_conversations(recipe, 1)[:6])
    assert [e.separation.slug for e in effects.packed if e.leaks] == [
        "attention-only",
        "positions-only",
        "packed-naive",
    ]
    separated = effects.effect("packed")
    assert abs(separated.loss_difference) < LEAST_LEAK
    assert separated.gradient_difference < LEAST_LEAK
    assert separated.gradient_change < LEAST_LEAK
    for effect in effects.packed:
        assert effect.loss == pytest.approx(effects.loss + effect.loss_difference)


def test_effects_are_what_autograd_finds(random_model: RandomModel) -> None:
    conversations = training_conversations(REVERSE, 1)[:6]
    model, laid_out = random_model(REVERSE.model), batches(REVERSE, conversations)
    effects = measure_effects(model, REVERSE, conversations)
    loss, gradient_P = by_autograd(model, laid_out["prompt-masked"])
    naive_loss, naive_P = by_autograd(model, laid_out["packed-naive"])
    naive = effects.effect("packed-naive")
    assert (effects.loss, naive.loss) == pytest.approx((loss, naive_loss))
    assert effects.largest_gradient == pytest.approx(float(gradient_P.abs().max()))
    assert naive.gradient_difference == pytest.approx(float((naive_P - gradient_P).abs().max()))
    assert naive.gradient_change == pytest.approx(float((naive_P - gradient_P).norm() / gradient_P.norm()))


def test_measuring_leaves_the_model_as_it_was(random_model: RandomModel) -> None:
    model = random_model(REVERSE.model)
    before = deepcopy(model.state_dict())
    conversations = training_conversations(REVERSE, 0)[:3]
    measure_effects(model, REVERSE, conversations)
    measure_documents(model, REVERSE, conversations, NAIVE)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_what_keeps_both_or_nothing_apart_is_a_policy() -> None:
    conversations = training_conversations(REVERSE, 0)
    for place in (0, -1):
        batch = separated_batch(REVERSE, conversations, SEPARATIONS[place])
        policy = MASK_POLICIES[SEPARATIONS[place].slug]
        expected = make_batch(conversations, policy, REVERSE.tokenizer, row_tokens=REVERSE.row_tokens)
        for field in fields(Batch):
            mine, theirs = getattr(batch, field.name), getattr(expected, field.name)
            assert (mine is theirs is None) or torch.equal(mine, theirs), field.name


@PACKING_RECIPES
def test_every_conversation_separated_has_the_logits_it_has_alone(random_model: RandomModel, recipe: Recipe) -> None:
    conversations = training_conversations(recipe, 5)[:12]
    model = random_model(recipe.model)
    changes = measure_documents(model, recipe, conversations, PACKED)
    assert len(changes) == 12
    assert any(change.start for change in changes)
    assert max(change.logit_change for change in changes) < LEAST_LEAK
    for change in changes:
        assert change.loss_packed == pytest.approx(change.loss_alone, abs=1e-9)


@PACKING_RECIPES
def test_naive_packing_leaves_alone_only_what_begins_a_row(random_model: RandomModel, recipe: Recipe) -> None:
    changes = measure_documents(random_model(recipe.model), recipe, training_conversations(recipe, 5)[:12], NAIVE)
    assert {change.start == 0 for change in changes} == {True, False}
    assert all((change.logit_change < LEAST_LEAK) == (change.start == 0) for change in changes)


# Counts


def test_the_filling_of_a_literal_example() -> None:
    # <hello>olleh# is 13 tokens, <ab>ba# 7, <mask>ksam# 11, <abcdefg>gfedcba# 17; a row has room for 33.
    conversations = render_prompts(REVERSE, ["hello", "ab", "mask", "abcdefg"])
    padded, packed = (measure_filling(REVERSE, conversations, policy) for policy in (RIGHT, PACKED))
    assert padded == Filling(conversations=4, rows=4, columns=17, real=48)
    assert (padded.cells, padded.share) == (68, 48 / 68)
    assert packed == Filling(conversations=4, rows=2, columns=31, real=48)
    assert (packed.cells, packed.share) == (62, 48 / 62)


def test_who_sees_whom_in_a_literal_row() -> None:
    conversations = render_prompts(REVERSE, ["a", "bc"])  # <a>a#<bc>cb#
    letters = {"own": "x", "other": "o", "hidden": ".", "future": " "}

    def drawn(slug: str) -> list[str]:
        (row,) = trace_sight(REVERSE, conversations, MASK_POLICIES[slug])
        assert "".join(row.tokens) == "<a>a#<bc>cb"  # the last token predicts nothing
        assert row.documents == (1,) * 5 + (2,) * 6
        return ["".join(letters[sight] for sight in line).rstrip() for line in row.sights]

    first = ["x", "xx", "xxx", "xxxx", "xxxxx"]
    assert drawn("packed") == first + ["....." + "x" * n for n in range(1, 7)]
    assert drawn("packed-naive") == first + ["ooooo" + "x" * n for n in range(1, 7)]


@PACKING_RECIPES
def test_what_naive_packing_lets_be_seen_is_what_separation_hides(recipe: Recipe) -> None:
    conversations = training_conversations(recipe, 0)
    rows = [trace_sight(recipe, conversations, policy) for policy in (PACKED, NAIVE)]
    for separated, naive in zip(*rows, strict=True):
        assert (separated.tokens, separated.documents) == (naive.tokens, naive.documents)
        assert separated.count("own") == naive.count("own")
        assert separated.count("hidden") == naive.count("other")
        assert separated.count("other") == naive.count("hidden") == 0
        lengths = [separated.documents.count(n) for n in set(separated.documents)]
        assert separated.count("own") == sum(n * (n + 1) // 2 for n in lengths)


@PACKING_RECIPES
@pytest.mark.parametrize("policy", [PACKED, NAIVE], ids=lambda p: p.slug)
def test_the_first_token_of_a_conversation_is_never_a_target_of_the_last(recipe: Recipe, policy: object) -> None:
    conversations = training_conversations(recipe, 0)
    inspection = inspect_mask(recipe, conversations, policy)  # type: ignore[arg-type]
    seams = boundaries(inspection)
    assert len(seams) == len(conversations) - len(inspection.rows)
    assert all((cell.input, cell.next, cell.supervised) == ("#", "<", False) for cell in seams)
    alone = inspect_mask(recipe, conversations, RIGHT)
    assert inspection.supervised_count == alone.supervised_count
