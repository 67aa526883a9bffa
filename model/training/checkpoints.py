"""A run folder: `run.json` + `step_000100.safetensors`. Reads, writes, and refuses what its sums do not match.

Nothing is ever unpickled. `run.json` states the recipe it was trained by, the data split, the measurements, and for
each checkpoint the sha256 of its file.
"""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, TypeVar

import safetensors
import safetensors.torch
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from model.errors import BrokenRun
from model.kept import STRICT, read_checked, write
from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.training.evaluation import Metrics
from model.training.recipes import TrainingConfig

RUN_FILE = "run.json"
Step = Annotated[int, Field(ge=0)]


@dataclass(config=STRICT)
class Checkpoint:
    """One weight file of a run."""

    step: Step
    file: Annotated[str, Field(pattern=r"^step_\d{6}\.safetensors$")]
    sha256: str


@dataclass(config=STRICT)
class Measurement:
    """What the model could do after `step` optimizer steps."""

    step: Step
    metrics: Metrics


@dataclass(config=STRICT)
class Run:
    """What `run.json` holds."""

    recipe: str
    policy: str
    seed: int
    steps: Step
    parameters: int
    split: str
    model: GPTConfig
    training: TrainingConfig
    measurements: tuple[Measurement, ...]
    checkpoints: tuple[Checkpoint, ...]

    def checkpoint_steps(self) -> tuple[int, ...]:
        return tuple(checkpoint.step for checkpoint in self.checkpoints)

    def metrics_at(self, step: int) -> Metrics:
        return next(m.metrics for m in self.measurements if m.step == step)


_RUN = TypeAdapter(Run)
Key = TypeVar("Key")


@contextmanager
def in_place_of(folder: Path) -> Iterator[Path]:
    """A folder beside it to write into, which takes its place at the end, and only if it comes to that."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    yield unfinished
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def save_weights(folder: Path, step: int, model: GPT) -> Checkpoint:
    """Write a model's weights (rounded to float16, the tied head once) and return their record."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: p.detach().half().contiguous() for name, p in model.named_parameters()}
    content = safetensors.torch.save(weights, metadata={"format": "pt"})
    path = folder / f"step_{step:06d}.safetensors"
    path.write_bytes(content)
    return Checkpoint(step, path.name, hashlib.sha256(content).hexdigest())


def save_run(folder: Path, run: Run) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / RUN_FILE, _RUN, run)


def read_run(folder: Path) -> Run:
    """Raises BrokenRun, naming the file, if run.json is missing, unreadable or not a run."""
    return read_checked(folder / RUN_FILE, _RUN, "`make train` makes it anew")


def load_last(folder: Path) -> tuple[Run, GPT]:
    """A run and the model of its last checkpoint. Raises BrokenRun."""
    run = read_run(folder)
    return run, load_weights(folder, run.model, run.checkpoints[-1])


def load_weights(folder: Path, config: GPTConfig, checkpoint: Checkpoint) -> GPT:
    """The model of a checkpoint in float32, in evaluation mode, its parameters frozen.

    Raises:
        BrokenRun: the file is missing, is not the one it was recorded for, or does not fit the model.
    """
    return build_model(read_weights(folder, config, checkpoint))


@dataclasses.dataclass(frozen=True, eq=False)
class CheckedWeights:
    """A weight file's content, which is what was recorded and fits the model."""

    content: bytes
    config: GPTConfig


def read_weights(folder: Path, config: GPTConfig, checkpoint: Checkpoint) -> CheckedWeights:
    """A checkpoint's file, checked. Takes a fifth of a millisecond where the model itself takes three.

    Raises:
        BrokenRun: as `load_weights`.
    """
    path = folder / checkpoint.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BrokenRun(f"{path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != checkpoint.sha256:
        raise BrokenRun(f"{path}: sha256 differs from the one recorded (truncated or altered?)")
    try:
        tensors = safetensors.deserialize(content)  # type: ignore[no-untyped-call]  # its stub has no types
        found = {name: tuple(tensor["shape"]) for name, tensor in tensors}
    except safetensors.SafetensorError as error:
        raise BrokenRun(f"{path}: does not hold this model's weights: {str(error).splitlines()[0]}") from error
    if found != _shapes(config):
        odd = sorted(dict(found.items() ^ _shapes(config).items()))
        raise BrokenRun(f"{path}: does not hold this model's weights: {', '.join(odd)}")
    return CheckedWeights(content, config)


def build_model(weights: CheckedWeights) -> GPT:
    """In float32, in evaluation mode, its parameters frozen."""
    model = GPT(weights.config)
    read = safetensors.torch.load(weights.content)
    model.load_state_dict(read | {"head.weight": read["token_embedding.weight"]})
    return model.eval().requires_grad_(False)


class ModelsOnDemand(Mapping[Key, GPT]):
    """Models by step, or by what else tells them apart, each built when it is asked for; `build` may keep them."""

    def __init__(self, weights: Mapping[Key, CheckedWeights], build: Callable[[CheckedWeights], GPT] = build_model):
        self._weights = weights
        self._build = build

    def __getitem__(self, key: Key) -> GPT:
        return self._build(self._weights[key])

    def __contains__(self, key: object) -> bool:
        return key in self._weights

    def __iter__(self) -> Iterator[Key]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)


@cache
def _shapes(config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """By name, of the parameters that a file holds."""
    return {name: tuple(parameter.shape) for name, parameter in GPT(config).named_parameters()}
