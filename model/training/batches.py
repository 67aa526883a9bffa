"""The batch that a model of a recipe reads. In: a recipe, rendered conversations, a policy. Out: tensors."""

from collections.abc import Sequence

from model.masks.batches import Batch, as_batch
from model.masks.policies import MaskPolicy
from model.text.chat_template import Rendered
from model.training.conversations import rows_of
from model.training.recipes import Recipe


def batch_of(
    recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy, row_tokens: int | None = None
) -> Batch:
    """The rows of `rows_of`, as tensors."""
    return as_batch(rows_of(recipe, conversations, policy, row_tokens))
