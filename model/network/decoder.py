"""GPT's forward pass for text that grows: a prompt per row, then one token per row and step, over a KV cache.

In: token ids. Out: logits for the next token of each row. The same sums as GPT.forward, written for speed: a model this
small spends its time on calls, not on arithmetic, so modules are unpacked once, all rows and positions lie in one
matrix, and additions happen in place. Tests hold both equal.

Columns count what a row has been given, its pads on the left included; positions count from its first real token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.network.gpt import GPT, Block

MANY_ROWS = 16
"""From so many rows on, attention as a few products over all rows beats a kernel that goes through them singly."""


class Decoder:
    """B rows that grow together, up to C columns."""

    def __init__(self, model: GPT, rows: int, columns: int):
        self._heads, self._width = model.config.heads, model.config.width
        self._head_width = self._width // self._heads
        self._filled = 0
        self._layers = [_unpack(block, rows, columns) for block in model.all_blocks()]
        self._norm = (model.norm.weight, model.norm.bias)
        self._token_embedding_VD = model.token_embedding.weight
        self._head_DV = self._token_embedding_VD.T
        self._position_embedding_TD = model.position_embedding.weight
        self._hides_pads_CB1: Tensor | None = None
        """Added to attention scores: -inf at a row's pads."""
        # One column per head, ones where the width belongs to it: multiplied by it, a head's width adds up.
        part_DH = torch.eye(self._heads).repeat_interleave(self._head_width, dim=0)
        self._part_HD, self._scaled_part_DH = part_DH.T.contiguous(), part_DH * self._head_width**-0.5
        self._attend = self._attend_few if rows < MANY_ROWS else self._attend_many

    def read(self, tokens_BT: Tensor, real_BT: Tensor | None) -> Tensor:
        """Logits (B, V) after the prompts. `real_BT` is False at pads, all on the left; None if there are none."""
        B, T = tokens_BT.shape
        self._filled, self._visible_B1TT = T, None
        places: Tensor | slice = slice(0, T)
        if real_BT is not None:
            places = real_BT.cumsum(1).sub_(1).clamp_(min=0)
            # Causal and real; a pad sees itself, so that its softmax is not over nothing.
            causal_TT = torch.ones(T, T, dtype=torch.bool).tril()
            self._visible_B1TT = (causal_TT & real_BT[:, None, None, :]) | torch.eye(T, dtype=torch.bool)
            self._hides_pads_CB1 = torch.zeros(len(self._layers[0].slots), B, 1)
            self._hides_pads_CB1[:T].masked_fill_(~real_BT.T[:, :, None], -torch.inf)
        x_BTD = F.embedding(tokens_BT, self._token_embedding_VD) + self._position_embedding_TD[places]
        last_BD = self._pass(x_BTD.flatten(0, 1), self._attend_prompt).view(B, T, self._width)[:, -1]
        return self._logits(last_BD)

    def step(self, tokens_B: Tensor, positions_B: Tensor | int) -> Tensor:
        """Logits (B, V) after one more token per row, at its row's position; an int if that is the same for all."""
        self._filled += 1
        x_BD = F.embedding(tokens_B, self._token_embedding_VD).add_(self._position_embedding_TD[positions_B])
        return self._logits(self._pass(x_BD, self._attend))

    def keep(self, rows_B: Tensor) -> None:
        """Go on with these rows, in this order: one that is named twice goes on as two."""
        C, B = self._filled, len(rows_B)
        for number, layer in enumerate(self._layers):
            cache_C2BD = layer.cache_C2BD.new_empty(len(layer.slots), 2, B, self._width)
            torch.index_select(layer.cache_C2BD[:C], 2, rows_B, out=cache_C2BD[:C])
            self._layers[number] = layer.with_cache(cache_C2BD, self._heads)
        if self._hides_pads_CB1 is not None:
            self._hides_pads_CB1 = self._hides_pads_CB1[:, rows_B]
        self._attend = self._attend_few if B < MANY_ROWS else self._attend_many

    def _pass(self, x_ND: Tensor, attend: Callable[["_Layer", Tensor], Tensor]) -> Tensor:
        """Through all blocks, overwriting x; N is B, or B times T. `attend` stores keys and values, returns the mix."""
        shape = (self._width,)
        for layer in self._layers:
            mixed_ND = attend(layer, torch.layer_norm(x_ND, shape, *layer.norm_1))
            x_ND = x_ND.addmm_(mixed_ND, layer.out.weight).add_(layer.out.bias)
            normed_ND = torch.layer_norm(x_ND, shape, *layer.norm_2)
            wide = F.gelu(torch.addmm(layer.expand.bias, normed_ND, layer.expand.weight))
            x_ND = x_ND.addmm_(wide, layer.contract.weight).add_(layer.contract.bias)
        return x_ND

    def _logits(self, x_BD: Tensor) -> Tensor:
        logits_BV: Tensor = torch.layer_norm(x_BD, (self._width,), *self._norm) @ self._head_DV
        return logits_BV

    def _attend_prompt(self, layer: "_Layer", x_ND: Tensor) -> Tensor:
        T, D = self._filled, self._width
        B = len(x_ND) // T
        qkv = torch.addmm(layer.qkv.bias, x_ND, layer.qkv.weight).view(B, T, 3, D)
        layer.cache_C2BD[:T] = qkv[:, :, 1:].permute(1, 2, 0, 3)
        q, k, v = qkv.view(B, T, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        visible = self._visible_B1TT
        mixed_BHTK = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, is_causal=visible is None)
        return mixed_BHTK.transpose(1, 2).reshape(B * T, D)

    def _store_newest(self, layer: "_Layer", x_BD: Tensor) -> Tensor:
        """Put the newest keys and values into the cache; returns the queries (B, D)."""
        qkv, D = torch.addmm(layer.qkv.bias, x_BD, layer.qkv.weight), self._width
        layer.slots[self._filled - 1].copy_(qkv[:, D:].view(-1, 2, D).transpose(0, 1))
        return qkv[:, :D]

    def _attend_few(self, layer: "_Layer", x_BD: Tensor) -> Tensor:
        """By torch's kernel, row after row."""
        C = self._filled
        q_BH1K = self._store_newest(layer, x_BD).view(-1, self._heads, 1, self._head_width)
        keys, values = layer.keys_BHCK[:, :, :C], layer.values_BHCK[:, :, :C]
        bias_B11C = None if self._hides_pads_CB1 is None else self._hides_pads_CB1[:C].permute(1, 2, 0)[:, None]
        return F.scaled_dot_product_attention(q_BH1K, keys, values, attn_mask=bias_B11C).view(x_BD.shape)

    def _attend_many(self, layer: "_Layer", x_BD: Tensor) -> Tensor:
        """A few products over all rows and heads."""
        C = self._filled
        q_BD = self._store_newest(layer, x_BD)
        scores_CBH = (layer.keys_CBD[:C] * q_BD) @ self._scaled_part_DH
        if self._hides_pads_CB1 is not None:
            scores_CBH += self._hides_pads_CB1[:C]
        weights_CBD: Tensor = scores_CBH.softmax(0) @ self._part_HD
        return weights_CBD.mul_(layer.values_CBD[:C]).sum(0)


class _Parameters(NamedTuple):
    """Of a norm, or of a linear layer, whose weight is turned to (inputs, outputs)."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class _Layer:
    """A block's parameters, and its cache with views of it."""

    norm_1: _Parameters
    qkv: _Parameters
    out: _Parameters
    norm_2: _Parameters
    expand: _Parameters
    contract: _Parameters
    cache_C2BD: Tensor
    """One step's keys and values of all rows lie in one piece."""
    slots: tuple[Tensor, ...]
    """By column, each (2, B, D)."""
    keys_CBD: Tensor
    values_CBD: Tensor
    keys_BHCK: Tensor
    values_BHCK: Tensor

    def with_cache(self, cache_C2BD: Tensor, heads: int) -> "_Layer":
        parameters = (self.norm_1, self.qkv, self.out, self.norm_2, self.expand, self.contract)
        return _Layer(*parameters, *_views(cache_C2BD, heads))


def _unpack(block: Block, rows: int, columns: int) -> _Layer:
    attention = block.attention

    def turned(linear: nn.Linear) -> _Parameters:
        return _Parameters(linear.weight.T.contiguous(), linear.bias)

    return _Layer(
        _Parameters(block.norm_1.weight, block.norm_1.bias),
        turned(attention.qkv),
        turned(attention.out),
        _Parameters(block.norm_2.weight, block.norm_2.bias),
        turned(block.expand),
        turned(block.contract),
        *_views(torch.empty(columns, 2, rows, attention.out.weight.shape[0]), attention.heads),
    )


def _views(cache_C2BD: Tensor, heads: int) -> tuple[Tensor, tuple[Tensor, ...], Tensor, Tensor, Tensor, Tensor]:
    """The cache and what a layer sees of it."""
    keys_BHCK, values_BHCK = cache_C2BD.view(*cache_C2BD.shape[:3], heads, -1).permute(1, 2, 3, 0, 4)
    return cache_C2BD, cache_C2BD.unbind(0), cache_C2BD[:, 0], cache_C2BD[:, 1], keys_BHCK, values_BHCK
