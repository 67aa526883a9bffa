"""RECIPES: a task, a model and a way to train it under one slug. Literal data; knows nothing of running it."""

from dataclasses import dataclass

from model.gpt import GPTConfig
from model.tasks import TASKS, Task
from model.tokenizer import Tokenizer


@dataclass(frozen=True)
class TrainingConfig:
    """AdamW on fresh seeded words, at a constant learning rate up to the decay; the last checkpoint ends the run."""

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

    @property
    def steps(self) -> int:
        return self.checkpoint_steps[-1]

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


def _char_recipe(
    task: Task, *, context_length: int, layers: int, heads: int, width: int, training: TrainingConfig
) -> Recipe:
    """A recipe whose tokenizer pads only if the task's words differ in length."""
    tokenizer = Tokenizer(task.alphabet, pads=task.min_length != task.max_length)
    return Recipe(
        task.slug,
        task.title,
        task,
        tokenizer,
        GPTConfig(tokenizer.vocab_size, context_length, layers, heads, width),
        training,
    )


RECIPES: dict[str, Recipe] = {
    recipe.slug: recipe
    for recipe in (
        _char_recipe(
            TASKS["reverse"],
            context_length=32,
            layers=2,
            heads=4,
            width=64,
            training=TrainingConfig(
                batch_size=64,
                learning_rate=1e-3,
                checkpoint_steps=(0, 250, 500, 750, 1000, 1250, 1500, 2000, 3000),
                decay_steps=1000,
                evaluate_every=50,
            ),
        ),
        _char_recipe(
            TASKS["reverse4"],
            context_length=16,
            layers=1,
            heads=4,
            width=32,
            training=TrainingConfig(
                batch_size=32,
                learning_rate=3e-4,
                checkpoint_steps=(0, 200, 300, 325, 350, 400, 500, 1000),
                evaluate_every=25,
            ),
        ),
    )
}
"""The first is the page's default."""

DEFAULT_RECIPE = next(iter(RECIPES))
