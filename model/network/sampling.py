"""Text drawn token by token, and text scored. In: a model, a prompt, a seed. Out: token ids with log probabilities.

At temperature 1 a share of the samples estimates the probability of what they have in common.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.errors import OutOfRange
from model.network.decoder import Decoder
from model.network.gpt import GPT


@dataclass(frozen=True)
class ScoredToken:
    """What the model gave a token and its likeliest ones there, in nats, whatever the temperature."""

    token_id: int
    log_probability: float | None
    """None of a text's first token: nothing predicts it."""
    top: tuple[tuple[int, float], ...]
    """(token id, log probability), the likeliest first."""


@torch.inference_mode()
def sample(
    model: GPT, prompt_ids: Sequence[int], *, stop_id: int, samples: int, tokens: int, seed: int
) -> list[tuple[int, ...]]:
    """So many continuations of so many tokens each, drawn from the model's own distribution; a stop ends one.

    Raises:
        OutOfRange: prompt and tokens together do not fit into the model's context.
    """
    fits = model.config.context_length - len(prompt_ids)
    if tokens > fits:
        raise OutOfRange(
            f"The text has {len(prompt_ids)} tokens and leaves room for {fits}, not {tokens}", param="prompt"
        )
    drawn = [tokens_B for _, tokens_B in _drawn(model, prompt_ids, samples, tokens, 1.0, seed)]
    rows = torch.stack(drawn, 1).tolist()
    return [tuple(row[: row.index(stop_id) + 1] if stop_id in row else row) for row in rows]


@torch.inference_mode()
def draw(
    model: GPT, prompt_ids: Sequence[int], *, rows: int, tokens: int, temperature: float, seed: int, top: int = 0
) -> Iterator[tuple[ScoredToken, ...]]:
    """For each of `rows` continuations of one prompt the next token, `tokens` times. At temperature 0 the likeliest.

    `top`: how many of the likeliest tokens to tell. The last token needs no position of its own, so prompt and tokens
    may take one more than the context has.
    """
    for logits_BV, tokens_B in _drawn(model, prompt_ids, rows, tokens, temperature, seed):
        yield _scored(logits_BV, tokens_B, top)


@torch.inference_mode()
def score(model: GPT, token_ids: Sequence[int], top: int = 0) -> tuple[ScoredToken, ...]:
    """Each token of a text of 1 to context_length tokens, as the model predicted it from those before it."""
    tokens_T = torch.tensor(token_ids)
    logits_TV = model(tokens_T[None])[0, :-1]
    return (ScoredToken(token_ids[0], None, ()), *_scored(logits_TV, tokens_T[1:], top))


def _scored(logits_NV: Tensor, tokens_N: Tensor, top: int) -> tuple[ScoredToken, ...]:
    logs_NV = logits_NV.log_softmax(-1)
    own = logs_NV.gather(1, tokens_N[:, None])[:, 0].tolist()
    best, places = logs_NV.topk(top)
    tops = [tuple(zip(*pair, strict=True)) for pair in zip(places.tolist(), best.tolist(), strict=True)]
    return tuple(ScoredToken(*scored) for scored in zip(tokens_N.tolist(), own, tops, strict=True))


def _drawn(
    model: GPT, prompt_ids: Sequence[int], rows: int, tokens: int, temperature: float, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (B, V) and the tokens (B,) drawn from them, `tokens` times."""
    assert 1 <= len(prompt_ids) + tokens <= model.config.context_length + 1, (len(prompt_ids), tokens)
    generator = torch.Generator().manual_seed(seed)
    decoder = Decoder(model, rows, len(prompt_ids) + tokens)
    logits_BV = torch.from_numpy(decoder.read(np.array([prompt_ids]), None))
    for produced in range(tokens):
        if temperature == 0:
            tokens_B = logits_BV.argmax(-1)
        else:
            tokens_B = torch.multinomial((logits_BV / temperature).softmax(-1), 1, generator=generator)[:, 0]
        yield logits_BV, tokens_B
        if produced < tokens - 1:
            logits_BV = torch.from_numpy(decoder.step(tokens_B.numpy(), len(prompt_ids) + produced))
