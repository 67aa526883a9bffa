"""One token at a time over a cache is the whole sequence at once. In float64, where equal means the same formula."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.network.config import GPTConfig
from model.network.decoder import Decoder
from model.network.gpt import GPT
from model.training.recipes import RECIPES

REVERSE = RECIPES["reverse"]
EXACT = {"rtol": 0, "atol": 1e-10}
T = 20


@pytest.fixture(params=["1 layer, 1 head", "2 layers, 4 heads", "3 layers", "trained"])
def model(request: pytest.FixtureRequest, random_model: Callable[..., GPT], trained_model: Callable[..., GPT]) -> GPT:
    V = REVERSE.tokenizer.vocab_size
    models: dict[str, Callable[[], GPT]] = {
        "1 layer, 1 head": lambda: random_model(GPTConfig(V, 32, 1, 1, 8)),
        "2 layers, 4 heads": lambda: random_model(REVERSE.model),
        "3 layers": lambda: random_model(GPTConfig(V, 32, 3, 2, 24)),
        "trained": lambda: trained_model("reverse", "prompt-masked", 3000),
    }
    return deepcopy(models[request.param]()).double()


@pytest.fixture(params=[1, 2, 3, 40])
def tokens_BT(request: pytest.FixtureRequest) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(REVERSE.tokenizer.vocab_size, (request.param, T), generator=generator)


def read(decoder: Decoder, tokens_BT: Tensor, real_BT: Tensor | None = None) -> Tensor:
    return torch.from_numpy(decoder.read(tokens_BT.numpy(), None if real_BT is None else real_BT.numpy()))


def step(decoder: Decoder, tokens_B: Tensor, positions_B: Tensor | int) -> Tensor:
    positions = positions_B if isinstance(positions_B, int) else positions_B.numpy()
    return torch.from_numpy(decoder.step(tokens_B.numpy(), positions))


@torch.inference_mode()
@pytest.mark.parametrize("prompt_columns", [1, 7, T - 1])
def test_step_by_step_gives_the_logits_of_the_whole_sequence(model: GPT, tokens_BT: Tensor, prompt_columns: int):
    whole_BTV = model(tokens_BT)
    decoder = Decoder(model, len(tokens_BT), T)
    prompt_BV = read(decoder, tokens_BT[:, :prompt_columns])
    torch.testing.assert_close(prompt_BV, whole_BTV[:, prompt_columns - 1], **EXACT)
    for t in range(prompt_columns, T):
        torch.testing.assert_close(step(decoder, tokens_BT[:, t], t), whole_BTV[:, t], **EXACT)


@torch.inference_mode()
def test_rows_padded_on_the_left_step_as_rows_that_are_not(model: GPT, tokens_BT: Tensor):
    """Row b has b mod 6 pads, hidden and not counted."""
    B, prompt_columns, columns = len(tokens_BT), 8, 8 + 10
    pads_B = torch.arange(B) % 6
    padded_BC = torch.stack([F.pad(row, (int(n), 0))[:columns] for row, n in zip(tokens_BT, pads_B, strict=True)])
    positions_BC = torch.arange(columns) - pads_B[:, None]
    whole_BTV = model(tokens_BT)
    decoder = Decoder(model, B, columns)
    logits_BV = read(decoder, padded_BC[:, :prompt_columns], positions_BC[:, :prompt_columns] >= 0)
    torch.testing.assert_close(logits_BV, whole_BTV[torch.arange(B), prompt_columns - 1 - pads_B], **EXACT)
    for column in range(prompt_columns, columns):
        logits_BV = step(decoder, padded_BC[:, column], positions_BC[:, column])
        torch.testing.assert_close(logits_BV, whole_BTV[torch.arange(B), column - pads_B], **EXACT)


@torch.inference_mode()
@pytest.mark.parametrize("times", [1, 5])
def test_kept_rows_go_on_each_its_own_way(model: GPT, tokens_BT: Tensor, times: int):
    """The second half, the last row first, each so many times; row b has b mod 3 pads."""
    B = len(tokens_BT)
    pads_B = torch.arange(B) % 3
    padded_BT = torch.stack([F.pad(row, (int(n), 0))[:8] for row, n in zip(tokens_BT, pads_B, strict=True)])
    decoder = Decoder(model, B, T)
    read(decoder, padded_BT, torch.arange(8) >= pads_B[:, None])
    rows_K = torch.arange(B // 2, B).flip(0).repeat(times)
    decoder.keep(rows_K.numpy())
    pads_K = pads_B[rows_K]
    ways_KT = torch.stack([tokens_BT.flatten().roll(k)[:T] for k in range(len(rows_K))])
    for k, (row, pads) in enumerate(zip(rows_K.tolist(), pads_K.tolist(), strict=True)):
        ways_KT[k, : 8 - pads] = tokens_BT[row, : 8 - pads]
    whole_KTV = model(ways_KT)
    for column in range(8, T):
        places_K = (column - pads_K)[:, None]
        logits_KV = step(decoder, ways_KT.gather(1, places_K)[:, 0], places_K[:, 0])
        torch.testing.assert_close(logits_KV, whole_KTV[torch.arange(len(rows_K)), places_K[:, 0]], **EXACT)


def test_decoding_changes_no_weight(model: GPT, tokens_BT: Tensor):
    before = [parameter.clone() for parameter in model.parameters()]
    decoder = Decoder(model, len(tokens_BT), T)
    read(decoder, tokens_BT[:, :7])
    for t in range(7, T):
        step(decoder, tokens_BT[:, t], t)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
