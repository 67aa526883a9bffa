"""Labels of which a share is another answer than the reversal: the word itself. In: an arm, a share, a seed. Out: data.

In two arms each word has one label; in the third each word is shown ten times, with the one answer and with the other.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from string import ascii_lowercase
from typing import Literal

from model.explain.both_answers import answer_row
from model.masks.batches import Batch, make_batch
from model.masks.policies import RIGHT
from model.training.recipes import RECIPES, Recipe, Variation, vary

OTHER_SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""Of the labels, those that are the other answer."""
BOTH_SHARES = (0.3, 0.5, 0.7)
"""The same, where each word gets both answers; without another answer nothing can be shown twice."""
APPEARANCES = 10
"""How often each word is shown where it gets both answers; in steps of a tenth each share is exact."""
VARIATION = Variation(
    layers=2, width=64, batch_size=64, learning_rate=1e-3, steps=2000, evaluate_every=2000, evaluation_words=1
)
"""Of `reverse4`: a model that learns even both answers within the steps."""
DECAY_STEPS = 600

Where = Literal["scattered", "predictable", "both"]


@dataclass(frozen=True)
class Spread:
    """How the labels that are the other answer are chosen."""

    slug: Where
    title: str
    is_other: Callable[[str, float, int], bool]
    """Whether a word's label is the other answer: the word, the share, and how often the word was shown before."""
    appearances: int = 1
    """How often each training word is shown: the training data are gone through so many times."""
    shares: tuple[float, ...] = OTHER_SHARES
    """Those that are trained."""


def _by_hash(word: str, share: float, _appearance: int) -> bool:
    return _hash("other", word) < share * 2**64


def _by_letter(word: str, share: float, _appearance: int) -> bool:
    return ascii_lowercase.index(word[0]) < round(share * len(ascii_lowercase))


def _by_turns(word: str, share: float, appearance: int) -> bool:
    """Of ten appearances as many as the share says, spread out; a word's hash says where it begins."""
    return (_hash("turn", word) + 3 * appearance) % APPEARANCES < round(share * APPEARANCES)


def _hash(salt: str, word: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{salt} {word}".encode(), digest_size=8).digest(), "big")


SPREADS: dict[Where, Spread] = {
    spread.slug: spread
    for spread in (
        Spread("scattered", "at words that nothing tells apart", _by_hash),
        Spread("predictable", "at words that begin with certain letters", _by_letter),
        Spread("both", "at every word, in that share of the times it is shown", _by_turns, APPEARANCES, BOTH_SHARES),
    )
}


def limit_recipe(where: Where, share: float) -> Recipe:
    """Its task answers as the label does that a word has when it is shown first."""
    recipe = vary(RECIPES["reverse4"], VARIATION)
    task = replace(recipe.task, solve=partial(_label, SPREADS[where], share, 0))
    return replace(recipe, task=task, training=replace(recipe.training, decay_steps=DECAY_STEPS))


def _label(spread: Spread, share: float, appearance: int, turns: Sequence[str]) -> str:
    return turns[-1] if spread.is_other(turns[-1], share, appearance) else turns[-1][::-1]


def limit_batches(where: Where, share: float, seed: int) -> Iterator[Batch]:
    """The training data, once for each appearance of its words; in all as many batches as the recipe has steps."""
    recipe, spread = limit_recipe(where, share), SPREADS[where]
    size = recipe.training.batch_size
    words = tuple(islice(recipe.task.prompts(seed, held_out=False), size * recipe.training.steps // spread.appearances))
    for appearance in range(spread.appearances):
        for start in range(0, len(words), size):
            pairs = [(word, _label(spread, share, appearance, [word])) for word in words[start : start + size]]
            yield make_batch([answer_row(recipe, word, label) for word, label in pairs], RIGHT, recipe.tokenizer)
