"""Training as a generator of events: StepDone, Evaluated, CheckpointSaved, Finished. In: a recipe, a policy, a seed.

The initial weights and the stream of prompts depend on the seed alone, so two policies with one seed start from the
same weights and see the same prompts in the same order.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch

from model.errors import Diverged
from model.masks.batches import Batch, make_batch
from model.masks.policies import MaskPolicy
from model.network.gpt import GPT
from model.network.learner import Learner
from model.text.chat_template import Rendered, render
from model.training.checkpoints import Checkpoint, Measurement, Run, in_place_of, load_weights, save_run, save_weights
from model.training.evaluation import Metrics, evaluate
from model.training.recipes import Recipe, TrainingConfig


@dataclass(frozen=True)
class StepDone:
    step: int
    loss: float
    """Mean over the batch's supervised positions, in nats, before the step was taken."""


@dataclass(frozen=True)
class Evaluated:
    step: int
    metrics: Metrics


@dataclass(frozen=True)
class CheckpointSaved:
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Finished:
    run: Run


Event = StepDone | Evaluated | CheckpointSaved | Finished


def initial_model(recipe: Recipe, seed: int, base: GPT | None = None) -> GPT:
    """The model before its first step: the same weights for the same recipe and seed, whatever the policy.

    With a base it is a copy of that.
    """
    assert (base is None) == (recipe.base is None), recipe.slug
    model = GPT(recipe.model, torch.Generator().manual_seed(seed))
    if base is not None:
        model.load_state_dict(base.state_dict())
    return model


def train(model: GPT, recipe: Recipe, policy: MaskPolicy, *, seed: int) -> Iterator[StepDone | Evaluated]:
    """Train `model` where it is, and measure it at step 0, every `evaluate_every` steps and at the end.

    Deterministic for (recipe, policy, seed) on one machine. Sets torch to one thread: sums keep their order, and models
    this small train fastest so.

    Raises:
        Diverged: the loss is no number any more.
    """
    held_out = recipe.task.held_out_prompts(recipe.training.evaluation_words)
    for done in _optimize(model, recipe, policy, seed):
        if done.step > 0:
            yield done
        if recipe.training.is_evaluated(done.step):
            yield Evaluated(done.step, evaluate(model, recipe.task, recipe.tokenizer, held_out))


def train_run(
    recipe: Recipe, policy: MaskPolicy, *, seed: int, folder: Path, base: GPT | None = None
) -> Iterator[Event]:
    """Train from scratch, or from a base, and keep the run in `folder`: all at the end, in place of what was there.

    At a checkpoint the weights as they were written are measured, not those in training.
    """
    model = initial_model(recipe, seed, base)
    run = new_run(recipe, policy.slug, seed, model)
    held_out = recipe.task.held_out_prompts(recipe.training.evaluation_words)
    with in_place_of(folder) as unfinished:
        for done in _optimize(model, recipe, policy, seed):
            step = done.step
            if step > 0:
                yield done
            measured = model
            if step in recipe.training.checkpoint_steps:
                checkpoint = save_weights(unfinished, step, model)
                measured = load_weights(unfinished, run.model, checkpoint)
                run = replace(run, checkpoints=(*run.checkpoints, checkpoint))
                yield CheckpointSaved(checkpoint)
            if recipe.training.is_evaluated(step):
                metrics = evaluate(measured, recipe.task, recipe.tokenizer, held_out)
                run = replace(run, steps=step, measurements=(*run.measurements, Measurement(step, metrics)))
                yield Evaluated(step, metrics)
        save_run(unfinished, run)
    yield Finished(run)


def new_run(recipe: Recipe, policy: str, seed: int, model: GPT) -> Run:
    """A run of which nothing has been measured or saved yet."""
    return Run(
        recipe=recipe.slug,
        policy=policy,
        seed=seed,
        steps=0,
        parameters=model.config.parameter_count(),
        split=recipe.task.split,
        model=recipe.model,
        training=recipe.training,
        measurements=(),
        checkpoints=(),
    )


def _optimize(model: GPT, recipe: Recipe, policy: MaskPolicy, seed: int) -> Iterator[StepDone]:
    config = recipe.training
    learner = Learner(model, betas=config.betas, weight_decay=config.weight_decay)
    return optimize(learner, config, training_batches(recipe, policy, seed))


def optimize(learner: Learner, config: TrainingConfig, batches: Iterator[Batch]) -> Iterator[StepDone]:
    """Steps 0 (nothing is done) to the last; the model may be read between them.

    Raises:
        Diverged: the loss is no number any more.
    """
    torch.set_num_threads(1)
    yield StepDone(0, math.nan)
    for step, batch in zip(range(1, config.steps + 1), batches, strict=False):
        loss = learner.step(batch, config.learning_rate_at(step))
        if not math.isfinite(loss):
            raise Diverged(
                f"The loss became NaN or infinite at step {step}; a lower learning rate helps", param="learning_rate"
            )
        yield StepDone(step, loss)


def training_batches(recipe: Recipe, policy: MaskPolicy, seed: int) -> Iterator[Batch]:
    """The endless seeded stream of batches; the prompts do not depend on the policy."""
    for conversations in _conversations(recipe, seed):
        yield make_batch(conversations, policy, recipe.tokenizer, row_tokens=recipe.row_tokens)


def training_conversations(recipe: Recipe, seed: int) -> tuple[Rendered, ...]:
    """Those of a run's first step."""
    return next(_conversations(recipe, seed))


def _conversations(recipe: Recipe, seed: int) -> Iterator[tuple[Rendered, ...]]:
    """Those of each step. What a task draws is not checked again: that would cost at every step."""
    prompts = recipe.task.prompts(seed, held_out=False)
    while True:
        chunk = islice(prompts, recipe.training.batch_size)
        yield tuple(render(recipe.task.conversation(prompt), recipe.tokenizer) for prompt in chunk)
