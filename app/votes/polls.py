"""What a question to a room is made of: choices, a truth, and the word and models it is computed from. Plain values; in
texts and sentences what a model reads or writes stands between backticks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from model.experiments.ablation.findings import Comparison
from model.intervals import Rate
from model.masks.policies import RIGHT, UNMASKED
from model.network.gpt import GPT
from model.text.tokenizer import END_OF_TURN
from model.training.recipes import Recipe

ON, OFF = RIGHT.slug, UNMASKED.slug


@dataclass(frozen=True)
class Choice:
    slug: str
    text: str
    style: str = ""
    """The CSS class of the model it names."""


@dataclass(frozen=True)
class Truth:
    choice: str
    sentence: str
    link: str
    """Where the figure shows it."""


@dataclass(frozen=True)
class Poll:
    """A question as it is put to a room."""

    question: str
    """Its slug."""
    text: str
    choices: tuple[Choice, ...]
    truth: Truth | None
    """None: a race that is still to come decides it."""
    race: tuple[tuple[str, str], ...] = ()
    """Names and values of the form that starts it."""


@dataclass(frozen=True)
class Material:
    """A word, and what its questions are computed from."""

    recipe: Recipe
    word: str
    step: int
    models: Mapping[str, Mapping[int, GPT]]
    """By policy and step."""
    comparison: Comparison
    """What all seeds said of this recipe."""
    stopless: GPT | None = None
    """Trained with END_OF_TURN ignored, if this recipe has such a model."""
    stops: Rate | None = None
    """Of the unseen words, those on which that model stopped."""

    @property
    def answer(self) -> str:
        return self.recipe.task.answer(self.word)

    @property
    def right(self) -> str:
        return self.answer + END_OF_TURN

    def steps(self) -> tuple[int, ...]:
        """Those at which both models were kept."""
        return tuple(sorted(set(self.models[ON]) & set(self.models[OFF])))

    def link(self, step: int, policy: str = ON, **more: str) -> str:
        state = {"recipe": self.recipe.slug, "prompt": self.word, "step": step, "policy": policy, **more}
        return "/?" + urlencode(state)
