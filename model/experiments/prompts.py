"""What a model predicts inside the prompt, where no loss ever trained it. In: shipped models, held-out words.

A position is one at a letter of the prompt: position t has read the word's first t letters. Under the right mask its
prediction is nobody's concern, which does not make it noise: the weights that answer are at work there too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.intervals import Fraction, Rate, rate_of
from model.kept import STRICT, KeptFile, agree, compare_rates, keys_of
from model.masks.policies import COMPARED_POLICIES, RIGHT
from model.network.gpt import GPT
from model.network.loss import batch_logits
from model.text.tokenizer import END_OF_TURN
from model.training.batches import batch_of
from model.training.checkpoints import load_last
from model.training.conversations import render_prompts
from model.training.recipes import RECIPES, Recipe

PROMPT_WORDS = 300
FIRST_WITH_ONE_BEFORE = 2
"""The first position that has a letter before its own."""


@dataclass(frozen=True)
class Choice:
    """A position's likeliest next token."""

    position: int
    read: str
    """The letter at the position."""
    before: str
    """The letter in front of it; empty at the first."""
    token: str
    probability: float
    seen: bool
    """The token is a letter already read or END_OF_TURN: such as answers are made of."""
    comes: bool
    """It is the token that comes next."""

    @property
    def is_before(self) -> bool:
        """What an answer would go on with behind this letter."""
        return self.token == self.before


@checked(config=STRICT)
class PromptPosition:
    """Over the words that are long enough."""

    position: Annotated[int, Field(ge=FIRST_WITH_ONE_BEFORE)]
    before: Rate
    """Words at which the top choice is the letter just before the position's own."""
    seen: Rate
    """Words at which it is a letter already read, or END_OF_TURN."""
    comes: Rate
    """Words at which it is the token that comes next."""
    probability: Fraction
    """Mean probability of the top choice."""


@checked(config=STRICT)
class PromptPredictions:
    """What one model predicts inside held-out words, from their second letter on."""

    recipe: str
    policy: str
    seed: int
    steps: Annotated[int, Field(ge=0)]
    seen: Rate
    """Words at which every top choice is a letter already read, or END_OF_TURN."""
    probability: Fraction
    """Mean probability of the top choice, over all positions."""
    positions: tuple[PromptPosition, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.recipe, self.policy

    def at(self, position: int) -> PromptPosition:
        return next(row for row in self.positions if row.position == position)


@torch.inference_mode()
def top_choices(model: GPT, recipe: Recipe, words: Sequence[str]) -> list[tuple[Choice, ...]]:
    """For each word the top choice behind each of its letters. The words must fit the recipe."""
    batch = batch_of(recipe, render_prompts(recipe, words), RIGHT)
    probabilities_BT, chosen_BT = (found.tolist() for found in batch_logits(model, batch).softmax(-1).max(-1))
    names, template = recipe.tokenizer.tokens, 1
    rows: list[tuple[Choice, ...]] = []
    for word, probabilities, chosen in zip(words, probabilities_BT, chosen_BT, strict=True):
        following = (*word[1:], names[batch.inputs_BT[len(rows), len(word) + template]])
        row = []
        for t in range(1, len(word) + 1):
            token = names[chosen[t]]
            seen = token in word[:t] or token == END_OF_TURN
            comes = token == following[t - 1]
            row.append(Choice(t, word[t - 1], word[t - 2 : t - 1], token, probabilities[t], seen, comes))
        rows.append(tuple(row))
    return rows


def measure_prompts(folder: Path) -> Iterator[PromptPredictions]:
    """Of each recipe under each compared policy, the last weights. Raises BrokenRun."""
    for recipe, policy in product(RECIPES.values(), COMPARED_POLICIES):
        run, model = load_last(folder / recipe.slug / policy)
        words = recipe.task.held_out_prompts(PROMPT_WORDS)
        rows = [row[FIRST_WITH_ONE_BEFORE - 1 :] for row in top_choices(model, recipe, words)]
        yield summarize(recipe.slug, policy, run.seed, run.steps, [row for row in rows if row])


def summarize(recipe: str, policy: str, seed: int, steps: int, rows: Sequence[tuple[Choice, ...]]) -> PromptPredictions:
    """`rows`: of each word its choices from the second letter on."""
    every = [choice for row in rows for choice in row]
    places = sorted({choice.position for choice in every})
    by_place = [[choice for choice in every if choice.position == place] for place in places]
    return PromptPredictions(
        recipe,
        policy,
        seed,
        steps,
        rate_of(all(choice.seen for choice in row) for row in rows),
        _mean_probability(every),
        tuple(
            PromptPosition(
                place,
                rate_of(choice.is_before for choice in choices),
                rate_of(choice.seen for choice in choices),
                rate_of(choice.comes for choice in choices),
                _mean_probability(choices),
            )
            for place, choices in zip(places, by_place, strict=True)
        ),
    )


def _mean_probability(choices: Sequence[Choice]) -> float:
    return sum(choice.probability for choice in choices) / len(choices)


KEPT_PROMPTS = KeptFile(
    "prompts",
    TypeAdapter(tuple[PromptPredictions, ...]),
    keys_of,
    tuple(product(RECIPES, COMPARED_POLICIES)),
    named="/".join,
)


def departures(stated: Iterable[PromptPredictions], measured: Iterable[PromptPredictions]) -> list[str]:
    """Where shipped models, asked anew, depart from what was stated."""
    by_key = {row.key: row for row in stated}
    lines = []
    for row in measured:
        there, name = by_key[row.key], "/".join(row.key)
        lines += compare_rates([(f"{name}: words of letters already read", there.seen, row.seen)])
        for old, new in zip(there.positions, row.positions, strict=True):
            place = f"{name}, position {new.position}"
            rates = ("before", "seen", "comes")
            lines += compare_rates((f"{place}: {rate}", getattr(old, rate), getattr(new, rate)) for rate in rates)
            if not agree(old.probability, new.probability):
                lines.append(f"{place}: stated {old.probability:.3f}, measured {new.probability:.3f}")
    return lines
