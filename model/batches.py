"""Pad -> mask -> shift -> Batch. The only file that shifts. In: rendered conversations. Out: inputs and targets.

Rows are padded on the right, where causal attention hides the pads from every real token. The padding mask and the
loss mask compose by AND: a pad is never a target, whatever the policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.chat import Rendered
from model.masks import MaskPolicy, supervised_tokens

IGNORE_INDEX = -100
"""The target of an ignored position; also the default `ignore_index` of torch's cross_entropy."""


@dataclass(frozen=True)
class Batch:
    """What a training step reads. T here counts positions: one less than the longest sequence has tokens."""

    inputs_BT: Tensor
    """int64 token ids; pads on the right."""
    targets_BT: Tensor
    """int64: `targets[b, t]` is the token after `inputs[b, t]`, or IGNORE_INDEX."""
    real_BT: Tensor
    """bool: whether the token after `inputs[b, t]` is a real one, no pad."""

    @property
    def supervised_BT(self) -> Tensor:
        return self.targets_BT != IGNORE_INDEX


def make_batch(conversations: Sequence[Rendered], policy: MaskPolicy, pad_id: int | None) -> Batch:
    """The batch of B conversations under a policy, right-padded to the longest. `pad_id` may be None if none pads."""
    lengths = [len(c.token_ids) for c in conversations]
    T = max(lengths)
    assert pad_id is not None or min(lengths) == T, f"lengths are {min(lengths)} to {T} but there is no pad id"
    real_BT = torch.arange(T) < torch.tensor(lengths)[:, None]
    tokens_BT = _fill(real_BT, pad_id or 0, [token for c in conversations for token in c.token_ids])
    supervised = [counted for c in conversations for counted in supervised_tokens(c, policy)]
    targets_BT = tokens_BT.where(_fill(real_BT, False, supervised), IGNORE_INDEX)
    return Batch(tokens_BT[:, :-1].contiguous(), targets_BT[:, 1:].contiguous(), real_BT[:, 1:].contiguous())


def _fill(real_BT: Tensor, pad: int, values: Sequence[int]) -> Tensor:
    """Values row after row at the real places, `pad` at the others."""
    values_N = torch.from_numpy(np.array(values))  # from a list, torch takes six times as long
    return torch.full(real_BT.shape, pad, dtype=values_N.dtype).masked_scatter_(real_BT, values_N)
