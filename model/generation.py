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

from model.errors import OutOfRange
from model.gpt import GPT, KVCache

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class NewToken:
    """The next token of one row; `finish_reason` is set on its last one."""

    row: int
    token_id: int
    probability: float
    finish_reason: FinishReason | None


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
) -> Iterator[tuple[NewToken, ...]]:
    """For each step the new tokens of the rows still running, until each met `stop_id` or its `max_new_tokens`.

    Raises:
        OutOfRange: at the first step, if a row's cap does not fit into the model's context behind its prompt.
    """
    for prompt, cap in zip(prompts, max_new_tokens, strict=True):
        new_token_cap(model, len(prompt), cap)
    longest, last_position = max(len(prompt) for prompt in prompts), model.config.context_length - 1
    columns = longest + max(max_new_tokens) - 1
    cache = KVCache(model.config, len(prompts), columns)
    tokens_BT, real_BT = _left_pad(prompts, longest)
    positions_BT = real_BT.cumsum(1).sub_(1).clamp_(min=0)
    ragged = not bool(real_BT.all())
    if ragged:
        real_BC = F.pad(real_BT, (0, columns - longest), value=True)
        logits_BTV = model(tokens_BT, positions_BT=positions_BT, visible_B1TS=_visible(real_BT), cache=cache)
    else:
        logits_BTV = model(tokens_BT, cache=cache)
    running = list(range(len(prompts)))
    position_B1 = positions_BT[:, -1:]
    for produced in range(1, max(max_new_tokens) + 1):
        probability_B, next_B = logits_BTV[:, -1].softmax(-1).max(-1)
        next_ids, probabilities = next_B.tolist(), probability_B.tolist()
        new = tuple(
            NewToken(
                row,
                next_ids[row],
                probabilities[row],
                "stop" if next_ids[row] == stop_id else "length" if produced == max_new_tokens[row] else None,
            )
            for row in running
        )
        yield new
        running = [token.row for token in new if token.finish_reason is None]
        if not running:
            return
        if ragged:
            position_B1 = (position_B1 + 1).clamp(max=last_position)  # only rows that have ended get there
            visible_B11S = real_BC[:, None, None, : cache.length + 1]
            logits_BTV = model(next_B[:, None], positions_BT=position_B1, visible_B1TS=visible_B11S, cache=cache)
        else:
            logits_BTV = model(next_B[:, None], cache=cache)


def generate(
    model: GPT, prompts: Sequence[Sequence[int]], *, stop_id: int, max_new_tokens: int | None = None
) -> tuple[Completion, ...]:
    """The completion of each prompt; without `max_new_tokens` each goes on up to what the context allows."""
    caps = [new_token_cap(model, len(prompt), max_new_tokens) for prompt in prompts]
    tokens: list[list[NewToken]] = [[] for _ in prompts]
    for step in decode(model, prompts, stop_id=stop_id, max_new_tokens=caps):
        for token in step:
            tokens[token.row].append(token)
    return tuple(complete(row) for row in tokens)


def complete(tokens: Sequence[NewToken]) -> Completion:
    """Join one row's tokens, the last of which carries the finish reason."""
    finish_reason = tokens[-1].finish_reason
    assert finish_reason is not None, tokens
    return Completion(tuple(t.token_id for t in tokens), tuple(t.probability for t in tokens), finish_reason)


def _left_pad(prompts: Sequence[Sequence[int]], longest: int) -> tuple[Tensor, Tensor]:
    tokens = torch.tensor([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    real = torch.tensor([[False] * (longest - len(prompt)) + [True] * len(prompt) for prompt in prompts])
    return tokens, real


def _visible(real_BT: Tensor) -> Tensor:
    """(B, 1, T, T): causal and real; a pad sees itself, so that its softmax is not over nothing."""
    T = real_BT.shape[1]
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    return (causal & real_BT[:, None, None, :]) | torch.eye(T, dtype=torch.bool)
