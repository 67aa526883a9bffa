"""GPT's forward pass for one new token per row, over a KV cache. In: the newest tokens. Out: logits for the next ones.

The same sums as GPT.forward, written for speed: a model this small spends its time on calls, not on arithmetic, so
modules are unpacked once and additions happen in place. Tests hold both equal.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.gpt import GPT, Block, KVCache

MANY_ROWS = 16
"""From so many rows on, attention as a few products over all rows beats a kernel that goes through them singly."""


class Decoder:
    """B rows whose prompts fill the first columns of a cache. Each step fills one more column."""

    def __init__(self, model: GPT, cache: KVCache, prompt_columns: int, real_BC: Tensor | None = None):
        """`real_BC` is False in the columns of a row's pads, which it must not see; None if no row has pads."""
        self._width, self._heads = model.config.width, model.config.heads
        self._columns = prompt_columns
        self._layers = [_unpack(block, cache, i, self._heads) for i, block in enumerate(model.blocks)]
        self._norm = model.norm
        self._token_embedding_VD = model.token_embedding.weight
        self._head_DV = model.head.weight.T
        self._position_embedding_TD = model.position_embedding.weight
        self._bias_CB1 = None
        if real_BC is not None:
            self._bias_CB1 = torch.zeros(real_BC.shape).masked_fill_(~real_BC, -torch.inf).T.contiguous()[:, :, None]
        self._attend = self._attend_few
        if cache.keys_and_values.shape[3] >= MANY_ROWS:
            self._attend = self._attend_many
            # One column per head, ones where the width belongs to it: multiplied by it, a head's width adds up.
            head_width = self._width // self._heads
            part_DH = torch.eye(self._heads).repeat_interleave(head_width, dim=0)
            self._part_HD, self._scaled_part_DH = part_DH.T.contiguous(), part_DH * head_width**-0.5

    def step(self, tokens_B: Tensor, positions_B: Tensor | int) -> Tensor:
        """Logits (B, V) after one more token per row, each at its row's position; an int if that is the same for all."""
        B, D = len(tokens_B), self._width
        newest, self._columns = self._columns, self._columns + 1
        x_BD = F.embedding(tokens_B, self._token_embedding_VD).add_(self._position_embedding_TD[positions_B])
        for layer in self._layers:
            normed_BD = torch.layer_norm(x_BD, (D,), layer.norm_1_weight, layer.norm_1_bias)
            qkv = torch.addmm(layer.qkv_bias, normed_BD, layer.qkv_weight)
            layer.slots[newest].copy_(qkv[:, D:].view(B, 2, D).transpose(0, 1))
            x_BD = torch.addmm(layer.out_bias, self._attend(layer, qkv[:, :D]), layer.out_weight).add_(x_BD)
            normed_BD = torch.layer_norm(x_BD, (D,), layer.norm_2_weight, layer.norm_2_bias)
            wide = F.gelu(torch.addmm(layer.expand_bias, normed_BD, layer.expand_weight), approximate="tanh")
            x_BD = torch.addmm(layer.contract_bias, wide, layer.contract_weight).add_(x_BD)
        return self._norm(x_BD) @ self._head_DV

    def _attend_few(self, layer: "_Layer", q_BD: Tensor) -> Tensor:
        """Values mixed by attention, (B, D), by torch's kernel."""
        B, C = len(q_BD), self._columns
        bias_B11C = None if self._bias_CB1 is None else self._bias_CB1[:C].permute(1, 2, 0)[:, None]
        q_BH1K = q_BD.view(B, self._heads, 1, -1)
        keys, values = layer.keys_BHCK[:, :, :C], layer.values_BHCK[:, :, :C]
        return F.scaled_dot_product_attention(q_BH1K, keys, values, attn_mask=bias_B11C).view(B, -1)

    def _attend_many(self, layer: "_Layer", q_BD: Tensor) -> Tensor:
        """The same by products over all rows."""
        C = self._columns
        scores_CBH = (layer.keys_CBD[:C] * q_BD) @ self._scaled_part_DH
        if self._bias_CB1 is not None:
            scores_CBH += self._bias_CB1[:C]
        return (scores_CBH.softmax(0) @ self._part_HD).mul_(layer.values_CBD[:C]).sum(0)


@dataclass(frozen=True)
class _Layer:
    """A block's parameters, its linear weights turned to (inputs, outputs), and its part of the cache."""

    norm_1_weight: Tensor
    norm_1_bias: Tensor
    qkv_weight: Tensor
    qkv_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor
    norm_2_weight: Tensor
    norm_2_bias: Tensor
    expand_weight: Tensor
    expand_bias: Tensor
    contract_weight: Tensor
    contract_bias: Tensor
    slots: tuple[Tensor, ...]
    """The cache by column, each (2, B, D). The rest are views of the same memory."""
    keys_CBD: Tensor
    values_CBD: Tensor
    keys_BHCK: Tensor
    values_BHCK: Tensor


def _unpack(block: Block, cache: KVCache, layer: int, heads: int) -> _Layer:
    def turned(linear: nn.Linear) -> tuple[Tensor, Tensor]:
        return linear.weight.T, linear.bias

    def by_head(tensor_CBD: Tensor) -> Tensor:
        C, B, _ = tensor_CBD.shape
        return tensor_CBD.view(C, B, heads, -1).permute(1, 2, 0, 3)

    both_C2BD = cache.keys_and_values[layer]
    keys_CBD, values_CBD = both_C2BD.unbind(1)
    return _Layer(
        block.norm_1.weight,
        block.norm_1.bias,
        *turned(block.attention.qkv),
        *turned(block.attention.out),
        block.norm_2.weight,
        block.norm_2.bias,
        *turned(block.expand),
        *turned(block.contract),
        both_C2BD.unbind(0),
        keys_CBD,
        values_CBD,
        by_head(keys_CBD),
        by_head(values_CBD),
    )
