"""Folded weights are kept for a model that is frozen, and made anew for one that may still learn."""

from collections.abc import Callable
from copy import deepcopy

import torch

from model.network.folded import folded
from model.network.generation import generate
from model.network.gpt import GPT
from model.network.learner import Learner
from model.training.recipes import RECIPES

CONFIG = RECIPES["reverse"].model


def test_a_frozen_models_weights_are_folded_once(random_model: Callable[..., GPT]):
    model = random_model(CONFIG)
    assert folded(model) is folded(model)
    assert folded(deepcopy(model)) is not folded(model)


def test_a_model_that_learns_is_decoded_with_the_weights_it_has_now(random_model: Callable[..., GPT]):
    model = deepcopy(random_model(CONFIG))
    generate(model, [(1, 2)], stop_id=-1)
    Learner(model, betas=(0.9, 0.95), weight_decay=0.0)
    for change in (0.1, -0.2):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += change
        fresh = deepcopy(model).requires_grad_(False)
        assert generate(model, [(1, 2)], stop_id=-1) == generate(fresh, [(1, 2)], stop_id=-1)


def test_weights_that_are_no_numbers_are_decoded_without_a_warning(random_model: Callable[..., GPT]):
    model = deepcopy(random_model(CONFIG)).requires_grad_(True)
    for value in (3e38, float("nan")):
        with torch.no_grad():
            model.token_embedding.weight.fill_(value)
        for rows in (1, 3):
            assert len(generate(model, [(1, 2, 3)] * rows, stop_id=-1, max_new_tokens=3)) == rows
