"""Pretraining of a base model on plain text, as a generator of events. In: a seed. Out: events, a folder.

The same batches, loss, optimizer and model as everywhere else: plain text is a conversation of which every token is
trained. Only what is measured is its own: whether the model goes on like a worksheet, and what it knows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import get_args

import torch
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.intervals import MeanLoss, Rate, rate_of, ratio_of_sums
from model.kept import STRICT, read_checked, write
from model.masks.batches import Batch, make_batch
from model.masks.policies import UNMASKED
from model.network.config import GPTConfig
from model.network.generation import generate
from model.network.gpt import GPT
from model.network.learner import Learner
from model.network.loss import batch_logits, token_losses
from model.text.chat_template import Rendered, Segment
from model.text.corpus import SUMS, Kind, documents, fact, question, total
from model.text.tokenizer import Tokenizer
from model.training.checkpoints import (
    CheckedWeights,
    Checkpoint,
    build_model,
    in_place_of,
    load_weights,
    read_weights,
    save_weights,
)
from model.training.given_numbers import Endings, endings, right_rate
from model.training.loop import StepDone, optimize
from model.training.recipes import BASE, TEXT_MODEL, TEXT_TOKENIZER, TWO_LAYERS, TrainingConfig

BASE_FILE = "base.json"
REMEDY = f"`maskscope train {BASE}` makes it, with --seed for another seed"
MEASURED_DOCUMENTS = 200
"""Of each kind, never trained on: their seed is none of a training's."""
HELD_OUT_SEED = -1
CONTINUATION_TOKENS = 14
NEXT_QUESTION = re.compile(r"\s*What is \d\+\d\?")


@dataclass(frozen=True)
class Pretraining:
    """A base model's size, its tokenizer, and how it is trained."""

    slug: str
    title: str
    tokenizer: Tokenizer
    model: GPTConfig
    training: TrainingConfig


PRETRAINING = {
    BASE: Pretraining(
        BASE,
        "Continue text: worksheets, facts, statements, sentences",
        TEXT_TOKENIZER,
        TEXT_MODEL,
        TWO_LAYERS(batch_size=32, checkpoint_steps=(4000,), decay_steps=800, evaluate_every=200),
    )
}
"""Base models, by slug."""


@checked(config=STRICT)
class BaseMetrics:
    """What a base model does with plain text, greedily."""

    continues: Rate
    """Openings `What is a+b?` that it follows with another question."""
    knows: Rate
    """Sums whose right number it gives behind `Q: What is a+b?` and `A: `, whatever follows the number."""
    endings: Endings
    """What follows the number."""
    loss: dict[Kind, MeanLoss]
    """In nats per token, on documents it was not trained on."""


@checked(config=STRICT)
class BaseMeasurement:
    step: int
    metrics: BaseMetrics


@checked(config=STRICT)
class BaseRun:
    """What base.json holds."""

    slug: str
    seed: int
    model: GPTConfig
    training: TrainingConfig
    measurements: tuple[BaseMeasurement, ...]
    checkpoint: Checkpoint

    @property
    def steps(self) -> int:
        return self.checkpoint.step

    def first_at(self, share: float) -> int | None:
        """The first measured step at which it knows so many of the sums; None if there is none."""
        return next((m.step for m in self.measurements if m.metrics.knows.value >= share), None)


BaseEvent = StepDone | BaseMeasurement | BaseRun

_BASE_RUN = TypeAdapter(BaseRun)


def pretrain(model: GPT, setup: Pretraining, seed: int) -> Iterator[StepDone | BaseMeasurement]:
    """Train `model` where it is, and measure it every `evaluate_every` steps and at the end. Deterministic.

    Raises:
        Diverged: the loss is no number any more.
    """
    config = setup.training
    learner = Learner(model, betas=config.betas, weight_decay=config.weight_decay)
    for done in optimize(learner, config, text_batches(setup, seed)):
        if done.step > 0:
            yield done
        if config.is_evaluated(done.step):
            yield BaseMeasurement(done.step, measure_base(model, setup.tokenizer))


def pretrain_run(setup: Pretraining, *, seed: int, folder: Path) -> Iterator[BaseEvent]:
    """Pretrain from scratch and keep the last weights and all measurements in `folder`."""
    model = GPT(setup.model, torch.Generator().manual_seed(seed))
    measured: list[BaseMeasurement] = []
    for event in pretrain(model, setup, seed):
        if isinstance(event, BaseMeasurement):
            measured.append(event)
        yield event
    with in_place_of(folder) as unfinished:
        checkpoint = save_weights(unfinished, setup.training.steps, model)
        kept = load_weights(unfinished, setup.model, checkpoint)
        measured[-1] = BaseMeasurement(setup.training.steps, measure_base(kept, setup.tokenizer))
        run = BaseRun(setup.slug, seed, setup.model, setup.training, tuple(measured), checkpoint)
        write(unfinished / BASE_FILE, _BASE_RUN, run)
    yield run


def base_folder(trained: Path, seed: int) -> Path:
    """Where the base of a seed lies among the trained runs."""
    return trained / BASE / f"seed-{seed}"


def read_base(folder: Path) -> BaseRun:
    """Without its weights. Raises BrokenRun, naming the file, if it is missing or unreadable."""
    return read_checked(folder / BASE_FILE, _BASE_RUN, REMEDY)


def load_base(folder: Path) -> tuple[BaseRun, GPT]:
    """The run and its model. Raises BrokenRun, naming the file, if it is missing, unreadable or does not fit."""
    run, weights = read_base_weights(folder)
    return run, build_model(weights)


def read_base_weights(folder: Path) -> tuple[BaseRun, CheckedWeights]:
    """The run and what its model is built from. Raises BrokenRun as `load_base`."""
    run = read_base(folder)
    return run, read_weights(folder, run.model, run.checkpoint)


def text_batches(setup: Pretraining, seed: int) -> Iterator[Batch]:
    """The endless seeded stream of batches. Each row begins with a document and is full of text."""
    texts = documents(seed)
    length = setup.model.row_tokens
    while True:
        rows = [_row(texts, length, setup.tokenizer) for _ in range(setup.training.batch_size)]
        yield make_batch(rows, UNMASKED, setup.tokenizer)


def as_text(token_ids: Sequence[int]) -> Rendered:
    """Plain text as a conversation without a template: all of it is somebody's, so all of it is trained."""
    return Rendered(tuple(token_ids), (Segment("user", 0, len(token_ids)),))


def _row(texts: Iterator[str], length: int, tokenizer: Tokenizer) -> Rendered:
    token_ids: list[int] = []
    while len(token_ids) < length:
        token_ids += tokenizer.encode(next(texts))
    return as_text(token_ids[:length])


def measure_base(model: GPT, tokenizer: Tokenizer) -> BaseMetrics:
    """All sums are asked, so the intervals are those of sums like them."""
    continuations = continue_texts(model, tokenizer, [question(sum_) for sum_ in SUMS], CONTINUATION_TOKENS)
    answers = continue_texts(model, tokenizer, [fact(sum_, "") for sum_ in SUMS], CONTINUATION_TOKENS)
    return BaseMetrics(
        rate_of(NEXT_QUESTION.match(text) is not None for text in continuations),
        right_rate(answers, list(map(total, SUMS))),
        endings(answers),
        text_losses(model, tokenizer),
    )


def continue_texts(model: GPT, tokenizer: Tokenizer, texts: Sequence[str], tokens: int) -> list[str]:
    """The greedy continuation of plain texts, so many tokens of it."""
    prompts = [tokenizer.encode(text) for text in texts]
    completions = generate(model, prompts, stop_id=tokenizer.end_of_turn_id, max_new_tokens=tokens)
    return [tokenizer.decode(completion.token_ids) for completion in completions]


@torch.inference_mode()
def text_losses(model: GPT, tokenizer: Tokenizer) -> dict[Kind, MeanLoss]:
    """Mean loss in nats per token on MEASURED_DOCUMENTS held-out documents of each kind, cut to the context."""
    losses: dict[Kind, MeanLoss] = {}
    for kind in get_args(Kind):
        batch = make_batch(held_out_texts(kind, tokenizer, model.config.row_tokens), UNMASKED, tokenizer)
        losses_BT = token_losses(batch_logits(model, batch), batch.targets_BT)
        losses[kind] = ratio_of_sums(losses_BT.sum(1).numpy(), batch.supervised_BT.sum(1).numpy())
    return losses


def held_out_texts(kind: Kind, tokenizer: Tokenizer, most_tokens: int) -> list[Rendered]:
    texts = islice(documents(HELD_OUT_SEED, (kind,)), MEASURED_DOCUMENTS)
    return [as_text(tokenizer.encode(text)[:most_tokens]) for text in texts]
