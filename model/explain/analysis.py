"""One conversation under one loss mask and one model, as plain values: what a page or a script shows.

In: a recipe, a model, a prompt. Out: an Analysis. Raises for a prompt or response the recipe cannot read.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from model.errors import outside
from model.explain.cells import right_in_this_layout
from model.masks.batches import Batch, lay_out
from model.masks.policies import IGNORE_INDEX, MaskPolicy
from model.masks.shift import shift
from model.network.attribution import Attribution, attribute
from model.network.gpt import GPT
from model.network.loss import token_losses
from model.text.chat_template import Rendered, SegmentKind
from model.training.conversations import batch_of, render_prompt
from model.training.recipes import Recipe


@dataclass(frozen=True)
class Prediction:
    token: str
    probability: float


@dataclass(frozen=True)
class Gradient:
    """Four of attribution.py's quantities for one position, in the order they are made."""

    logit_norm: float
    parameter_norm: float
    share: float
    input_norm: float


@dataclass(frozen=True)
class Position:
    """Position t: reads token t; the policy's shift scores it on token t + shift, the next one unless that is the bug.

    Where the row ends before that token there is none: no target, segment, loss or probability.
    """

    position: int
    input: str
    target: str | None
    right_target: str | None
    """What the right mask trains it on; None where the right mask ignores it."""
    input_segment: SegmentKind
    target_segment: SegmentKind | None
    supervised: bool
    loss: float | None
    """-log p(target) in nats, whether or not it counts; only supervised positions enter the sequence's loss."""
    target_probability: float | None
    gradient: Gradient
    predictions: tuple[Prediction, ...]
    """The most likely next tokens, most likely first."""


@dataclass(frozen=True)
class Analysis:
    tokens: tuple[str, ...]
    """Those of the row: without what a policy that cuts long conversations leaves out."""
    token_ids: tuple[int, ...]
    prompt_length: int
    """P: tokens before the first answer token."""
    sequence_length: int
    """T: all tokens; there are T-1 positions."""
    supervised_count: int
    ignored_count: int
    loss: float | None
    """Mean over the supervised positions in nats; None if there are none."""
    positions: tuple[Position, ...]
    similarity: tuple[tuple[float, ...], ...]
    """Cosine of the parameter gradients of each pair of positions; 0 for ignored ones."""

    @property
    def prompt_share(self) -> float:
        """The sum of the shares of the positions before the answer's; it may lie below 0 or above 1."""
        return sum(position.gradient.share for position in self.positions[: self.prompt_length - 1])


def analyze(
    recipe: Recipe, model: GPT, policy: MaskPolicy, prompt: str, response: str | None = None, *, top_k: int = 5
) -> Analysis:
    """Losses, predictions and gradients of `<prompt>response#`; the response defaults to the task's right answer.

    Raises:
        InvalidText, OutOfRange: as `render_prompt` does.
        OutOfRange: top_k exceeds the vocabulary.
    """
    rendered = render_prompt(recipe, prompt, response)
    if not 1 <= top_k <= recipe.tokenizer.vocab_size:
        raise outside("top_k", f"1 to {recipe.tokenizer.vocab_size}", top_k, param="top_k")
    ((row,),) = lay_out([rendered], policy, recipe.row_tokens).rows
    batch = batch_of(recipe, [rendered], policy)
    right = batch_of(recipe, [rendered], right_in_this_layout(policy))
    attribution = attribute(model, batch)
    positions = _positions(recipe, row, policy, batch, right, attribution, top_k)
    losses = [position.loss for position in positions if position.supervised and position.loss is not None]
    return Analysis(
        tokens=tuple(recipe.tokenizer.tokens[i] for i in row.token_ids),
        token_ids=row.token_ids,
        prompt_length=row.prompt_length,
        sequence_length=len(row.token_ids),
        supervised_count=len(losses),
        ignored_count=len(positions) - len(losses),
        loss=sum(losses) / len(losses) if losses else None,
        positions=positions,
        similarity=tuple(tuple(row) for row in attribution.similarity_TT.tolist()),
    )


@dataclass(frozen=True)
class Forecast:
    """What a model predicts at one position, without any gradient."""

    position: int
    input: str
    target: str
    target_probability: float
    predictions: tuple[Prediction, ...]


@torch.inference_mode()
def forecast(recipe: Recipe, model: GPT, prompt: str, *, top_k: int = 3) -> tuple[Forecast, ...]:
    """The predictions over `<prompt>answer#`, the right answer fed in. Raises InvalidText as `analyze` does."""
    ids = render_prompt(recipe, prompt).token_ids
    tokens = [recipe.tokenizer.tokens[i] for i in ids]
    probabilities_TV = model(torch.tensor([ids[:-1]]))[0].softmax(-1)
    predictions = _most_likely(recipe, probabilities_TV, top_k)
    of_targets = probabilities_TV.gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()
    return tuple(Forecast(t, tokens[t], tokens[t + 1], of_targets[t], predictions[t]) for t in range(len(predictions)))


def _most_likely(recipe: Recipe, probabilities_TV: Tensor, top_k: int) -> list[tuple[Prediction, ...]]:
    """At each of the T positions."""
    tokens, (values, ids) = recipe.tokenizer.tokens, (top.tolist() for top in probabilities_TV.topk(top_k))
    return [tuple(Prediction(tokens[i], p) for i, p in zip(*row, strict=True)) for row in zip(ids, values, strict=True)]


def _positions(
    recipe: Recipe,
    row: Rendered,
    policy: MaskPolicy,
    batch: Batch,
    right: Batch,
    attribution: Attribution,
    top_k: int,
) -> tuple[Position, ...]:
    tokens, segments, ids = recipe.tokenizer.tokens, row.segment_kinds(), row.token_ids
    scored_T = shift(torch.tensor([ids]), policy.shift)[0]
    losses = token_losses(attribution.logits_TV[None], scored_T[None])[0].tolist()
    scored = [None if token == IGNORE_INDEX else t + policy.shift for t, token in enumerate(scored_T.tolist())]
    supervised, right_ids = batch.supervised_BT[0].tolist(), right.targets_BT[0].tolist()
    predictions = _most_likely(recipe, attribution.logits_TV.softmax(-1), top_k)
    gradients_T4 = torch.stack(
        (attribution.logit_norm_T, attribution.parameter_norm_T, attribution.share_T, attribution.input_norm_T), 1
    )
    return tuple(
        Position(
            position=t,
            input=tokens[ids[t]],
            target=tokens[ids[place]] if place is not None else None,
            right_target=None if right_ids[t] == IGNORE_INDEX else tokens[right_ids[t]],
            input_segment=segments[t],
            target_segment=segments[place] if place is not None else None,
            supervised=supervised[t],
            loss=losses[t] if place is not None else None,
            target_probability=math.exp(-losses[t]) if place is not None else None,
            gradient=Gradient(*numbers),
            predictions=predictions[t],
        )
        for t, (place, numbers) in enumerate(zip(scored, gradients_T4.tolist(), strict=True))
    )
