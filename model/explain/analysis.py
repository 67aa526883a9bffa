"""One conversation under one loss mask and one model, as plain values: what a page or a script shows.

In: a recipe, a model, a prompt. Out: an Analysis. Raises for a prompt or response the recipe cannot read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.errors import outside
from model.explain.cells import right_in_this_layout
from model.masks.batches import Batch
from model.masks.policies import COMPARED_POLICIES, IGNORE_INDEX, MASK_POLICIES, MaskPolicy
from model.masks.rows import lay_out
from model.masks.shift import shift
from model.network.attribution import Attributions, attribute_rows
from model.network.gpt import GPT
from model.network.loss import token_losses
from model.text.chat_template import Rendered, SegmentKind
from model.training.batches import batch_of
from model.training.conversations import render_prompt
from model.training.recipes import Recipe

TOP = 5
"""Predictions at each position, unless another number is asked for."""
TOGETHER = tuple(MASK_POLICIES[slug] for slug in COMPARED_POLICIES)
"""Policies whose rows can stand in one batch: they pad on the right and ignore the pads."""


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

    @property
    def begins_to_write(self) -> tuple[str, ...]:
        """What the model writes by itself, greedily, up to its first token that is not the row's.

        Until there it reads what the row has, so that its likeliest tokens are those it would write.
        """
        written: list[str] = []
        for position in self.positions[self.prompt_length - 1 :]:
            written.append(position.predictions[0].token)
            if written[-1] != self.tokens[position.position + 1]:
                break
        return tuple(written)


def analyze(
    recipe: Recipe, model: GPT, policy: MaskPolicy, prompt: str, response: str | None = None, *, top_k: int = TOP
) -> Analysis:
    """Losses, predictions and gradients of `<prompt>response#`; the response defaults to the task's right answer.

    Raises:
        InvalidText, OutOfRange: as `render_prompt` does.
        OutOfRange: top_k exceeds the vocabulary.
    """
    rendered = render_prompt(recipe, prompt, response)
    if not 1 <= top_k <= recipe.tokenizer.vocab_size:
        raise outside("top_k", f"1 to {recipe.tokenizer.vocab_size}", top_k, param="top_k")
    return _analyze_rows(recipe, model, policy, [rendered], top_k)[0]


def analyze_words(recipe: Recipe, model: GPT, policy: MaskPolicy, prompts: Sequence[str]) -> tuple[Analysis, ...]:
    """`analyze` of each prompt with its right answer, in one pass if the policy lets rows stand in one batch.

    Equal to single ones but for rounding. Pads cost what tokens cost: prompts of about one length are fastest.

    Raises:
        InvalidText: as `render_prompt` does, for any of them.
    """
    rendered = [render_prompt(recipe, prompt) for prompt in prompts]
    if policy in TOGETHER:
        return _analyze_rows(recipe, model, policy, rendered, TOP)
    return tuple(_analyze_rows(recipe, model, policy, [row], TOP)[0] for row in rendered)


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


def _analyze_rows(
    recipe: Recipe, model: GPT, policy: MaskPolicy, rendered: Sequence[Rendered], top_k: int
) -> tuple[Analysis, ...]:
    rows = [row for (row,) in lay_out(rendered, policy, recipe.row_tokens).rows]
    batch = batch_of(recipe, rendered, policy)
    right_policy = right_in_this_layout(policy)
    right = batch if right_policy == policy else batch_of(recipe, rendered, right_policy)
    attributions = attribute_rows(model, batch)
    numbers = _numbers(rows, policy, batch, right, attributions, top_k)
    similarities = attributions.similarity_BTT.tolist()
    return tuple(_analysis(recipe, row, policy, numbers, similarities[place], place) for place, row in enumerate(rows))


def _analysis(
    recipe: Recipe, row: Rendered, policy: MaskPolicy, numbers: "_Numbers", similarity: list[list[float]], place: int
) -> Analysis:
    positions = _positions(recipe, row, policy, numbers, place)
    losses = [position.loss for position in positions if position.supervised and position.loss is not None]
    T = len(positions)
    return Analysis(
        tokens=tuple(recipe.tokenizer.tokens[i] for i in row.token_ids),
        token_ids=row.token_ids,
        prompt_length=row.prompt_length,
        sequence_length=len(row.token_ids),
        supervised_count=len(losses),
        ignored_count=T - len(losses),
        loss=sum(losses) / len(losses) if losses else None,
        positions=positions,
        similarity=tuple(tuple(cosines[:T]) for cosines in similarity[:T]),
    )


def _most_likely(recipe: Recipe, probabilities_TV: Tensor, top_k: int) -> list[tuple[Prediction, ...]]:
    """At each of the T positions."""
    tokens, (values, ids) = recipe.tokenizer.tokens, (top.tolist() for top in probabilities_TV.topk(top_k))
    return [tuple(Prediction(tokens[i], p) for i, p in zip(*row, strict=True)) for row in zip(ids, values, strict=True)]


@dataclass(frozen=True)
class _Numbers:
    """What the rows' positions are told, as lists: by row, by position."""

    losses: list[list[float]]
    supervised: list[list[bool]]
    right_ids: list[list[int]]
    gradients: list[list[list[float]]]
    likeliest: list[list[list[int]]]
    probabilities: list[list[list[float]]]


def _numbers(
    rows: Sequence[Rendered], policy: MaskPolicy, batch: Batch, right: Batch, found: Attributions, top_k: int
) -> _Numbers:
    width = batch.inputs_BT.shape[1] + 1
    tokens_BT = np.array([[*row.token_ids, *[IGNORE_INDEX] * (width - len(row.token_ids))] for row in rows])
    values, ids = found.logits_BTV.softmax(-1).topk(top_k)
    four = (found.logit_norm_BT, found.parameter_norm_BT, found.share_BT, found.input_norm_BT)
    return _Numbers(
        token_losses(found.logits_BTV, torch.from_numpy(shift(tokens_BT, policy.shift))).tolist(),
        batch.supervised_BT.tolist(),
        right.targets_BT.tolist(),
        torch.stack(four, 2).tolist(),
        ids.tolist(),
        values.tolist(),
    )


def _positions(
    recipe: Recipe, row: Rendered, policy: MaskPolicy, numbers: _Numbers, place: int
) -> tuple[Position, ...]:
    tokens, segments, ids = recipe.tokenizer.tokens, row.segment_kinds(), row.token_ids
    losses, supervised, right_ids = numbers.losses[place], numbers.supervised[place], numbers.right_ids[place]
    gradients, likeliest, chances = numbers.gradients[place], numbers.likeliest[place], numbers.probabilities[place]
    positions = []
    for t in range(len(ids) - 1):
        scored = t + policy.shift if t + policy.shift < len(ids) else None
        positions.append(
            Position(
                position=t,
                input=tokens[ids[t]],
                target=None if scored is None else tokens[ids[scored]],
                right_target=None if right_ids[t] == IGNORE_INDEX else tokens[right_ids[t]],
                input_segment=segments[t],
                target_segment=None if scored is None else segments[scored],
                supervised=supervised[t],
                loss=None if scored is None else losses[t],
                target_probability=None if scored is None else math.exp(-losses[t]),
                gradient=Gradient(*gradients[t]),
                predictions=tuple(Prediction(tokens[i], p) for i, p in zip(likeliest[t], chances[t], strict=True)),
            )
        )
    return tuple(positions)
