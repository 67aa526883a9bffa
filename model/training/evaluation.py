"""What a model can do on held-out prompts: exact match, token accuracy, stop rate, loss by segment.

Each comes with n and a 95 % interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from model.intervals import MeanLoss, Rate, rate_of, ratio_of_sums, wilson
from model.masks.batches import make_batch
from model.masks.policies import UNMASKED
from model.network.generation import generate
from model.network.gpt import GPT
from model.network.loss import token_losses
from model.text.chat import SegmentKind, render
from model.text.tasks import Task
from model.text.tokenizer import Tokenizer

ROWS_AT_ONCE = 250


@dataclass(frozen=True)
class Metrics:
    exact_match: Rate
    """Greedy completion equals the right answer and its END_OF_TURN."""
    token_accuracy: Rate
    """Most likely token equals the target, over the answer's positions, with the right answer fed in."""
    stop_rate: Rate
    """Greedy completion ends with END_OF_TURN before the context is full."""
    loss: dict[SegmentKind, MeanLoss]
    """By the kind of segment the target lies in, with the right answer fed in; whether the model was trained on it or
    not."""


def evaluate(model: GPT, task: Task, tokenizer: Tokenizer, prompts: Sequence[str]) -> Metrics:
    """Measure a model on prompts it was never trained on.

    Tokens of one prompt are not independent, so token accuracy is given the interval of n prompts, not of n tokens: too
    wide rather than too narrow. The interval of a loss counts prompts as well.
    """
    exact: list[bool] = []
    stopped: list[bool] = []
    marks: list[_Marks] = []
    stop = tokenizer.decode([tokenizer.end_of_turn_id])
    for start in range(0, len(prompts), ROWS_AT_ONCE):
        chunk = prompts[start : start + ROWS_AT_ONCE]
        for prompt, text in zip(chunk, complete_prompts(model, task, tokenizer, chunk), strict=True):
            exact.append(text == task.answer(prompt) + stop)
            stopped.append(text.endswith(stop))
        marks.append(_mark(model, task, tokenizer, chunk))
    right = sum(int(mark.right_BT.sum()) for mark in marks)
    answered = sum(int(mark.of_segment_BT("assistant").sum()) for mark in marks)
    return Metrics(
        rate_of(exact),
        wilson(right / answered, len(prompts)),
        rate_of(stopped),
        {kind: _mean_loss(marks, kind) for kind in get_args(SegmentKind)},
    )


def complete_prompts(model: GPT, task: Task, tokenizer: Tokenizer, prompts: Sequence[str]) -> list[str]:
    """The greedy completion of each prompt, END_OF_TURN included where it was produced."""
    asked = [render(task.question(prompt), tokenizer, generation_prompt=True).token_ids for prompt in prompts]
    completions = generate(model, asked, stop_id=tokenizer.end_of_turn_id)
    return [tokenizer.decode(completion.token_ids) for completion in completions]


@dataclass(frozen=True)
class _Marks:
    """What a model made of some prompts, the right answers fed in."""

    losses_BT: Tensor
    right_BT: Tensor
    """Whether the likeliest token is the target, False outside of the answer."""
    kinds_BT: Tensor
    """The segment the target lies in, as its number in SegmentKind's order; -1 for pads."""

    def of_segment_BT(self, kind: SegmentKind) -> Tensor:
        return self.kinds_BT == get_args(SegmentKind).index(kind)


@torch.inference_mode()
def _mark(model: GPT, task: Task, tokenizer: Tokenizer, prompts: Sequence[str]) -> _Marks:
    conversations = [render(task.conversation(prompt), tokenizer) for prompt in prompts]
    batch = make_batch(conversations, UNMASKED, tokenizer)
    logits_BTV = model(batch.inputs_BT)
    losses_BT = token_losses(logits_BTV, batch.targets_BT)
    kinds = get_args(SegmentKind)
    rows = [[kinds.index(kind) for kind in conversation.segment_kinds()[1:]] for conversation in conversations]
    longest = batch.targets_BT.shape[1]
    kinds_BT = torch.tensor([row + [-1] * (longest - len(row)) for row in rows])
    right_BT = (logits_BTV.argmax(-1) == batch.targets_BT) & (kinds_BT == kinds.index("assistant"))
    return _Marks(losses_BT, right_BT, kinds_BT)


def _mean_loss(marks: Sequence[_Marks], kind: SegmentKind) -> MeanLoss:
    return ratio_of_sums(
        torch.cat([(mark.losses_BT * mark.of_segment_BT(kind)).sum(1) for mark in marks]).numpy(),
        torch.cat([mark.of_segment_BT(kind).sum(1) for mark in marks]).numpy(),
    )
