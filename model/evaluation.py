"""What a model can do on held-out words: exact match, token accuracy, stop rate, each with n and a 95 % interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from model.batches import make_batch
from model.chat import Message, render
from model.generation import generate
from model.gpt import GPT
from model.masks import MASK_POLICIES
from model.tasks import Task
from model.tokenizer import Tokenizer

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""The bounds hold where a run.json is read."""

ROWS_AT_ONCE = 250
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A fraction measured on n words, with its 95 % Wilson score interval."""

    value: Fraction
    n: Annotated[int, Field(ge=1)]
    low: Fraction
    high: Fraction


@dataclass(frozen=True)
class Metrics:
    exact_match: Rate
    """Greedy completion equals the right answer and its END_OF_TURN."""
    token_accuracy: Rate
    """Most likely token equals the target, over the answer's positions, with the right answer fed in."""
    stop_rate: Rate
    """Greedy completion ends with END_OF_TURN before the context is full."""


def evaluate(model: GPT, task: Task, tokenizer: Tokenizer, words: Sequence[str]) -> Metrics:
    """Measure a model on words it was never trained on.

    Tokens of one word are not independent, so token accuracy is given the interval of n words, not of n tokens: too
    wide rather than too narrow.
    """
    exact = stopped = right_tokens = tokens = 0
    for start in range(0, len(words), ROWS_AT_ONCE):
        chunk = words[start : start + ROWS_AT_ONCE]
        for word, text in zip(chunk, complete_words(model, tokenizer, chunk), strict=True):
            exact += text == task.answer(word) + tokenizer.decode([tokenizer.end_of_turn_id])
            stopped += text.endswith(tokenizer.decode([tokenizer.end_of_turn_id]))
        right, count = _right_tokens(model, task, tokenizer, chunk)
        right_tokens, tokens = right_tokens + right, tokens + count
    n = len(words)
    return Metrics(wilson(exact / n, n), wilson(right_tokens / tokens, n), wilson(stopped / n, n))


def complete_words(model: GPT, tokenizer: Tokenizer, words: Sequence[str]) -> list[str]:
    """The greedy completion of each word's prompt, END_OF_TURN included where it was produced."""
    prompts = [render([Message("user", word)], tokenizer, generation_prompt=True).token_ids for word in words]
    completions = generate(model, prompts, stop_id=tokenizer.end_of_turn_id)
    return [tokenizer.decode(completion.token_ids) for completion in completions]


@torch.inference_mode()
def _right_tokens(model: GPT, task: Task, tokenizer: Tokenizer, words: Sequence[str]) -> tuple[int, int]:
    conversations = [render(task.conversation(word), tokenizer) for word in words]
    batch = make_batch(conversations, MASK_POLICIES["prompt-masked"], tokenizer.pad_id)
    right_BT = (model(batch.inputs_BT).argmax(-1) == batch.targets_BT) & batch.supervised_BT
    return int(right_BT.sum()), int(batch.supervised_BT.sum())


def wilson(value: float, n: int, z: float = Z_95) -> Rate:
    """The Wilson score interval of a fraction `value` of n trials. Source: Wilson 1927, JASA 22."""
    assert n > 0, n
    assert 0 <= value <= 1, value
    center = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return Rate(value, n, min(value, max(0.0, center - half)), max(value, min(1.0, center + half)))
