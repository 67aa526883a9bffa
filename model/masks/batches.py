"""Rows as tensors, as a model reads them. In: rows, or rendered conversations. Out: a Batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.masks.policies import IGNORE_INDEX, MaskPolicy
from model.masks.rows import Rows, make_rows
from model.text.chat_template import Rendered
from model.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Batch:
    """The fields of Rows, as tensors."""

    inputs_BT: Tensor
    targets_BT: Tensor
    real_BT: Tensor
    positions_BT: Tensor | None = None
    documents_BT: Tensor | None = None

    @property
    def supervised_BT(self) -> Tensor:
        return self.targets_BT != IGNORE_INDEX

    def visible_BTS(self) -> Tensor | None:
        """bool: which positions s each position t sees; None if all up to t."""
        if self.documents_BT is None:
            return None
        return (self.documents_BT[:, :, None] == self.documents_BT[:, None, :]).tril()


def make_batch(
    conversations: Sequence[Rendered], policy: MaskPolicy, tokenizer: Tokenizer, *, row_tokens: int | None = None
) -> Batch:
    """What `make_rows` makes, as tensors."""
    return as_batch(make_rows(conversations, policy, tokenizer, row_tokens=row_tokens))


def as_batch(rows: Rows) -> Batch:
    """The same numbers, (B, T), in memory without gaps."""
    return Batch(
        _tensor(rows.inputs_BT),
        _tensor(rows.targets_BT),
        _tensor(rows.real_BT),
        None if rows.positions_BT is None else _tensor(rows.positions_BT),
        None if rows.documents_BT is None else _tensor(rows.documents_BT),
    )


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
