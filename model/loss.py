"""Summed cross-entropy over supervised positions, and their count. The caller divides, and decides about zero."""

from torch import Tensor
from torch.nn import functional as F

from model.batches import IGNORE_INDEX


def summed_cross_entropy(logits_BTV: Tensor, targets_BT: Tensor) -> tuple[Tensor, Tensor]:
    """(sum of -log p(target) in nats over supervised positions, number of them), both scalars.

    A mean over nothing would be NaN; this sum is 0 and the count is 0.
    """
    total = F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=IGNORE_INDEX, reduction="sum")
    return total, (targets_BT != IGNORE_INDEX).sum()
