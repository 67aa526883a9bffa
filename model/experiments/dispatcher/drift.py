"""How far a model has gone from the one it started from: its weights, its distribution, its old ability.

In: two models of one architecture. Out: plain values. No reference takes part in training; it is measured afterwards.
"""

import math
from collections.abc import Sequence
from typing import get_args

import torch
from pydantic.dataclasses import dataclass as checked
from torch import Tensor

from model.intervals import MeanLoss, ratio_of_sums
from model.kept import STRICT
from model.masks.policies import UNMASKED
from model.network.gpt import GPT
from model.network.loss import batch_logits
from model.text.chat_template import Rendered, SegmentKind
from model.text.corpus import Kind
from model.training.batches import batch_of
from model.training.conversations import render_prompts
from model.training.evaluation import segment_masks
from model.training.pretraining import BaseMetrics, held_out_texts, measure_base
from model.training.recipes import Recipe


@checked(config=STRICT)
class Drift:
    moved: dict[str, float]
    """Of each part of the model: length of its weights' change over their length before."""
    text: dict[Kind, MeanLoss]
    """Kullback-Leibler divergence to the base in nats per position, mean over held-out documents of each kind."""
    request: dict[SegmentKind, MeanLoss]
    """The same on requests with their right answers, by the kind of segment the next token lies in."""
    ability: BaseMetrics
    """What the base could do, measured on this model."""


def measure_drift(base: GPT, model: GPT, recipe: Recipe, requests: Sequence[str]) -> Drift:
    """`requests` are such as the model was not trained on."""
    return Drift(
        moved_by_part(base, model),
        {kind: _text_divergence(base, model, recipe, kind) for kind in get_args(Kind)},
        _request_divergence(base, model, recipe, requests),
        measure_base(model, recipe.tokenizer),
    )


@torch.inference_mode()
def moved_by_part(before: GPT, after: GPT) -> dict[str, float]:
    """Relative norm of the change of each part: `token_embedding`, `blocks.0.attention`, ..."""
    changes: dict[str, tuple[float, float]] = {}
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        change, length = changes.get(_part(name), (0.0, 0.0))
        changes[_part(name)] = change + float((new - old).square().sum()), length + float(old.square().sum())
    return {part: math.sqrt(change / length) for part, (change, length) in changes.items()}


def _part(name: str) -> str:
    """Norms are moved with what they stand before; the two halves of an MLP are one."""
    first, *rest = name.split(".")
    if first != "blocks":
        return first
    return f"{first}.{rest[0]}.{'attention' if rest[1] in ('attention', 'norm_1') else 'mlp'}"


@torch.inference_mode()
def divergence(base: GPT, model: GPT, conversations: Sequence[Rendered], recipe: Recipe) -> Tensor:
    """KL(model, base) of the next token in nats at each position (B, T); 0 at pads."""
    batch = batch_of(recipe, conversations, UNMASKED)
    ours_BTV, theirs_BTV = (batch_logits(m, batch).log_softmax(-1) for m in (model, base))
    nats_BT = (ours_BTV.exp() * (ours_BTV - theirs_BTV)).sum(-1)
    return nats_BT * batch.supervised_BT


def _text_divergence(base: GPT, model: GPT, recipe: Recipe, kind: Kind) -> MeanLoss:
    rows = held_out_texts(kind, recipe.tokenizer, recipe.row_tokens)
    nats_BT = divergence(base, model, rows, recipe)
    return ratio_of_sums(nats_BT.sum(1).numpy(), [len(row.token_ids) - 1 for row in rows])


def _request_divergence(base: GPT, model: GPT, recipe: Recipe, requests: Sequence[str]) -> dict[SegmentKind, MeanLoss]:
    rows = render_prompts(recipe, requests)
    nats_BT = divergence(base, model, rows, recipe)
    return {
        kind: ratio_of_sums((nats_BT * mask_BT).sum(1).numpy(), mask_BT.sum(1).numpy())
        for kind, mask_BT in segment_masks(rows).items()
    }
