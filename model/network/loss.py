"""Summed cross-entropy over supervised positions, and their count. The caller divides, and decides about zero."""

from torch import Tensor
from torch.nn import functional as F

from model.masks.batches import Batch
from model.masks.policies import IGNORE_INDEX
from model.network.gpt import GPT


def summed_cross_entropy(logits_BTV: Tensor, targets_BT: Tensor) -> tuple[Tensor, Tensor]:
    """(sum of -log p(target) in nats over supervised positions, number of them), both scalars.

    A mean over nothing would be NaN; this sum is 0 and the count is 0.
    """
    total = F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=IGNORE_INDEX, reduction="sum")
    return total, (targets_BT != IGNORE_INDEX).sum()


def token_losses(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """-log p(target) in nats at each position (B, T); 0 where ignored."""
    return F.cross_entropy(logits_BTV.mT, targets_BT, ignore_index=IGNORE_INDEX, reduction="none")


def batch_logits(model: GPT, batch: Batch) -> Tensor:
    """Logits (B, T, V), each position told its place and seeing what the batch says."""
    visible_BTS = batch.visible_BTS()
    logits_BTV: Tensor = model(
        batch.inputs_BT,
        positions_BT=batch.positions_BT,
        visible_B1TS=None if visible_BTS is None else visible_BTS[:, None],
    )
    return logits_BTV
