"""Text drawn token by token, and text scored. In: a model, a prompt, a seed. Out: token ids with log probabilities.

At temperature 1 a share of the samples estimates the probability of what they have in common.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.errors import OutOfRange
from model.network.decoder import Decoder, left_pad
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
    model: GPT, prompts: Sequence[Sequence[int]], *, stop_id: int, samples: int, tokens: int, seed: int
) -> list[list[tuple[int, ...]]]:
    """Of each prompt so many continuations of so many tokens each, drawn from the model's own distribution.

    All are decoded as one batch; a prompt's are the same whatever others are beside it. A stop ends one.

    Raises:
        OutOfRange: a prompt and tokens together do not fit into the model's context.
    """
    for prompt in prompts:
        fits = model.config.context_length - len(prompt)
        if tokens > fits:
            raise OutOfRange(
                f"The text has {len(prompt)} tokens and leaves room for {fits}, not {tokens}", param="prompt"
            )
    drawn = [tokens_B for _, tokens_B in _drawn(model, prompts, samples, tokens, 1.0, seed, stop_id)]
    rows = torch.stack(drawn, 1).view(len(prompts), samples, -1).tolist()
    return [[tuple(row[: row.index(stop_id) + 1] if stop_id in row else row) for row in own] for own in rows]


@torch.inference_mode()
def draw(
    model: GPT, prompt_ids: Sequence[int], *, rows: int, tokens: int, temperature: float, seed: int, top: int = 0
) -> Iterator[tuple[ScoredToken, ...]]:
    """For each of `rows` continuations of one prompt the next token, `tokens` times. At temperature 0 the likeliest.

    `top`: how many of the likeliest tokens to tell. The last token needs no position of its own, so prompt and tokens
    may take one more than the context has.
    """
    for logits_BV, tokens_B in _drawn(model, [prompt_ids], rows, tokens, temperature, seed):
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
    model: GPT,
    prompts: Sequence[Sequence[int]],
    rows: int,
    tokens: int,
    temperature: float,
    seed: int,
    stop_id: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (B, V) and the tokens (B,) drawn from them; B counts `rows` rows of each prompt, one prompt after another.

    `tokens` times, or until each row has its stop; what a row is given behind its stop means nothing. Rows whose text
    is the same so far are decoded as one. Each prompt has a generator of its own, so that nothing beside it changes
    what is drawn.
    """
    longest = max(len(prompt) for prompt in prompts)
    assert 1 <= longest + tokens <= model.config.context_length + 1, (longest, tokens)
    generators = [torch.Generator().manual_seed(seed) for _ in prompts]
    decoder = Decoder(model, len(prompts), longest + tokens)
    places_N = np.array([len(prompt) for prompt in prompts])
    logits_NV = torch.from_numpy(decoder.read(*left_pad(prompts)))
    texts_B = torch.arange(len(prompts)).repeat_interleave(rows)  # which of the N different texts a row has
    goes_on_B = torch.ones(len(texts_B), dtype=torch.bool)
    for produced in range(tokens):
        tokens_B = _choose(logits_NV, texts_B, temperature, generators)
        yield logits_NV[texts_B], tokens_B
        if stop_id is not None:
            goes_on_B &= tokens_B != stop_id
        if produced == tokens - 1 or not goes_on_B.any():
            return
        longer_B = texts_B * model.config.vocab_size + tokens_B
        longer_N, texts_B = _unique(longer_B, goes_on_B)
        parents_N, newest_N = divmod(longer_N.numpy(), model.config.vocab_size)
        if not np.array_equal(parents_N, np.arange(len(places_N))):
            decoder.keep(parents_N)
        places_N = places_N[parents_N]
        logits_NV = torch.from_numpy(decoder.step(newest_N, places_N + produced))


def _choose(logits_NV: Tensor, texts_B: Tensor, temperature: float, generators: list[torch.Generator]) -> Tensor:
    """A token for each row; a generator draws for its own part of the rows."""
    if temperature == 0:
        return logits_NV.argmax(-1)[texts_B]
    chances_BV = (logits_NV / temperature).softmax(-1)[texts_B]
    parts = zip(chances_BV.chunk(len(generators)), generators, strict=True)
    return torch.cat([torch.multinomial(part, 1, generator=generator)[:, 0] for part, generator in parts])


def _unique(texts_B: Tensor, counts_B: Tensor) -> tuple[Tensor, Tensor]:
    """The different texts (N,) of the rows that count, and each row's place among them; 0 for the others."""
    texts_N, places = torch.unique(texts_B[counts_B], return_inverse=True)
    return texts_N, torch.zeros_like(texts_B).masked_scatter(counts_B, places)
