"""Training that counts the supervised targets it uses. In: a model, a recipe, a policy, a seed. Out: counts."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from model.masks.batches import Batch
from model.masks.policies import IGNORE_INDEX, MaskPolicy
from model.network.gpt import GPT
from model.network.learner import Learner
from model.training.loop import optimize, training_batches
from model.training.recipes import Recipe


def train_counting(model: GPT, recipe: Recipe, policy: MaskPolicy, *, seed: int) -> Iterator[tuple[int, int]]:
    """(step, targets used so far) of steps 0 to the last; the model is trained where it is, as `train` would.

    Raises:
        Diverged: the loss is no number any more.
    """
    config, used = recipe.training, 0

    def counted() -> Iterator[Batch]:
        nonlocal used
        for batch in training_batches(recipe, policy, seed):
            used += supervised(batch)
            yield batch

    learner = Learner(model, betas=config.betas, weight_decay=config.weight_decay)
    for done in optimize(learner, config, counted()):
        yield done.step, used


def count_targets(recipe: Recipe, policy: MaskPolicy, *, seed: int, steps: int) -> int:
    """Supervised targets of a run's first steps; nothing is trained."""
    batches = training_batches(recipe, policy, seed)
    return sum(supervised(batch) for _, batch in zip(range(steps), batches, strict=False))


def count_answer_targets(recipe: Recipe, *, seed: int) -> int:
    """Those of a whole run of single turns under the right mask, without a batch: each answer and its stop."""
    assert recipe.task.most_turns == 1, recipe.slug
    count = recipe.training.steps * recipe.training.batch_size
    return sum(
        len(recipe.task.answer(prompt)) + 1 for prompt in islice(recipe.task.prompts(seed, held_out=False), count)
    )


def supervised(batch: Batch) -> int:
    return int((batch.targets_BT != IGNORE_INDEX).sum())


def for_steps(recipe: Recipe, steps: int) -> Recipe:
    """The same training over so many steps: the learning rate falls over the same share of them."""
    training = recipe.training
    decay = training.decay_steps * steps // training.steps
    return replace(recipe, training=replace(training, checkpoint_steps=(steps,), decay_steps=decay))
