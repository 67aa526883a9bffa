"""Greedy decoding of many rows at once over one KV cache. In: prompts as ids. Out: one token per row and step.

Prompts of different length are padded on the left, so that all of them end together; pads are hidden by an attention
mask and each row counts its positions from its own first token. A row's result does not depend on its neighbours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.errors import outside
from model.network.decoder import Decoder, left_pad
from model.network.folded import QUIET, Array
from model.network.gpt import GPT

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class DecodedStep:
    """One new token for each of the B rows, by row; meaningless for rows that ended before."""

    token_ids: list[int]
    probabilities: list[float]
    ended: dict[int, FinishReason]
    """The rows that this token ends, and why."""


@dataclass(frozen=True)
class Completion:
    """All new tokens of one row, the stop token included."""

    token_ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    finish_reason: FinishReason


def new_token_cap(model: GPT, prompt_length: int, max_new_tokens: int | None = None) -> int:
    """`max_new_tokens` if that many fit after a prompt, by default all that fit; the last needs no position of its own.

    Raises:
        OutOfRange: they do not fit into the model's context.
    """
    fits = model.config.context_length - prompt_length + 1
    cap = fits if max_new_tokens is None else max_new_tokens
    if not 1 <= cap <= fits:
        raise outside("max_new_tokens", f"1 to {fits} behind this prompt", cap, param="max_new_tokens")
    return cap


def decode(
    model: GPT, prompts: Sequence[Sequence[int]], *, stop_id: int, max_new_tokens: Sequence[int]
) -> Iterator[DecodedStep]:
    """One step per new token, until every row met `stop_id` or its `max_new_tokens`.

    Raises:
        OutOfRange: at the first step, if a row's cap does not fit into the model's context behind its prompt.
    """
    for prompt, cap in zip(prompts, max_new_tokens, strict=True):
        new_token_cap(model, len(prompt), cap)
    running = dict(enumerate(max_new_tokens))
    longest, last_position = max(len(prompt) for prompt in prompts), model.config.context_length - 1
    decoder = Decoder(model, len(prompts), longest + max(max_new_tokens) - 1)
    tokens_BT, real_BT = left_pad(prompts)
    logits_BV = decoder.read(tokens_BT, real_BT)
    position: Array | int = longest - 1 if real_BT is None else real_BT.sum(1) - 1
    for produced in range(1, max(max_new_tokens) + 1):
        tokens_B, probabilities_B = _likeliest(logits_BV)
        token_ids = tokens_B.tolist()
        ended: dict[int, FinishReason] = {row: "length" for row, cap in running.items() if cap == produced}
        if stop_id in token_ids:
            ended |= {row: "stop" for row in running if token_ids[row] == stop_id}
        for row in ended:
            del running[row]
        yield DecodedStep(token_ids, probabilities_B.tolist(), ended)
        if not running:
            return
        # A row that has ended may run past the last position; it stays there.
        position = position + 1 if isinstance(position, int) else np.minimum(position + 1, last_position)
        logits_BV = decoder.step(tokens_B, position)


def generate(
    model: GPT, prompts: Sequence[Sequence[int]], *, stop_id: int, max_new_tokens: int | None = None
) -> tuple[Completion, ...]:
    """The completion of each prompt; without `max_new_tokens` each goes on up to what the context allows."""
    caps = [new_token_cap(model, len(prompt), max_new_tokens) for prompt in prompts]
    steps = list(decode(model, prompts, stop_id=stop_id, max_new_tokens=caps))
    ends = {row: (count, reason) for count, step in enumerate(steps, 1) for row, reason in step.ended.items()}
    token_ids = list(zip(*(step.token_ids for step in steps), strict=True))
    probabilities = list(zip(*(step.probabilities for step in steps), strict=True))
    return tuple(
        Completion(token_ids[row][:count], probabilities[row][:count], reason)
        for row, (count, reason) in sorted(ends.items())
    )


@QUIET
def _likeliest(logits_BV: Array) -> tuple[Array, Array]:
    """Each row's likeliest token, and its probability."""
    tokens_B = logits_BV.argmax(1)
    below_BV = logits_BV - np.maximum.reduce(logits_BV, 1, keepdims=True)
    return tokens_B, 1 / np.add.reduce(np.exp(below_BV, out=below_BV), 1)
