"""What packing changes in loss, gradient and logits, against the same conversations unpacked. In: those, a model.

Differences are taken in float64, so that rounding and a leak are many orders of magnitude apart.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.masks.batches import Batch
from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy
from model.masks.rows import lay_out
from model.network.gpt import GPT
from model.network.learner import Learner
from model.network.loss import batch_logits, summed_cross_entropy
from model.text.chat_template import Rendered
from model.training.batches import batch_of
from model.training.recipes import Recipe

LEAST_LEAK = 1e-9
"""A difference up to this is one of rounding: sums in another order, in float64."""


@dataclass(frozen=True)
class Separation:
    """What of a packed row is kept apart."""

    slug: str
    title: str
    attention: bool
    positions: bool


SEPARATIONS: tuple[Separation, ...] = (
    Separation("packed", "By both", attention=True, positions=True),
    Separation("attention-only", "By attention only", attention=True, positions=False),
    Separation("positions-only", "By positions only", attention=False, positions=True),
    Separation("packed-naive", "By nothing", attention=False, positions=False),
)
"""The first and the last are policies; the two between show which half of the naive one does what."""


@dataclass(frozen=True)
class Effect:
    """One training batch packed, against the same conversations unpacked."""

    separation: Separation
    loss: float
    """Mean over the supervised positions, in nats."""
    loss_difference: float
    gradient_difference: float
    """The largest over all weights, of either sign."""
    gradient_change: float
    """The length of the difference of the two gradients over the length of the unpacked one."""

    @property
    def leaks(self) -> bool:
        return max(abs(self.loss_difference), self.gradient_difference) > LEAST_LEAK


@dataclass(frozen=True)
class Effects:
    """Of one model."""

    loss: float
    """Unpacked."""
    largest_gradient: float
    """The largest entry of the unpacked gradient, of either sign."""
    packed: tuple[Effect, ...]

    def effect(self, slug: str) -> Effect:
        return next(effect for effect in self.packed if effect.separation.slug == slug)


@dataclass(frozen=True)
class DocumentChange:
    """A conversation in its packed row, against itself alone."""

    text: str
    row: int
    start: int
    """Its first token's position in the row."""
    logit_change: float
    """The largest over its positions and the vocabulary."""
    loss_alone: float
    """Mean over its supervised positions, in nats."""
    loss_packed: float


def measure_effects(model: GPT, recipe: Recipe, conversations: Sequence[Rendered]) -> Effects:
    """One training step's loss and gradient, unpacked and packed in every way."""
    learner = Learner(deepcopy(model).double(), betas=(0.9, 0.999), weight_decay=0.0)
    loss, gradient_P = _loss_and_gradient(learner, batch_of(recipe, conversations, RIGHT))
    effects = []
    for separation in SEPARATIONS:
        packed_loss, packed_P = _loss_and_gradient(learner, separated_batch(recipe, conversations, separation))
        difference_P = packed_P - gradient_P
        largest, change = float(difference_P.abs().max()), float(difference_P.norm() / gradient_P.norm())
        effects.append(Effect(separation, packed_loss, packed_loss - loss, largest, change))
    return Effects(loss, float(gradient_P.abs().max()), tuple(effects))


def separated_batch(recipe: Recipe, conversations: Sequence[Rendered], separation: Separation) -> Batch:
    """The packed batch, of which only so much is kept apart."""
    batch = batch_of(recipe, conversations, MASK_POLICIES["packed"])
    return replace(
        batch,
        documents_BT=batch.documents_BT if separation.attention else None,
        positions_BT=batch.positions_BT if separation.positions else None,
    )


@torch.no_grad()
def measure_documents(
    model: GPT, recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy
) -> tuple[DocumentChange, ...]:
    """In the order of the rows."""
    exact = deepcopy(model).double()
    logits_BTV = batch_logits(exact, batch_of(recipe, conversations, policy))
    changes = []
    for row, start, document in _places(recipe, conversations, policy):
        alone = batch_of(recipe, [document], RIGHT)
        alone_1TV = batch_logits(exact, alone)
        packed_1TV = logits_BTV[row : row + 1, start : start + alone_1TV.shape[1]]
        losses = []
        for logits in (alone_1TV, packed_1TV):
            total, count = summed_cross_entropy(logits, alone.targets_BT)
            losses.append(float(total / count))
        change = float((packed_1TV - alone_1TV).abs().max())
        text = recipe.tokenizer.decode(document.token_ids)
        changes.append(DocumentChange(text, row, start, change, *losses))
    return tuple(changes)


def _places(
    recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy
) -> Iterator[tuple[int, int, Rendered]]:
    """Row, first position, conversation."""
    for row, documents in enumerate(lay_out(conversations, policy, recipe.row_tokens).rows):
        start = 0
        for document in documents:
            yield row, start, document
            start += len(document.token_ids)


def _loss_and_gradient(learner: Learner, batch: Batch) -> tuple[float, Tensor]:
    loss = learner.backward(batch)
    return loss, torch.cat([gradient.flatten() for gradient in learner.gradients.values()])
