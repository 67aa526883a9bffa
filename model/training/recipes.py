"""RECIPES: a task, a model and a way to train it under one slug, and how far one may be varied.

Literal data; knows nothing of running it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from model.errors import OutOfRange, check_known, outside
from model.network.config import GPTConfig
from model.text.corpus import ALPHABET, SUMS
from model.text.sums import DIGITS, NUMBERS, long_sums, sum_questions
from model.text.tasks import TASKS, Task
from model.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class TrainingConfig:
    """AdamW on fresh seeded prompts, at a constant learning rate up to the decay; the last checkpoint ends the run."""

    batch_size: int
    learning_rate: float
    checkpoint_steps: tuple[int, ...]
    evaluate_every: int
    """Optimizer steps between two measurements; every checkpoint is measured too."""
    decay_steps: int = 0
    """The learning rate falls linearly to 0 over this many last steps, so that the last checkpoint stands still."""
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    evaluation_words: int = 1000
    """Held-out prompts of a measurement."""

    @property
    def steps(self) -> int:
        return self.checkpoint_steps[-1]

    def is_evaluated(self, step: int) -> bool:
        return step % self.evaluate_every == 0 or step in self.checkpoint_steps

    def evaluated_steps(self) -> tuple[int, ...]:
        """Those for which `is_evaluated` is true, in order."""
        return tuple(sorted({*range(0, self.steps + 1, self.evaluate_every), *self.checkpoint_steps}))

    def learning_rate_at(self, step: int) -> float:
        """The rate of optimizer step 1, 2, ... `steps`."""
        left = self.steps - step + 1
        return self.learning_rate * min(1.0, left / (self.decay_steps + 1))


@dataclass(frozen=True)
class Recipe:
    slug: str
    title: str
    task: Task
    tokenizer: Tokenizer
    model: GPTConfig
    training: TrainingConfig
    base: str | None = None
    """The pretrained model that training starts from; None: from random weights."""

    @property
    def name(self) -> str:
        """The title as it stands inside a sentence."""
        return self.title[0].lower() + self.title[1:]

    @property
    def row_tokens(self) -> int:
        """The most tokens of a row, packed or not."""
        return self.model.row_tokens

    def longest_sequence(self) -> int:
        """T, the most tokens a conversation of the task has."""
        return self.task.most_turns * (self.task.max_length + self.task.longest_answer() + 3)

    def values(self) -> dict[str, Any]:
        """What a Variation may change, as it is here."""
        named = vars(self.task) | vars(self.model) | vars(self.training) | {"steps": self.training.steps}
        return {field.name: named[field.name] for field in fields(Variation)}

    def keeping_the_last_checkpoint(self) -> "Recipe":
        """The same training, of which only the last weights are kept."""
        return replace(self, training=replace(self.training, checkpoint_steps=(self.training.steps,)))

    def cost(self) -> int:
        """Parameters x tokens: what training and measuring take, up to a factor of about six operations.

        A measurement runs forward over its prompts' tokens twice, once to be scored and once to be written, at a third
        of the operations of training on them.
        """
        training = self.training
        measurements = len(training.evaluated_steps())
        prompts = training.batch_size * training.steps + training.evaluation_words * measurements * 2 // 3
        return self.model.parameter_count() * (self.longest_sequence() - 1) * prompts


@dataclass(frozen=True)
class Variation:
    """What differs from a recipe; None leaves it as it is. LIMITS has the bounds."""

    min_length: int | None = None
    max_length: int | None = None
    answer_length: int | None = None
    """Ask only for the first so many characters of the answer."""
    layers: int | None = None
    width: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    steps: int | None = None
    evaluate_every: int | None = None
    evaluation_words: int | None = None


LIMITS: dict[str, tuple[float, float]] = {
    "min_length": (1, 12),
    "max_length": (3, 12),
    "answer_length": (1, 12),
    "layers": (1, 4),
    "width": (8, 128),
    "learning_rate": (1e-5, 1e-1),
    "batch_size": (1, 256),
    "steps": (1, 10_000),
    "evaluate_every": (1, 10_000),
    "evaluation_words": (1, 1000),
}
"""Lowest and highest value of each field of a Variation."""

WIDTH_STEP = 8


def _char_recipe(
    task: Task, training: TrainingConfig, *, context_length: int, layers: int = 2, width: int = 64
) -> Recipe:
    """A recipe whose tokenizer pads only if the task's prompts differ in length."""
    tokenizer = Tokenizer(task.characters(), pads=task.min_length != task.max_length)
    model = GPTConfig(tokenizer.vocab_size, context_length, layers, heads=4, width=width)
    return Recipe(task.slug, task.title, task, tokenizer, model, training)


TWO_LAYERS = partial(TrainingConfig, batch_size=64, learning_rate=1e-3, decay_steps=1000)
"""How models of two layers are trained, but for what is kept and measured."""

RECIPES: dict[str, Recipe] = {
    recipe.slug: recipe
    for recipe in (
        _char_recipe(
            TASKS["reverse"],
            TWO_LAYERS(checkpoint_steps=(0, *range(100, 1400, 100), 1500, 1750, 2000, 2500, 3000), evaluate_every=50),
            context_length=32,
        ),
        _char_recipe(
            TASKS["reverse4"],
            TrainingConfig(
                batch_size=32,
                learning_rate=3e-4,
                checkpoint_steps=(0, 100, 150, *range(200, 475, 25), 500, 600, 800, 1000),
                evaluate_every=25,
            ),
            context_length=16,
            layers=1,
            width=32,
        ),
    )
}
"""One question, one answer. The first is the page's default."""

DIALOGUE = _char_recipe(
    TASKS["dialogue"],
    TWO_LAYERS(checkpoint_steps=(0, 500, 1000, 2000, 3000, 4000), evaluate_every=100),
    context_length=48,
)

MASK_RECIPES: dict[str, Recipe] = RECIPES | {DIALOGUE.slug: DIALOGUE}
"""Those that are about masks: each is trained under the right one and under others."""

TEXT_TOKENIZER = Tokenizer(ALPHABET, pads=True)
"""Of a base model's text. It holds the template's specials too, which pretraining never shows."""
TEXT_MODEL = GPTConfig(TEXT_TOKENIZER.vocab_size, context_length=64, layers=2, heads=4, width=64)
BASE = "worksheet"


def answers_recipe(slug: str, base: str | None, share: float = 0.5, seed: int = 0) -> Recipe:
    """Questions answered in the template, trained on a share of all sums that `seed` draws."""
    return Recipe(
        slug,
        "Answer what a sum is, " + ("from the base" if base else "from random weights"),
        sum_questions(slug, share, seed),
        TEXT_TOKENIZER,
        TEXT_MODEL,
        TrainingConfig(
            batch_size=32,
            learning_rate=2e-4,
            checkpoint_steps=(0, 25, 50, 100, 150, 200, 300, 400, 500),
            decay_steps=100,
            evaluate_every=25,
            evaluation_words=len(SUMS) // 2,
        ),
        base,
    )


def sum_recipe(task: Task) -> Recipe:
    """Of sums to be worked out. Nothing else depends on the task: size, context and training are those of a trace."""
    recipe = _char_recipe(
        task,
        TWO_LAYERS(checkpoint_steps=(500, 1000, 2000, 4000), evaluate_every=500, evaluation_words=200),
        context_length=96,
    )
    assert recipe.longest_sequence() <= recipe.row_tokens, task.slug
    return recipe


SUM_RECIPES: dict[str, Recipe] = {
    recipe.slug: recipe
    for recipe in (
        answers_recipe("answers", BASE),
        answers_recipe("answers-scratch", None),
        sum_recipe(long_sums("sums-direct", DIGITS, traced=False)),
        sum_recipe(long_sums("sums-thought", DIGITS, traced=True)),
        sum_recipe(long_sums("numbers-direct", NUMBERS, traced=False)),
        sum_recipe(long_sums("numbers-thought", NUMBERS, traced=True)),
    )
}
"""Those about sums: what a base model knows, and what a trace adds."""

ALL_RECIPES: dict[str, Recipe] = MASK_RECIPES | SUM_RECIPES
"""All that can be trained on conversations."""

DEFAULT_RECIPE = next(iter(RECIPES))


def find_recipe(slug: str, among: Iterable[Recipe]) -> Recipe:
    """Raises UnknownName for one that is not among those given."""
    known = {recipe.slug: recipe for recipe in among}
    check_known(slug, known, "recipe")
    return known[slug]


def vary(recipe: Recipe, variation: Variation) -> Recipe:
    """The recipe as it would be with other settings; its last steps' decay keeps its share of the whole.

    Raises:
        OutOfRange: a value or a combination is outside of what can be trained; names the field.
    """
    given = {f.name: v for f in fields(variation) if (v := getattr(variation, f.name)) is not None}

    def chosen(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if name in given}

    for name, value in given.items():
        lowest, highest = LIMITS[name]
        if not lowest <= value <= highest:
            raise outside(name, f"{lowest:g} to {highest:g}", f"{value:g}", param=name)
    if given.get("width", WIDTH_STEP) % WIDTH_STEP:
        raise outside("width", f"a multiple of {WIDTH_STEP}", given["width"], param="width")
    task = replace(recipe.task, **chosen("min_length", "max_length", "answer_length"))
    if task.min_length > task.max_length:
        raise outside("min_length", f"1 to {task.max_length}", task.min_length, param="min_length")
    if given.get("answer_length", 1) > task.max_length:
        asked = given["answer_length"]
        raise outside("answer_length", f"1 to {task.max_length}", asked, param="answer_length")
    kept, steps = recipe.training.checkpoint_steps, given.get("steps", recipe.training.steps)
    training = replace(
        recipe.training,
        **chosen("batch_size", "learning_rate", "evaluate_every", "evaluation_words"),
        checkpoint_steps=(*(step for step in kept if step < steps), steps),
        decay_steps=recipe.training.decay_steps * steps // recipe.training.steps,
    )
    words, most = training.evaluation_words, task.held_out_prompts_at_most()
    if words > most:
        message = f"evaluation_words is {words}, but there are only {most} words as short as these to test on"
        raise OutOfRange(message, param="max_length")
    tokenizer = Tokenizer(task.characters(), pads=task.min_length != task.max_length)
    varied = replace(recipe, task=task, tokenizer=tokenizer, training=training)
    model = replace(
        recipe.model,
        vocab_size=tokenizer.vocab_size,
        context_length=max(recipe.model.context_length, varied.longest_sequence()),
        **chosen("layers", "width"),
    )
    return replace(varied, model=model)
