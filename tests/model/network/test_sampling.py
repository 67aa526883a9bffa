"""model/network/sampling.py: samples come from the model's own distribution."""

from collections.abc import Callable

import pytest
import torch

from model.errors import OutOfRange
from model.network.gpt import GPT, GPTConfig
from model.network.sampling import sample

CONFIG = GPTConfig(8, 16, 2, 2, 16)
PROMPT = (1, 2, 3)
STOP = 7


@pytest.fixture
def model(random_model: Callable[[GPTConfig], GPT]) -> GPT:
    return random_model(CONFIG)


def test_shares_of_first_tokens_are_their_probabilities(model: GPT):
    rows = sample(model, PROMPT, stop_id=STOP, samples=20_000, tokens=1, seed=0)
    with torch.inference_mode():
        probabilities = model(torch.tensor([PROMPT]))[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor([row[0] for row in rows]), minlength=8) / len(rows)
    assert torch.allclose(counts, probabilities, atol=0.015)


def test_shares_of_second_tokens_follow_the_first(model: GPT):
    rows = [row for row in sample(model, PROMPT, stop_id=STOP, samples=20_000, tokens=2, seed=1) if len(row) == 2]
    first = max(set(rows), key=rows.count)[0]
    seconds = [row[1] for row in rows if row[0] == first]
    with torch.inference_mode():
        probabilities = model(torch.tensor([[*PROMPT, first]]))[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor(seconds), minlength=8) / len(seconds)
    assert torch.allclose(counts, probabilities, atol=0.04)


def test_a_seed_gives_the_same_samples_and_a_stop_ends_one(model: GPT):
    rows = sample(model, PROMPT, stop_id=STOP, samples=500, tokens=6, seed=3)
    assert rows == sample(model, PROMPT, stop_id=STOP, samples=500, tokens=6, seed=3)
    assert rows != sample(model, PROMPT, stop_id=STOP, samples=500, tokens=6, seed=4)
    assert all(STOP not in row[:-1] for row in rows)
    assert any(row[-1] == STOP and len(row) < 6 for row in rows)
    assert all(len(row) == 6 for row in rows if row[-1] != STOP)


def test_what_does_not_fit_the_context_is_refused(model: GPT):
    assert len(sample(model, PROMPT, stop_id=STOP, samples=2, tokens=13, seed=0)) == 2
    with pytest.raises(OutOfRange, match="room for 13"):
        sample(model, PROMPT, stop_id=STOP, samples=2, tokens=14, seed=0)
