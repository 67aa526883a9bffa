"""GPT's forward pass for text that grows: a prompt per row, then one token per row and step, over a KV cache.

In: token ids. Out: logits for the next token of each row. The same function as GPT.forward, written for speed: a model
this small spends its time on calls, not on arithmetic. So weights are folded (folded.py), all rows and positions lie in
one matrix, every result has its place beforehand, and numpy, whose calls cost least, works on memory that torch shares
where torch has the faster kernel. Tests hold both equal.

Columns count what a row has been given, its pads on the left included; positions count from its first real token.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from model.network.folded import QUIET, Array, Folded, folded
from model.network.gpt import GPT

EVEN = 16
"""torch's softmax over a multiple of so many columns takes a third of the time of one over fewer."""


class Decoder:
    """B rows that grow together, up to so many columns: `read` their prompts, then `step` token by token."""

    def __init__(self, model: GPT, rows: int, columns: int):
        self._folded, self._heads, self._filled = folded(model), model.config.heads, 0
        shape = (len(self._folded.blocks), rows, self._heads, model.config.width // self._heads, columns)
        self._keys_LBHKC = np.empty(shape, self._folded.token_VD.dtype)
        self._values_LBHCK = np.empty_like(self._keys_LBHKC.swapaxes(3, 4), order="C")
        self._hides_pads_BC: Array | None = None
        """Added to attention scores: -inf at a row's pads."""
        self._make_room()

    def _make_room(self) -> None:
        """Places for what a step computes, of as many rows as there are now and over more and more columns."""
        _, B, H, _, columns = self._keys_LBHKC.shape
        self._stream = _Stream(self._folded, B, H)
        self._scores = [_Scores((B, H, C), self._keys_LBHKC.dtype) for C in range(EVEN, columns + EVEN, EVEN)]

    def keep(self, rows_B: Array) -> None:
        """Go on with these rows, in this order: one that is named twice goes on as two."""
        self._keys_LBHKC, self._values_LBHCK = (x.take(rows_B, 1) for x in (self._keys_LBHKC, self._values_LBHCK))
        if self._hides_pads_BC is not None:
            self._hides_pads_BC = self._hides_pads_BC[rows_B]
        self._make_room()

    @QUIET
    def read(self, tokens_BT: Array, real_BT: Array | None) -> Array:
        """Logits (B, V) after the prompts. `real_BT` is False at pads, all on the left; None if there are none."""
        T = tokens_BT.shape[1]
        positions: Array = np.arange(T)
        if real_BT is not None:
            positions = (real_BT.cumsum(1) - 1).clip(0)
            self._hides_pads_BC = np.zeros((len(tokens_BT), self._keys_LBHKC.shape[-1]), self._keys_LBHKC.dtype)
            self._hides_pads_BC[:, :T][~real_BT] = -np.inf
        if T > 1:
            self._fill(tokens_BT[:, :-1], positions[..., :-1], None if real_BT is None else real_BT[:, :-1])
        return self.step(tokens_BT[:, -1], positions[..., -1])

    @QUIET
    def step(self, tokens_B: Array, positions_B: Array | int) -> Array:
        """Logits (B, V) after one more token per row, at its row's position; an int if that is the same for all."""
        stream, weights = self._stream, self._folded
        self._filled += 1
        np.add(weights.token_VD[tokens_B], weights.position_TD[positions_B], out=stream.x_ND)
        for layer, block in enumerate(stream.blocks):
            stream.ask(block)
            self._attend(layer)
            stream.pass_on(block)
        return stream.logits()

    def _attend(self, layer: int) -> None:
        """Store the newest keys and values, mix the values of all columns."""
        qkv_B3HK, C = self._stream.qkv_N3HK, self._filled
        self._keys_LBHKC[layer, ..., C - 1], self._values_LBHCK[layer, :, :, C - 1] = qkv_B3HK[:, 1], qkv_B3HK[:, 2]
        scores = self._scores[(C - 1) // EVEN]
        scores_BHC = np.vecmat(qkv_B3HK[:, 0], self._keys_LBHKC[layer, ..., :C], out=scores.scores_BHC[..., :C])
        if self._hides_pads_BC is not None:
            scores_BHC += self._hides_pads_BC[:, None, :C]
        scores.softmax()
        np.vecmat(scores.weights_BHC[..., :C], self._values_LBHCK[layer, :, :, :C], out=self._stream.mixed_NHK)

    def _fill(self, tokens_BT: Array, positions: Array, real_BT: Array | None) -> None:
        """Store keys and values of the first T columns, behind which nothing else of them is needed."""
        B, T = tokens_BT.shape
        self._filled, visible_B1TT = T, None
        if real_BT is not None:
            # Causal and real; a pad sees itself, so that its softmax is not over nothing.
            visible_B1TT = torch.from_numpy((np.tri(T, dtype=bool) & real_BT[:, None, None]) | np.eye(T, dtype=bool))
        stream = _Stream(self._folded, B * T, self._heads)
        x_BTD = stream.x_ND.reshape(B, T, -1)
        np.add(self._folded.token_VD[tokens_BT], self._folded.position_TD[positions], out=x_BTD)
        for layer, block in enumerate(stream.blocks):
            stream.ask(block)
            qkv_3BHTK = stream.qkv_N3HK.reshape(B, T, 3, self._heads, -1).transpose(2, 0, 3, 1, 4)
            self._keys_LBHKC[layer, ..., :T] = qkv_3BHTK[1].swapaxes(2, 3)
            self._values_LBHCK[layer, :, :, :T] = qkv_3BHTK[2]
            if block is stream.blocks[-1]:
                return
            q, k, v = torch.from_numpy(qkv_3BHTK)
            mixed_BHTK = F.scaled_dot_product_attention(
                q, k, v, attn_mask=visible_B1TT, is_causal=visible_B1TT is None, scale=1.0
            )
            stream.mixed_NHK[:] = mixed_BHTK.transpose(1, 2).reshape(stream.mixed_NHK.shape).numpy()
            stream.pass_on(block)


def left_pad(prompts: Sequence[Sequence[int]]) -> tuple[Array, Array | None]:
    """Token ids (B, T), as long as the longest prompt, and where they are no pads; None if there are no pads."""
    longest = max(map(len, prompts))
    if all(len(prompt) == longest for prompt in prompts):
        return np.array(prompts), None
    pads_B = [longest - len(prompt) for prompt in prompts]
    tokens_BT = np.array([[0] * pads + list(prompt) for pads, prompt in zip(pads_B, prompts, strict=True)])
    return tokens_BT, np.arange(longest) >= np.array(pads_B)[:, None]


class _Scores:
    """Places for a block's attention scores (B, H, C), -inf where no column is filled yet, and for their softmax."""

    def __init__(self, shape: tuple[int, ...], dtype: Any):
        self.scores_BHC, self.weights_BHC = np.full(shape, -np.inf, dtype), np.empty(shape, dtype)
        scores, weights = torch.from_numpy(self.scores_BHC), torch.from_numpy(self.weights_BHC)
        self.softmax = partial(torch.softmax, scores, -1, out=weights)


class _Products(NamedTuple):
    """Of one block's matrices, each from its place to its place."""

    qkv: Callable[[], object]
    out: Callable[[], object]
    expand: Callable[[], object]
    contract: Callable[[], object]


class _Stream:
    """The residual stream of N positions, and the places of all that is computed on its way through the blocks."""

    def __init__(self, weights: Folded, count: int, heads: int):
        width, dtype = weights.token_VD.shape[1], weights.token_VD.dtype
        self.x_ND = np.empty((count, width), dtype)
        self._root = partial(_root_of_one if count == 1 else _roots, weights.epsilon)
        self._added_ND = np.empty_like(self.x_ND)
        normed, mixed, wide = (np.ones((max(count, 2), n * width + 1), dtype) for n in (1, 1, 4))
        # oneDNN's GELU takes five times as long to call as torch's own, which is taken where rows have gaps between
        # them: hence two rows at least, and one more column, of ones, which biases are multiplied by.
        self._wide = torch.from_numpy(wide)[:, :-1]
        wide[count:] = 0
        normed, mixed, wide = normed[:count], mixed[:count], wide[:count]
        self._normed_ND = normed[:, :-1]
        self.mixed_NHK = mixed[:, :-1].reshape(count, heads, -1)
        qkv = np.empty((count, 3 * width), dtype)
        self.qkv_N3HK = qkv.reshape(count, 3, heads, -1)
        self.blocks = [
            _Products(
                _product(normed, block.qkv, qkv),
                _product(mixed, block.out, self._added_ND),
                _product(normed, block.expand, wide[:, :-1]),
                _product(wide, block.contract, self._added_ND),
            )
            for block in weights.blocks
        ]
        self._logits_NV = np.empty((count, weights.head.shape[1]), dtype)
        self._to_logits = _product(normed, weights.head, self._logits_NV)

    def ask(self, block: _Products) -> None:
        """Queries, keys and values."""
        self._normalise()
        block.qkv()

    def pass_on(self, block: _Products) -> None:
        """Add what attention mixed, then what the block makes of it."""
        block.out()
        self.x_ND += self._added_ND
        self._normalise()
        block.expand()
        F.gelu(self._wide, out=self._wide)  # type: ignore[call-arg]  # the stubs lack it
        block.contract()
        self.x_ND += self._added_ND

    def logits(self) -> Array:
        """(N, V)."""
        self._normalise()
        self._to_logits()
        return self._logits_NV.copy()

    def _normalise(self) -> None:
        np.divide(self.x_ND, self._root(self.x_ND), self._normed_ND)


def _root_of_one(epsilon: float, x_1D: Array) -> float:
    return math.sqrt(np.vdot(x_1D, x_1D) + epsilon)


def _roots(epsilon: float, x_ND: Array) -> Array:
    roots_N1: Array = np.sqrt(np.vecdot(x_ND, x_ND)[:, None] + epsilon)
    return roots_N1


def _product(inputs_NI: Array, weight_IO: Array, outputs_NO: Array) -> Callable[[], object]:
    """One row by numpy, several by torch, whose products of matrices follow its own number of threads."""
    if len(inputs_NI) == 1:
        return partial(np.dot, inputs_NI[0], weight_IO, outputs_NO[0])
    inputs, weight, outputs = map(torch.from_numpy, (inputs_NI, weight_IO, outputs_NO))
    return partial(torch.mm, inputs, weight, out=outputs)
