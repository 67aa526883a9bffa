"""The words that `/` offers as examples: found by a rule among held-out words, not remembered. In: models. Out: words.

Each story asks something of what the two models write; its example is the first word, at the first of its steps, for
which that holds. The words' order is a matter of taste: words whose reversal is a word come first.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.errors import BrokenRun
from model.kept import STRICT, KeptFile, keys_of
from model.masks.policies import RIGHT, UNMASKED
from model.network.generation import generate
from model.network.gpt import GPT
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import prompt_ids
from model.training.recipes import Recipe

WORDS = (
    *("live", "step", "deal", "save", "desk", "plot", "band", "wood", "name", "data", "late", "path", "wind", "lake"),
    *("ship", "text", "chat", "date", "hand", "park", "talk", "trip", "model", "stone", "zebra", "brain", "clock"),
    *("error", "image", "index", "guess", "happy", "limit", "round", "white", "castle", "turtle", "student", "balance"),
    *("mountain", "birthday", "dialogue", "database", "deadline", "dangerous", "equipment", "foundation", "department"),
)
"""Held out, as a test holds."""
LONG = 8
"""Letters of a word that is called long."""


@dataclass(frozen=True)
class Answers:
    """What both models write after a word, END_OF_TURN included where they write it."""

    right: str
    on: str
    off: str

    def one_misses_the_stop(self) -> bool:
        """One is right, the other writes END_OF_TURN in another place, or never."""
        return self.right in (self.on, self.off) and len(self.on) != len(self.off)


@dataclass(frozen=True)
class Story:
    slug: str
    title: str
    """What the word shows, in a few words."""
    recipe: str
    steps: Callable[[Sequence[int], int], Sequence[int]]
    """Where to look, of the kept steps and the one at which the recipe is shown first."""
    holds: Callable[[str, Answers], bool]


def _opening(steps: Sequence[int], opening: int) -> Sequence[int]:
    return (opening,)


def _last(steps: Sequence[int], opening: int) -> Sequence[int]:
    return steps[-1:]


def _nearest(steps: Sequence[int], opening: int) -> Sequence[int]:
    return sorted(steps, key=lambda step: abs(step - opening))


STORIES: dict[str, Story] = {
    story.slug: story
    for story in (
        Story("differ", "the models differ", "reverse4", _opening, lambda _, a: a.on == a.right != a.off),
        Story("both", "both right", "reverse4", _last, lambda _, a: a.on == a.right == a.off),
        Story("off-alone", "mask off alone right", "reverse", _nearest, lambda _, a: a.off == a.right != a.on),
        Story("stop", "a stop misplaced", "reverse", _nearest, lambda _, a: a.one_misses_the_stop()),
        Story("long", "a longer word", "reverse", _opening, lambda word, a: len(word) >= LONG and a.on == a.right),
    )
}


@checked(config=STRICT)
class Example:
    """A word at a step, and what tells its story."""

    story: str
    recipe: str
    step: int
    word: str
    on: str
    off: str
    """What the models write."""

    @property
    def key(self) -> str:
        return self.story

    @property
    def title(self) -> str:
        return STORIES[self.story].title


KEPT_EXAMPLES: KeptFile[tuple[Example, ...], str] = KeptFile(
    "examples", TypeAdapter(tuple[Example, ...]), keys_of, tuple(STORIES)
)


@dataclass(frozen=True)
class Shown:
    """A recipe's models by step, under the mask and without it, and the step at which it is shown first."""

    recipe: Recipe
    opening: int
    models: Mapping[str, Mapping[int, GPT]]
    """By policy."""


def find_examples(shown: Mapping[str, Shown]) -> Iterator[Example]:
    """One of each story, in order; no word twice. Raises BrokenRun if no word tells it."""
    told: set[str] = set()
    for story in STORIES.values():
        words = [word for word in WORDS if word not in told and _reader(word, shown) == story.recipe]
        example = _find(story, shown[story.recipe], words)
        told.add(example.word)
        yield example


def departures(stated: Sequence[Example], found: Sequence[Example]) -> Iterator[str]:
    for old, new in zip(stated, found, strict=True):
        if old != new:
            yield f"{old.story}: stated {old.word} at step {old.step}, found {new.word} at step {new.step}"


def _reader(word: str, shown: Mapping[str, Shown]) -> str | None:
    """The recipe that is made for words like this: of those that can read it, the one that reads the fewest lengths."""
    fitting = [each.recipe for each in shown.values() if each.recipe.task.fits(word)]
    narrow = min(fitting, key=lambda recipe: recipe.task.max_length - recipe.task.min_length, default=None)
    return narrow.slug if narrow else None


def _find(story: Story, shown: Shown, words: Sequence[str]) -> Example:
    on, off = shown.models[RIGHT.slug], shown.models[UNMASKED.slug]
    for step in story.steps(sorted(set(on) & set(off)), shown.opening):
        written = zip(*(_write(shown.recipe, model, words) for model in (on[step], off[step])), strict=True)
        for word, (by_on, by_off) in zip(words, written, strict=True):
            if story.holds(word, Answers(shown.recipe.task.answer(word) + END_OF_TURN, by_on, by_off)):
                return Example(story.slug, shown.recipe.slug, step, word, by_on, by_off)
    raise BrokenRun(f"none of {len(WORDS)} words tells the story {story.slug!r}")


def _write(recipe: Recipe, model: GPT, words: Sequence[str]) -> list[str]:
    done = generate(model, [prompt_ids(recipe, word) for word in words], stop_id=recipe.tokenizer.end_of_turn_id)
    return [recipe.tokenizer.decode(completion.token_ids) for completion in done]
