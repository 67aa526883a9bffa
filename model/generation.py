"""Greedy decoding of many rows at once over one KV cache. In: prompts as ids. Out: one token per row and step.

Prompts of different length are padded on the left, so that all of them end together; pads are hidden by an attention
mask and each row counts its positions from its own first token. A row's result does not depend on its neighbours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from model.decoder import Decoder
from model.errors import OutOfRange
from model.gpt import GPT, KVCache

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
        raise OutOfRange(f"max_new_tokens is {cap}; allowed after this prompt: 1 to {fits}", param="max_new_tokens")
    return cap


@torch.inference_mode()
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
    columns = longest + max(max_new_tokens) - 1
    cache = KVCache(model.config, len(prompts), columns)
    tokens_BT, real_BT = _left_pad(prompts, longest)
    if not bool(real_BT.all()):
        positions_BT = real_BT.cumsum(1).sub_(1).clamp_(min=0)
        logits_BV = model(tokens_BT, positions_BT=positions_BT, visible_B1TS=_visible(real_BT), cache=cache)[:, -1]
        decoder = Decoder(model, cache, longest, F.pad(real_BT, (0, columns - longest), value=True))
        position: Tensor | int = positions_BT[:, -1]
    else:
        logits_BV = model(tokens_BT, cache=cache)[:, -1]
        decoder, position = Decoder(model, cache, longest), longest - 1
    for produced in range(1, max(max_new_tokens) + 1):
        probabilities_B, tokens_B = logits_BV.softmax(-1).max(-1)
        token_ids = tokens_B.tolist()
        ended: dict[int, FinishReason] = {}
        for row, cap in running.items():
            if token_ids[row] == stop_id:
                ended[row] = "stop"
            elif produced == cap:
                ended[row] = "length"
        for row in ended:
            del running[row]
        yield DecodedStep(token_ids, probabilities_B.tolist(), ended)
        if not running:
            return
        # A row that has ended may run past the last position; it stays there.
        position = (position + 1).clamp(max=last_position) if isinstance(position, Tensor) else position + 1
        logits_BV = decoder.step(tokens_B, position)


def generate(
    model: GPT, prompts: Sequence[Sequence[int]], *, stop_id: int, max_new_tokens: int | None = None
) -> tuple[Completion, ...]:
    """The completion of each prompt; without `max_new_tokens` each goes on up to what the context allows."""
    caps = [new_token_cap(model, len(prompt), max_new_tokens) for prompt in prompts]
    steps = list(decode(model, prompts, stop_id=stop_id, max_new_tokens=caps))
    ends = {row: (count, reason) for count, step in enumerate(steps, 1) for row, reason in step.ended.items()}
    return tuple(
        Completion(
            tuple(step.token_ids[row] for step in steps[: ends[row][0]]),
            tuple(step.probabilities[row] for step in steps[: ends[row][0]]),
            ends[row][1],
        )
        for row in range(len(prompts))
    )


def _left_pad(prompts: Sequence[Sequence[int]], longest: int) -> tuple[Tensor, Tensor]:
    tokens = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    real = torch.tensor([[False] * (longest - len(prompt)) + [True] * len(prompt) for prompt in prompts])
    return tokens, real


def _visible(real_BT: Tensor) -> Tensor:
    """(B, 1, T, T): causal and real; a pad sees itself, so that its softmax is not over nothing."""
    T = real_BT.shape[1]
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    return (causal & real_BT[:, None, None, :]) | torch.eye(T, dtype=torch.bool)
