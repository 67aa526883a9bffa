"""A model's attention weights, head by head. In: a model and a batch. Out: the softmax over what each position sees."""

import math

import torch
from torch import Tensor

from model.masks.batches import Batch
from model.network.gpt import GPT, Attention


@torch.inference_mode()
def attention_weights(model: GPT, batch: Batch) -> Tensor:
    """(B, L, H, T, S): how much position t of layer L's head H takes from position s. Each row over S sums to 1.

    The same sums as GPT.forward, which leaves the weights to a fused kernel.
    """
    visible_BTS = batch.visible_BTS()
    T = batch.inputs_BT.shape[1]
    seen_B1TS = torch.ones(1, 1, T, T, dtype=torch.bool).tril() if visible_BTS is None else visible_BTS[:, None]
    positions_BT = torch.arange(T)[None] if batch.positions_BT is None else batch.positions_BT
    x_BTD = model.token_embedding(batch.inputs_BT) + model.position_embedding(positions_BT)
    layers = []
    for block in model.all_blocks():
        layers.append(_weights(block.attention, block.norm_1(x_BTD), seen_B1TS))
        x_BTD = block(x_BTD, None if visible_BTS is None else seen_B1TS)
    return torch.stack(layers, dim=1)


def _weights(attention: Attention, x_BTD: Tensor, seen_B1TS: Tensor) -> Tensor:
    B, T, D = x_BTD.shape
    q, k, _ = attention.qkv(x_BTD).view(B, T, 3, attention.heads, D // attention.heads).permute(2, 0, 3, 1, 4)
    scores_BHTS = q @ k.mT / math.sqrt(D // attention.heads)
    weights_BHTS: Tensor = scores_BHTS.masked_fill(~seen_B1TS, -math.inf).softmax(-1)
    return weights_BHTS
