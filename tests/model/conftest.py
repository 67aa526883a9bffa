"""Models that many tests read. They are shared, so a test that writes to one copies it first."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.training.checkpoints import load_weights, read_run
from model.training.pretraining import base_folder, load_base

TRAINED = Path(__file__).resolve().parents[2] / "model" / "trained"

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def trained_model() -> Callable[[str, str, int], GPT]:
    """A shipped checkpoint by recipe, policy and step."""

    @cache
    def load(recipe: str, policy: str, step: int) -> GPT:
        run = read_run(TRAINED / recipe / policy)
        checkpoint = next(checkpoint for checkpoint in run.checkpoints if checkpoint.step == step)
        return load_weights(TRAINED / recipe / policy, run.model, checkpoint)

    return load


@pytest.fixture(scope="session")
def base() -> GPT:
    """The shipped base of the first seed."""
    return load_base(base_folder(TRAINED, 0))[1]


@pytest.fixture(scope="session")
def random_model() -> Callable[[GPTConfig], GPT]:
    """A model whose weights are all far from their initial values, biases and norms too, so that each one matters."""

    @cache
    def make(config: GPTConfig) -> GPT:
        generator = torch.Generator().manual_seed(7)
        model = GPT(config, generator).eval().requires_grad_(False)
        for parameter in model.parameters():
            parameter += torch.randn(parameter.shape, generator=generator) * 0.2
        return model

    return make
