"""Training as a generator of events: StepDone, Evaluated, CheckpointSaved, Finished. In: a recipe, a policy, a seed.

The initial weights and the stream of words depend on the seed alone, so two policies with one seed start from the same
weights and see the same words in the same order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch

from model.batches import Batch, make_batch
from model.chat import render
from model.checkpoints import Checkpoint, Measurement, Run, new_run, save_run, save_weights
from model.evaluation import Metrics, evaluate
from model.gpt import GPT
from model.loss import summed_cross_entropy
from model.masks import MaskPolicy
from model.recipes import Recipe


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


def train(recipe: Recipe, policy: MaskPolicy, *, seed: int, folder: Path) -> Iterator[Event]:
    """Train from scratch, write each checkpoint into `folder` as it is reached, and `run.json` last.

    Deterministic for (recipe, policy, seed) on one machine. Sets torch to one thread: sums keep their order, and models
    this small train fastest so.
    """
    torch.set_num_threads(1)
    config = recipe.training
    model = GPT(recipe.model, torch.Generator().manual_seed(seed))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )
    held_out = recipe.task.held_out_words(config.evaluation_words)
    batches = training_batches(recipe, policy, seed)
    run = new_run(recipe, policy.slug, seed, model)
    for step in range(config.steps + 1):
        if step > 0:
            optimizer.param_groups[0]["lr"] = config.learning_rate_at(step)
            yield StepDone(step, _take_step(model, optimizer, next(batches)))
        saves = step in config.checkpoint_steps
        if saves or step % config.evaluate_every == 0:
            metrics = evaluate(model, recipe.task, recipe.tokenizer, held_out)
            run = replace(run, steps=step, measurements=(*run.measurements, Measurement(step, metrics)))
            yield Evaluated(step, metrics)
        if saves:
            checkpoint = save_weights(folder, step, model)
            run = replace(run, checkpoints=(*run.checkpoints, checkpoint))
            yield CheckpointSaved(checkpoint)
    save_run(folder, run)
    yield Finished(run)


def training_batches(recipe: Recipe, policy: MaskPolicy, seed: int) -> Iterator[Batch]:
    """The endless seeded stream of batches; the words do not depend on the policy."""
    words = recipe.task.words(seed, held_out=False)
    while True:
        chunk = islice(words, recipe.training.batch_size)
        conversations = [render(recipe.task.conversation(word), recipe.tokenizer) for word in chunk]
        yield make_batch(conversations, policy, recipe.tokenizer.pad_id)


def _take_step(model: GPT, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    total, count = summed_cross_entropy(model(batch.inputs_BT), batch.targets_BT)
    loss = total / count.clamp(min=1)  # nothing supervised: a loss of 0, not NaN
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()
