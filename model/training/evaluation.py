"""What a model can do on held-out prompts: exact match, token accuracy, stop rate, loss by segment.

Each comes with n and a 95 % interval.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, get_args

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.intervals import MeanLoss, Rate, rate_of, ratio_of_sums, wilson
from model.masks.batches import make_batch
from model.masks.policies import UNMASKED
from model.network.generation import generate
from model.network.gpt import GPT
from model.network.loss import token_losses
from model.text.chat_template import Rendered, SegmentKind, render
from model.text.tasks import Task
from model.text.tokenizer import END_OF_TURN, Tokenizer

ROWS_AT_ONCE = 250
Row = TypeVar("Row")


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
    given = answers(model, task, tokenizer, prompts)
    sums = [_sums(model, task, tokenizer, some) for some in some_at_once(prompts)]
    right = sum(int(part.right_B.sum()) for part in sums)
    answered = sum(int(part.tokens_B["assistant"].sum()) for part in sums)
    return Metrics(
        rate_of(answer.exact for answer in given),
        wilson(right / answered, len(prompts)),
        rate_of(answer.stops for answer in given),
        {
            kind: ratio_of_sums(
                torch.cat([part.losses_B[kind] for part in sums]).numpy(),
                torch.cat([part.tokens_B[kind] for part in sums]).numpy(),
            )
            for kind in get_args(SegmentKind)
        },
    )


@dataclass(frozen=True)
class GivenAnswer:
    """A right answer and what the model gave, END_OF_TURN included where there is one."""

    right: str
    given: str

    @property
    def exact(self) -> bool:
        return self.given == self.right + END_OF_TURN

    @property
    def stops(self) -> bool:
        return self.given.endswith(END_OF_TURN)


def answers(model: GPT, task: Task, tokenizer: Tokenizer, prompts: Sequence[str]) -> list[GivenAnswer]:
    """What the model answers to the last turn of each prompt, some at once."""
    given = [text for some in some_at_once(prompts) for text in complete_prompts(model, task, tokenizer, some)]
    return [GivenAnswer(task.answer(prompt), text) for prompt, text in zip(prompts, given, strict=True)]


def some_at_once(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """ROWS_AT_ONCE of them and a rest."""
    return (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))


def complete_prompts(model: GPT, task: Task, tokenizer: Tokenizer, prompts: Sequence[str]) -> list[str]:
    """The greedy completion of each prompt, END_OF_TURN included where it was produced."""
    asked = [render(task.question(prompt), tokenizer, generation_prompt=True).token_ids for prompt in prompts]
    completions = generate(model, asked, stop_id=tokenizer.end_of_turn_id)
    return [tokenizer.decode(completion.token_ids) for completion in completions]


@dataclass(frozen=True)
class _Sums:
    """What a model made of B prompts, the right answers fed in."""

    right_B: Tensor
    """Tokens of the answer that were the likeliest."""
    losses_B: dict[SegmentKind, Tensor]
    tokens_B: dict[SegmentKind, Tensor]


@torch.inference_mode()
def _sums(model: GPT, task: Task, tokenizer: Tokenizer, prompts: Sequence[str]) -> _Sums:
    conversations = [render(task.conversation(prompt), tokenizer) for prompt in prompts]
    batch = make_batch(conversations, UNMASKED, tokenizer)
    logits_BTV = model(batch.inputs_BT)
    losses_BT, masks = token_losses(logits_BTV, batch.targets_BT), segment_masks(conversations)
    return _Sums(
        ((logits_BTV.argmax(-1) == batch.targets_BT) & masks["assistant"]).sum(1),
        {kind: (losses_BT * mask_BT).sum(1) for kind, mask_BT in masks.items()},
        {kind: mask_BT.sum(1) for kind, mask_BT in masks.items()},
    )


def segment_masks(conversations: Sequence[Rendered]) -> dict[SegmentKind, Tensor]:
    """By kind of segment (B, T): whether the target of position t lies in one; False for pads, which stand last."""
    kinds = get_args(SegmentKind)
    rows = [torch.tensor([kinds.index(kind) for kind in row.segment_kinds()[1:]]) for row in conversations]
    kinds_BT = pad_sequence(rows, batch_first=True, padding_value=-1)
    return {kind: kinds_BT == number for number, kind in enumerate(kinds)}
