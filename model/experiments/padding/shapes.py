"""The cells of a training batch: how many hold a token, padded, in buckets and packed. In: a recipe. Out: shapes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy
from model.masks.rows import lay_out
from model.text.chat_template import Rendered
from model.training.loop import training_conversations
from model.training.recipes import Recipe

BUCKET_SIZE = 16
SHAPES_SEED = 0
"""Of the training batch whose cells are counted."""


@dataclass(frozen=True)
class BatchShape:
    """Rectangles of a batch: rows and columns of each, and the tokens in each row."""

    title: str
    rectangles: tuple[tuple[int, tuple[int, ...]], ...]
    """Columns, and how many tokens each row holds."""

    @property
    def cells(self) -> int:
        return sum(columns * len(rows) for columns, rows in self.rectangles)

    @property
    def tokens(self) -> int:
        return sum(sum(rows) for _, rows in self.rectangles)

    @property
    def wasted(self) -> float:
        return 1 - self.tokens / self.cells


def batch_shapes(recipe: Recipe, seed: int) -> tuple[BatchShape, ...]:
    """The first training batch padded to its longest, in buckets of alike lengths, and packed."""
    conversations = training_conversations(recipe, seed)
    in_order = sorted(conversations, key=lambda c: len(c.token_ids))
    buckets = [tuple(islice(in_order, i, i + BUCKET_SIZE)) for i in range(0, len(in_order), BUCKET_SIZE)]
    right, packed = RIGHT, MASK_POLICIES["packed"]
    return (
        BatchShape("Padded to the longest", (_rectangle(recipe, conversations, right),)),
        BatchShape(f"In buckets of {BUCKET_SIZE}, by length", tuple(_rectangle(recipe, b, right) for b in buckets)),
        BatchShape("Packed", (_rectangle(recipe, conversations, packed),)),
    )


def _rectangle(recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy) -> tuple[int, tuple[int, ...]]:
    real_BT = lay_out(conversations, policy, recipe.row_tokens).real_BT
    return real_BT.shape[1], tuple(real_BT.sum(1).tolist())
