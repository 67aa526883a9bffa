"""What pads do to a model's logits and attention, word by word. In: a model and words in one batch.

Everything goes through the batches that training reads; only the words' order in them is chosen here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from model.experiments.padding.arms import PADDINGS
from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy
from model.masks.rows import lay_out
from model.network.attention import attention_weights
from model.network.gpt import GPT
from model.network.loss import batch_logits
from model.text.chat_template import Rendered
from model.training.batches import batch_of
from model.training.recipes import Recipe

LOGIT_ROUNDING = 1e-4
"""Logits in single precision differ by less than this if nothing but the order of sums differs."""


@dataclass(frozen=True)
class PaddedRow:
    """One word of a padded batch, as a model sees it."""

    tokens: tuple[str, ...]
    real: tuple[bool, ...]
    sees: tuple[tuple[int, ...], ...]
    """For each position the ones it can attend to."""
    weights: tuple[tuple[tuple[tuple[float, ...], ...], ...], ...]
    """Layer, head, position t, position s."""
    logit_change: float
    """The largest difference of a logit at a real position from what it is without padding."""

    def positions(self) -> tuple[int, ...]:
        """The real ones."""
        return tuple(t for t, real in enumerate(self.real) if real)

    def seen_pads(self, position: int) -> int:
        return sum(not self.real[s] for s in self.sees[position])

    def on_pads(self, layer: int, head: int, position: int) -> float:
        """The share of its attention that a position spends on pads."""
        weights = self.weights[layer][head][position]
        return sum(weight for weight, real in zip(weights, self.real, strict=True) if not real)


def padded_rows(
    model: GPT, recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy
) -> tuple[PaddedRow, ...]:
    """Each conversation in the batch that a policy pads."""
    batch = batch_of(recipe, conversations, policy)
    real_BT = lay_out(conversations, policy).real_BT[:, :-1]
    weights = attention_weights(model, batch)
    changes = logit_changes(model, recipe, conversations, policy)
    visible_BTS = batch.visible_BTS()
    rows = []
    for b, inputs in enumerate(batch.inputs_BT.tolist()):
        seen = torch.ones(len(inputs), len(inputs)).tril().bool() if visible_BTS is None else visible_BTS[b]
        rows.append(
            PaddedRow(
                tuple(recipe.tokenizer.tokens[i] for i in inputs),
                tuple(real_BT[b].tolist()),
                tuple(tuple(line.nonzero().flatten().tolist()) for line in seen),
                tuple(tuple(tuple(map(tuple, head)) for head in layer) for layer in weights[b].tolist()),
                changes[b],
            )
        )
    return tuple(rows)


@torch.inference_mode()
def logit_changes(
    model: GPT, recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy
) -> tuple[float, ...]:
    """For each conversation the largest |logit difference| at its positions, padded under a policy against alone."""
    logits_BTV = batch_logits(model, batch_of(recipe, conversations, policy))
    real_BT = lay_out(conversations, policy).real_BT[:, :-1]
    changes = []
    for b, conversation in enumerate(conversations):
        alone_TV = batch_logits(model, batch_of(recipe, [conversation], RIGHT))[0]
        first = int(real_BT[b].argmax())
        padded_TV = logits_BTV[b, first : first + len(alone_TV)]
        changes.append(float((padded_TV - alone_TV).abs().max()))
    return tuple(changes)


def padding_changes(model: GPT, recipe: Recipe, conversations: Sequence[Rendered]) -> dict[str, float]:
    """The largest change of any logit under each of PADDINGS."""
    return {slug: max(logit_changes(model, recipe, conversations, MASK_POLICIES[slug])) for slug in PADDINGS}
