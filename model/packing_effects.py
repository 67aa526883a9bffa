"""What packing does: how full rows get, who sees whom, what changes in loss and gradient. In: conversations, a model.

Everything is counted from the batches that training reads. Differences are taken in float64, so that rounding and a
leak are many orders of magnitude apart.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Literal

import torch
from torch import Tensor

from model.batches import Batch, lay_out, make_batch
from model.chat import Rendered, render
from model.errors import InvalidText
from model.gpt import GPT
from model.inspection import Cell, Inspection, inspect_mask
from model.learner import Learner
from model.loss import batch_logits, summed_cross_entropy
from model.masks import MASK_POLICIES, MaskPolicy
from model.recipes import Recipe

MOST_CONVERSATIONS = 6
ROUNDING = 1e-9
"""A difference up to this is one of rounding: sums in another order, in float64."""
RIGHT = MASK_POLICIES["prompt-masked"]
"""The same conversations unpacked."""

Sight = Literal["own", "other", "hidden", "future"]
"""Position t sees s in its own conversation; in another one; does not see it there; s comes later."""


@dataclass(frozen=True)
class Filling:
    """How many of a batch's cells hold a token. The others are pads, computed for nothing."""

    conversations: int
    rows: int
    columns: int
    """Tokens of the longest row, to which all are padded."""
    real: int

    @property
    def cells(self) -> int:
        return self.rows * self.columns

    @property
    def share(self) -> float:
        return self.real / self.cells


@dataclass(frozen=True)
class SeenRow:
    """Who sees whom among the T positions of a row that training computes."""

    tokens: tuple[str, ...]
    documents: tuple[int, ...]
    """Which of the row's conversations each position belongs to, from 1."""
    sights: tuple[tuple[Sight, ...], ...]
    """(T, T): of position t at position s."""

    def count(self, sight: Sight) -> int:
        return sum(line.count(sight) for line in self.sights)


@dataclass(frozen=True)
class Separation:
    """What of a packed row is kept apart."""

    slug: str
    title: str
    attention: bool
    positions: bool


SEPARATIONS: tuple[Separation, ...] = (
    Separation("packed", "Attention and positions", attention=True, positions=True),
    Separation("attention-only", "Attention only", attention=True, positions=False),
    Separation("positions-only", "Positions only", attention=False, positions=True),
    Separation("packed-naive", "Nothing", attention=False, positions=False),
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
        return max(abs(self.loss_difference), self.gradient_difference) > ROUNDING


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


def row_tokens_of(recipe: Recipe) -> int:
    """What training packs into a row: as many positions as the model has, and the token that the last one predicts."""
    return recipe.model.context_length + 1


def read_conversations(recipe: Recipe, prompts: Sequence[str]) -> tuple[Rendered, ...]:
    """Prompts with their right answers. Raises InvalidText for a prompt that the task does not know."""
    if not 1 <= len(prompts) <= MOST_CONVERSATIONS:
        raise InvalidText(
            f"there are {len(prompts)} conversations; allowed: 1 to {MOST_CONVERSATIONS}, commas between", param="words"
        )
    for prompt in prompts:
        recipe.task.check_prompt(prompt)
    return tuple(render(recipe.task.conversation(prompt), recipe.tokenizer) for prompt in prompts)


def training_conversations(recipe: Recipe, seed: int) -> tuple[Rendered, ...]:
    """Those of a run's first step."""
    words = islice(recipe.task.words(seed, held_out=False), recipe.training.batch_size)
    return tuple(render(recipe.task.conversation(word), recipe.tokenizer) for word in words)


def measure_filling(recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy) -> Filling:
    real_BT = lay_out(conversations, policy, row_tokens_of(recipe)).real_BT
    rows, columns = real_BT.shape
    return Filling(len(conversations), rows, columns, int(real_BT.sum()))


def inspect_packed(recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy) -> Inspection:
    return inspect_mask(conversations, policy, recipe.tokenizer, row_tokens=row_tokens_of(recipe))


def boundaries(inspection: Inspection) -> tuple[Cell, ...]:
    """The positions that read the last token of one conversation while the first of another stands behind it."""
    return tuple(
        cell
        for row in inspection.rows
        for cell, following in pairwise(row)
        if cell.document and following.document and cell.document != following.document
    )


def trace_sight(recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy) -> tuple[SeenRow, ...]:
    """Every row of the batch, without its pads."""
    batch = _packed_batch(recipe, conversations, policy)
    inspection = inspect_packed(recipe, conversations, policy)
    visible_BTS = batch.visible_BTS()
    rows = []
    for b, cells in enumerate(inspection.rows):
        T = int(batch.real_BT[b].sum())
        seen = torch.ones(T, T).tril() if visible_BTS is None else visible_BTS[b, :T, :T]
        documents = tuple(cell.document for cell in cells[:T])
        sights = tuple(
            tuple(_sight(t, s, bool(seen[t, s]), documents[t] == documents[s]) for s in range(T)) for t in range(T)
        )
        rows.append(SeenRow(tuple(cell.input for cell in cells[:T]), documents, sights))
    return tuple(rows)


def measure_effects(model: GPT, recipe: Recipe, conversations: Sequence[Rendered]) -> Effects:
    """One training step's loss and gradient, unpacked and packed in every way."""
    learner = Learner(deepcopy(model).double(), betas=(0.9, 0.999), weight_decay=0.0)
    loss, gradient_P = _loss_and_gradient(learner, make_batch(conversations, RIGHT, recipe.tokenizer))
    effects = []
    for separation in SEPARATIONS:
        packed_loss, packed_P = _loss_and_gradient(learner, separated_batch(recipe, conversations, separation))
        difference_P = packed_P - gradient_P
        effects.append(
            Effect(
                separation,
                packed_loss,
                packed_loss - loss,
                float(difference_P.abs().max()),
                float(difference_P.norm() / gradient_P.norm()),
            )
        )
    return Effects(loss, float(gradient_P.abs().max()), tuple(effects))


def separated_batch(recipe: Recipe, conversations: Sequence[Rendered], separation: Separation) -> Batch:
    """The packed batch, of which only so much is kept apart."""
    batch = _packed_batch(recipe, conversations, MASK_POLICIES["packed"])
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
    exact, tokenizer = deepcopy(model).double(), recipe.tokenizer
    logits_BTV = batch_logits(exact, _packed_batch(recipe, conversations, policy))
    changes = []
    for row, start, document in _places(recipe, conversations, policy):
        alone = make_batch([document], RIGHT, tokenizer)
        alone_1TV = batch_logits(exact, alone)
        packed_1TV = logits_BTV[row : row + 1, start : start + alone_1TV.shape[1]]
        losses = []
        for logits in (alone_1TV, packed_1TV):
            total, count = summed_cross_entropy(logits, alone.targets_BT)
            losses.append(float(total / count))
        change = float((packed_1TV - alone_1TV).abs().max())
        changes.append(DocumentChange(tokenizer.decode(document.token_ids), row, start, change, *losses))
    return tuple(changes)


def _packed_batch(recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy) -> Batch:
    return make_batch(conversations, policy, recipe.tokenizer, row_tokens=row_tokens_of(recipe))


def _sight(t: int, s: int, seen: bool, same: bool) -> Sight:
    if s > t:
        assert not seen, (t, s)
        return "future"
    if seen:
        return "own" if same else "other"
    assert not same, (t, s)
    return "hidden"


def _places(
    recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy
) -> Iterator[tuple[int, int, Rendered]]:
    """Row, first position, conversation."""
    for row, documents in enumerate(lay_out(conversations, policy, row_tokens_of(recipe)).rows):
        start = 0
        for document in documents:
            yield row, start, document
            start += len(document.token_ids)


def _loss_and_gradient(learner: Learner, batch: Batch) -> tuple[float, Tensor]:
    loss = learner.backward(batch)
    return loss, torch.cat([gradient.flatten() for gradient in learner.gradients.values()])
