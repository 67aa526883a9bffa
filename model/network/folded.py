"""A GPT's weights made ready for decoding, a few tens of microseconds of work. In: a model. Out: Folded.

The same function with fewer steps. A norm's gain and bias go into the matrix behind it, and each bias becomes a row
under its matrix, for a last input that is always 1. Of what is added to the residual stream the mean is taken away:
only norms read the stream, and they take it away anyhow. Queries hold attention's 1 / sqrt(K).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from model.network.gpt import GPT, Block

KEPT = 32
"""Frozen models whose folded weights stay in memory, the last ones used; so do the models, about 1 MB together each."""

QUIET = np.errstate(over="ignore", invalid="ignore")
"""Weights that training has blown up give logits that are no numbers, as GPT.forward does, and no warning."""

Array = NDArray[Any]
"""Of the model's own floating type, but for ids."""


@dataclass(frozen=True)
class FoldedBlock:
    """Matrices (inputs + 1, outputs)."""

    qkv: Array
    out: Array
    expand: Array
    contract: Array


@dataclass(frozen=True)
class Folded:
    """A whole model's. V tokens, T places and D width, as in model/__init__.py."""

    token_VD: Array
    position_TD: Array
    blocks: tuple[FoldedBlock, ...]
    head: Array
    """As a block's matrices."""
    epsilon: float
    """What stands below a norm's root: x / sqrt(sum x² + epsilon). That sum is no mean: sqrt(D) is in the matrices."""


def folded(model: GPT) -> Folded:
    """A copy of all weights. It is kept for the next time if they are frozen: then they do not change any more."""
    return _fold(model) if model.head.weight.requires_grad else _fold_once(model)


@lru_cache(maxsize=KEPT)
def _fold_once(model: GPT) -> Folded:
    return _fold(model)


@QUIET
def _fold(model: GPT) -> Folded:
    width = model.config.width
    return Folded(
        _centred(_array(model.token_embedding.weight)),
        _centred(_array(model.position_embedding.weight)),
        tuple(_fold_block(block) for block in model.all_blocks()),
        _behind_norm(model.norm, model.head.weight, None),
        model.norm.eps * width,
    )


def _fold_block(block: Block) -> FoldedBlock:
    attention = block.attention
    qkv = _behind_norm(block.norm_1, attention.qkv.weight, attention.qkv.bias)
    width = len(qkv) - 1
    qkv[:, :width] *= (width // attention.heads) ** -0.5
    return FoldedBlock(
        qkv,
        _onto_stream(attention.out),
        _behind_norm(block.norm_2, block.expand.weight, block.expand.bias),
        _onto_stream(block.contract),
    )


def _behind_norm(norm: nn.LayerNorm, weight: Tensor, bias: Tensor | None) -> Array:
    """(D + 1, outputs), to be applied to x / sqrt(sum x² + epsilon), x without its mean, and 1."""
    outputs, width = weight.shape
    matrix = _array(weight).T
    folded = np.empty((width + 1, outputs), matrix.dtype)
    np.multiply(matrix, (_array(norm.weight) * width**0.5)[:, None], out=folded[:-1])
    folded[-1] = _array(norm.bias) @ matrix
    if bias is not None:
        folded[-1] += _array(bias)
    return folded


def _onto_stream(linear: nn.Linear) -> Array:
    return _centred(np.vstack((_array(linear.weight).T, _array(linear.bias))))


def _centred(values_ND: Array) -> Array:
    centred_ND: Array = values_ND - values_ND.mean(1, keepdims=True)
    return centred_ND


def _array(parameter: Tensor) -> Array:
    values: Array = parameter.detach().numpy()
    return values
