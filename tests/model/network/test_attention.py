"""model/network/attention.py: the weights are those that the model itself mixes values by."""

import pytest
import torch

from model.masks.batches import make_batch
from model.masks.policies import MASK_POLICIES
from model.network.attention import attention_weights
from model.network.gpt import GPT
from model.text.chat_template import render
from model.training.loop import initial_model
from model.training.recipes import ALL_RECIPES

RECIPE = ALL_RECIPES["reverse"]
POLICIES = ["prompt-masked", "left-pad", "left-pad-no-positions", "left-pad-seen", "left-pad-unmasked", "packed"]


@pytest.fixture(scope="module")
def model() -> GPT:
    torch.manual_seed(0)
    model = initial_model(RECIPE, 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.double().eval()


def batch_of(policy: str):
    conversations = [render(RECIPE.task.conversation(word), RECIPE.tokenizer) for word in ("hello", "ab", "cat")]
    return make_batch(conversations, MASK_POLICIES[policy], RECIPE.tokenizer, row_tokens=33)


@pytest.mark.parametrize("policy", POLICIES)
def test_each_position_spends_all_of_its_attention_on_what_it_sees(model: GPT, policy: str):
    batch = batch_of(policy)
    weights = attention_weights(model, batch)
    B, T = batch.inputs_BT.shape
    assert weights.shape == (B, RECIPE.model.layers, RECIPE.model.heads, T, T)
    visible = batch.visible_BTS()
    seen = torch.ones(T, T).tril().bool().expand(B, T, T) if visible is None else visible
    assert torch.allclose(weights.sum(-1), torch.ones(1, dtype=torch.double))
    assert float(weights.masked_select(~seen[:, None, None]).abs().sum()) == 0


def _keep(given: list[torch.Tensor], wanted: list[torch.Tensor], x_BTD: torch.Tensor, out_BTD: torch.Tensor) -> None:
    given.append(x_BTD)
    wanted.append(out_BTD)


@torch.no_grad()
@pytest.mark.parametrize("policy", POLICIES)
def test_the_values_mixed_by_them_are_what_the_model_s_attention_gives(model: GPT, policy: str):
    batch = batch_of(policy)
    given: list[torch.Tensor] = []
    wanted: list[torch.Tensor] = []
    hooks = []
    for block in model.all_blocks():
        hooks.append(block.attention.register_forward_hook(lambda _, args, out: _keep(given, wanted, args[0], out)))
    visible = batch.visible_BTS()
    model(batch.inputs_BT, positions_BT=batch.positions_BT, visible_B1TS=None if visible is None else visible[:, None])
    for hook in hooks:
        hook.remove()
    weights = attention_weights(model, batch).clone()
    for layer, block in enumerate(model.all_blocks()):
        x_BTD, attention = given[layer], block.attention
        B, T, D = x_BTD.shape
        v = attention.qkv(x_BTD)[..., 2 * D :].view(B, T, attention.heads, D // attention.heads).transpose(1, 2)
        mixed = attention.out((weights[:, layer] @ v).transpose(1, 2).reshape(B, T, D))
        assert torch.allclose(mixed, wanted[layer], atol=1e-12)
