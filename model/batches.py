"""Pad -> mask -> shift -> Batch. The only file that shifts. In: rendered conversations. Out: inputs and targets.

Rows are padded on the right, where causal attention hides the pads from every real token. The padding mask and the
loss mask compose by AND: a pad is never a target, whatever the policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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

    @property
    def supervised_BT(self) -> Tensor:
        return self.targets_BT != IGNORE_INDEX


def make_batch(conversations: Sequence[Rendered], policy: MaskPolicy, pad_id: int | None) -> Batch:
    """The batch of B conversations under a policy, right-padded to the longest. `pad_id` may be None if none pads."""
    longest = max(len(c.token_ids) for c in conversations)
    rows, targets = [], []
    for conversation in conversations:
        ids = conversation.token_ids
        pads = longest - len(ids)
        assert pads == 0 or pad_id is not None, f"lengths differ by {pads} but there is no pad id"
        row = [*ids, *([pad_id] * pads)]
        supervised = [*supervised_tokens(conversation, policy), *([False] * pads)]
        rows.append(row[:-1])
        targets.append([token if counted else IGNORE_INDEX for token, counted in zip(row, supervised, strict=True)][1:])
    return Batch(torch.tensor(rows), torch.tensor(targets))
