"""Conversations packed into rows: which stand where, how full the rows get, who sees whom. Needs no model.

Everything is counted from the batches that training reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch

from model.explain.cells import Cell, Inspection, inspect_mask
from model.masks.policies import MaskPolicy
from model.masks.rows import lay_out
from model.text.chat_template import Rendered
from model.training.batches import batch_of
from model.training.recipes import Recipe

MOST_PACKED = 6
"""Conversations: what can still be drawn."""
PACKINGS = {"packed": "Kept apart", "packed-naive": "Not kept apart"}
"""What the two policies that pack are called beside each other."""
EXAMPLES = {
    "reverse": "hello, ab, mask, abcdefg, cat",
    "dialogue": "abc de 1, fg hi, jkl mn 1, op 1",
}
"""By recipe: those whose rows have room for several conversations. Each makes two rows."""

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


def measure_filling(recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy) -> Filling:
    real_BT = lay_out(conversations, policy, recipe.row_tokens).real_BT
    rows, columns = real_BT.shape
    return Filling(len(conversations), rows, columns, int(real_BT.sum()))


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
    batch = batch_of(recipe, conversations, policy)
    inspection = inspect_mask(recipe, conversations, policy)
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


def _sight(t: int, s: int, seen: bool, same: bool) -> Sight:
    if s > t:
        assert not seen, (t, s)
        return "future"
    if seen:
        return "own" if same else "other"
    assert not same, (t, s)
    return "hidden"
