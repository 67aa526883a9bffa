"""Where a base model's and its descendants' probability goes: for a plain opening, a framed one, a templated one.

In: models and a request. Out: plain values, from the models' own samples and distributions.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from model.experiments.dispatcher.drift import divergence
from model.intervals import Z_95, Rate, rate_of
from model.network.gpt import GPT
from model.network.sampling import sample
from model.text.chat_template import Rendered
from model.text.corpus import fact, question
from model.text.sums import QUESTION
from model.text.tokenizer import END_OF_TURN, Tokenizer
from model.training.conversations import prompt_ids, render_prompt
from model.training.given_numbers import gives
from model.training.pretraining import as_text
from model.training.recipes import Recipe

SAMPLES, SAMPLED_TOKENS, SAMPLING_SEED = 200, 16, 0
"""So many tokens hold a whole question of a worksheet: ` What is 3+4?`."""

MARGIN = Z_95 * math.sqrt(0.25 / SAMPLES)
"""Of a share of one half, estimated by so many samples: its 95 % interval reaches so far to both sides."""

KEPT_MASSES = 1024
"""The last so many of them are remembered."""


@dataclass(frozen=True)
class Opening:
    """The same request as a text that a model goes on from."""

    slug: str
    title: str
    text: str
    """As it is shown."""
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Mass:
    """Estimated by SAMPLES samples of SAMPLED_TOKENS tokens at temperature 1."""

    question: Rate
    """A question mark is among them."""
    answer: Rate | None
    """They give the right number, whatever follows it; None if nobody knows it."""
    stop: Rate
    """A stop is among them."""


def openings(recipe: Recipe, request: str) -> tuple[Opening, ...]:
    """Plain, framed as a question, and in the template.

    Raises:
        InvalidText: the request is not one the task knows, or holds a character that the tokenizer does not.
    """
    templated, tokenizer = prompt_ids(recipe, request), recipe.tokenizer
    plain = tokenizer.encode(request, param="prompt")
    framed = f"Q: {request}\nA: "
    return (
        Opening("plain", "plain text", request, plain),
        Opening("framed", "framed as Q and A", framed, tokenizer.encode(framed)),
        Opening("templated", "in the template", tokenizer.decode(templated), templated),
    )


@lru_cache(maxsize=KEPT_MASSES)
def masses(model: GPT, starts: tuple[Opening, ...], right: str, tokenizer: Tokenizer) -> tuple[Mass, ...]:
    """One per opening, sampled as one batch. `right` is the answer, empty if nobody knows it.

    Seeded, so what a whole class asks is sampled once, and an opening's is the same whatever others are beside it.

    Raises:
        OutOfRange: an opening is too long for the model's context.
    """
    drawn = sample(
        model,
        [opening.token_ids for opening in starts],
        stop_id=tokenizer.end_of_turn_id,
        samples=SAMPLES,
        tokens=SAMPLED_TOKENS,
        seed=SAMPLING_SEED,
    )
    return tuple(_mass([tokenizer.decode(row) for row in rows], right) for rows in drawn)


def _mass(texts: list[str], right: str) -> Mass:
    return Mass(
        rate_of("?" in text for text in texts),
        rate_of(gives(text, right) for text in texts) if right else None,
        rate_of(END_OF_TURN in text for text in texts),
    )


@dataclass(frozen=True)
class PositionDrift:
    """How far a model's next-token distribution is from the base's behind one token."""

    input: str
    next: str
    nats: float


def position_drift(base: GPT, model: GPT, recipe: Recipe, row: Rendered) -> tuple[PositionDrift, ...]:
    """KL(model, base) at each position of one text."""
    with torch.inference_mode():
        nats = divergence(base, model, [row], recipe)[0].tolist()
    tokens = [recipe.tokenizer.tokens[i] for i in row.token_ids]
    return tuple(PositionDrift(a, b, max(0.0, n)) for a, b, n in zip(tokens, tokens[1:], nats, strict=False))


def drift_rows(request: str, recipe: Recipe) -> tuple[tuple[str, Rendered], ...]:
    """The request with its right answer in the template, and the same words as a worksheet and as a fact."""
    tokenizer = recipe.tokenizer
    rows = [("in the template", render_prompt(recipe, request))]
    asked = QUESTION.fullmatch(request)
    plain = [("as a worksheet", f"{request} {question(asked[1])}" if asked else request)]
    if asked:
        plain.append(("as a fact", f"{fact(asked[1])}\n"))
    for title, text in plain:
        rows.append((title, as_text(tokenizer.encode(text, param="prompt"))))
    return tuple((title, row) for title, row in rows if len(row.token_ids) > 1)
