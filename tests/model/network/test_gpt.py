from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from model.network.config import GPTConfig
from model.network.export import export_run
from model.network.gpt import GPT
from model.text.tokenizer import Tokenizer
from model.training.recipes import RECIPES, Recipe

REVERSE, REVERSE4 = RECIPES["reverse"], RECIPES["reverse4"]
Trained = Callable[[str, str, int], GPT]
Random = Callable[[GPTConfig], GPT]


@pytest.fixture(params=["random", "half trained", "trained"])
def model(request: pytest.FixtureRequest, trained_model: Trained, random_model: Random) -> GPT:
    if request.param == "random":
        return random_model(REVERSE.model)
    return trained_model("reverse", "prompt-masked", {"half trained": 500, "trained": 3000}[request.param])


@pytest.fixture
def exact(model: GPT) -> GPT:
    """The same in float64, where equal means the same formula."""
    return deepcopy(model).double()


def encode(text: str, recipe: Recipe = REVERSE) -> Tensor:
    return torch.tensor([[recipe.tokenizer.ids[character] for character in text]])


def as_gpt2(model: GPT, tokenizer: Tokenizer, folder: Path) -> Any:
    export_run(model, tokenizer, folder)
    return transformers.GPT2LMHeadModel.from_pretrained(folder).eval()


def random_tokens(recipe: Recipe, rows: int = 16) -> Tensor:
    shape = (rows, recipe.model.context_length)
    return torch.randint(recipe.model.vocab_size, shape, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_logits_are_those_of_transformers_gpt2(model: GPT, tmp_path: Path):
    tokens_BT = random_tokens(REVERSE)
    torch.testing.assert_close(
        model(tokens_BT), as_gpt2(model, REVERSE.tokenizer, tmp_path)(tokens_BT).logits, rtol=0, atol=1e-4
    )


@torch.inference_mode()
@pytest.mark.parametrize("layers", [1, 3])
def test_logits_are_those_of_transformers_gpt2_for_other_shapes(layers: int, random_model: Random, tmp_path: Path):
    model = random_model(GPTConfig(REVERSE4.tokenizer.vocab_size, 16, layers, 2, 24))
    tokens_BT = random_tokens(REVERSE4)
    torch.testing.assert_close(
        model(tokens_BT), as_gpt2(model, REVERSE4.tokenizer, tmp_path)(tokens_BT).logits, rtol=0, atol=1e-4
    )


@torch.inference_mode()
def test_a_position_does_not_see_what_comes_after_it(model: GPT):
    seen, other = encode("<hello>olleh#"), encode("<hello>ollzzz")
    torch.testing.assert_close(model(seen)[:, :10], model(other)[:, :10])
    assert not torch.allclose(model(seen)[:, 10:], model(other)[:, 10:], atol=1e-2)


@torch.inference_mode()
def test_pads_on_the_right_leave_the_logits_of_real_positions_unchanged(exact: GPT):
    alone = encode("<hello>olleh#")
    pads = torch.full((1, 9), REVERSE.tokenizer.pad_id)
    torch.testing.assert_close(exact(torch.cat([alone, pads], 1))[:, :13], exact(alone), rtol=0, atol=1e-10)


@torch.inference_mode()
def test_pads_on_the_left_hidden_and_not_counted_leave_them_unchanged_too(exact: GPT):
    alone, pads = encode("<hello>olleh#"), 9
    tokens_BT = torch.cat([torch.full((1, pads), REVERSE.tokenizer.pad_id), alone], 1)
    T = tokens_BT.shape[1]
    positions_BT = (torch.arange(T) - pads).clamp(min=0)[None]
    real_T = torch.arange(T) >= pads
    visible_B1TS = (torch.ones(T, T, dtype=torch.bool).tril() & real_T | torch.eye(T, dtype=torch.bool))[None, None]
    padded = exact(tokens_BT, positions_BT=positions_BT, visible_B1TS=visible_B1TS)
    torch.testing.assert_close(padded[:, pads:], exact(alone), rtol=0, atol=1e-10)


@torch.inference_mode()
def test_pads_on_the_left_that_are_seen_or_counted_do_change_them(exact: GPT):
    alone, pads = encode("<hello>olleh#"), 9
    tokens_BT = torch.cat([torch.full((1, pads), REVERSE.tokenizer.pad_id), alone], 1)
    assert not torch.allclose(exact(tokens_BT)[:, pads:], exact(alone), atol=1e-2)


def test_a_sequence_longer_than_the_context_is_a_programming_error(random_model: Random):
    with pytest.raises(AssertionError, match="33, 32"):
        random_model(REVERSE.model)(torch.zeros(1, 33, dtype=torch.int64))


def initial(seed: int) -> dict[str, Tensor]:
    return dict(GPT(REVERSE.model, torch.Generator().manual_seed(seed)).named_parameters())


def test_a_seed_fixes_the_initial_weights_whatever_torchs_global_state():
    torch.manual_seed(1)
    first = initial(0)
    torch.manual_seed(2)
    assert all(torch.equal(first[name], parameter) for name, parameter in initial(0).items())


def test_another_seed_gives_other_initial_weights():
    drawn = [name for name in initial(0) if not ("norm" in name or name.endswith("bias"))]
    assert drawn
    assert not any(torch.equal(initial(0)[name], initial(1)[name]) for name in drawn)


def test_weights_are_drawn_as_gpt2_draws_them():
    spread = {name: parameter.std().item() for name, parameter in initial(0).items() if parameter.dim() == 2}
    residual = 0.02 / (2 * REVERSE.model.layers) ** 0.5
    for name, std in spread.items():
        expected = residual if name.endswith(("out.weight", "contract.weight")) else 0.02
        assert std == pytest.approx(expected, rel=0.05), name
    for name, parameter in initial(0).items():
        if parameter.dim() == 1:
            assert (parameter == float("norm" in name and name.endswith("weight"))).all(), name


def test_the_head_is_the_token_embedding_and_counted_once():
    model = GPT(REVERSE.model)
    assert model.head.weight is model.token_embedding.weight
    V, C, D = REVERSE.model.vocab_size, REVERSE.model.context_length, REVERSE.model.width
    per_block = 12 * D * D + 13 * D  # GPT-2: 4 D*D for attention, 8 D*D for the mlp; 9 D of biases, 4 D of norms
    assert model.config.parameter_count() == V * D + C * D + REVERSE.model.layers * per_block + 2 * D
