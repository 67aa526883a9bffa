"""model/network/sampling.py: samples come from the model's own distribution, and scores are its log probabilities."""

import math
from collections.abc import Callable

import pytest
import torch

from model.errors import OutOfRange
from model.network.config import GPTConfig
from model.network.generation import generate
from model.network.gpt import GPT
from model.network.sampling import draw, sample, score

CONFIG = GPTConfig(8, 16, 2, 2, 16)
PROMPT = (1, 2, 3)
STOP = 7


@pytest.fixture
def model(random_model: Callable[[GPTConfig], GPT]) -> GPT:
    return random_model(CONFIG)


def sample_one(model: GPT, **how: int) -> list[tuple[int, ...]]:
    (rows,) = sample(model, [PROMPT], stop_id=STOP, **how)
    return rows


def test_shares_of_first_tokens_are_their_probabilities(model: GPT):
    rows = sample_one(model, samples=20_000, tokens=1, seed=0)
    with torch.inference_mode():
        probabilities = model(torch.tensor([PROMPT]))[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor([row[0] for row in rows]), minlength=8) / len(rows)
    assert torch.allclose(counts, probabilities, atol=0.015)


def test_shares_of_second_tokens_follow_the_first(model: GPT):
    rows = [row for row in sample_one(model, samples=20_000, tokens=2, seed=1) if len(row) == 2]
    first = max(set(rows), key=rows.count)[0]
    seconds = [row[1] for row in rows if row[0] == first]
    with torch.inference_mode():
        probabilities = model(torch.tensor([[*PROMPT, first]]))[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor(seconds), minlength=8) / len(seconds)
    assert torch.allclose(counts, probabilities, atol=0.04)


def test_a_seed_gives_the_same_samples_and_a_stop_ends_one(model: GPT):
    rows = sample_one(model, samples=500, tokens=6, seed=3)
    assert rows == sample_one(model, samples=500, tokens=6, seed=3)
    assert rows != sample_one(model, samples=500, tokens=6, seed=4)
    assert all(STOP not in row[:-1] for row in rows)
    assert any(row[-1] == STOP and len(row) < 6 for row in rows)
    assert all(len(row) == 6 for row in rows if row[-1] != STOP)


def test_samples_are_those_of_rows_decoded_singly_each_with_its_seed(model: GPT):
    """Beside other prompts, shorter and longer, and with rows of equal text decoded as one."""
    prompts = (PROMPT, (4,), (5, 6, 0, 1, 2))
    together = sample(model, prompts, stop_id=STOP, samples=100, tokens=8, seed=6)
    for prompt, drawn in zip(prompts, together, strict=True):
        generator = torch.Generator().manual_seed(6)
        rows = torch.tensor([prompt] * 100)
        for _ in range(8):
            with torch.inference_mode():
                chances = model(rows)[:, -1].softmax(-1)
            rows = torch.cat([rows, torch.multinomial(chances, 1, generator=generator)], 1)
        texts = [tuple(row[len(prompt) :]) for row in rows.tolist()]
        assert drawn == [text[: text.index(STOP) + 1] if STOP in text else text for text in texts]


def test_what_does_not_fit_the_context_is_refused(model: GPT):
    assert len(sample_one(model, samples=2, tokens=13, seed=0)) == 2
    with pytest.raises(OutOfRange, match="room for 13"):
        sample_one(model, samples=2, tokens=14, seed=0)


def test_a_text_s_scores_are_what_the_model_gives_its_tokens(model: GPT):
    text = (1, 2, 3, 4, 5, 6, 7, 0)
    first, *others = score(model, text, top=3)
    with torch.inference_mode():
        logs = model(torch.tensor([text]))[0].log_softmax(-1)
    assert (first.token_id, first.log_probability, first.top) == (1, None, ())
    for place, token in enumerate(others):
        assert token.token_id == text[place + 1]
        assert token.log_probability == pytest.approx(float(logs[place, token.token_id]), abs=1e-5)
        best = logs[place].topk(3)
        assert [i for i, _ in token.top] == best.indices.tolist()
        assert [value for _, value in token.top] == pytest.approx(best.values.tolist(), abs=1e-5)


def test_at_temperature_0_every_row_is_the_greedy_text(model: GPT):
    (greedy,) = generate(model, [PROMPT], stop_id=-1)
    drawn = list(draw(model, PROMPT, rows=3, tokens=len(greedy.token_ids), temperature=0, seed=0))
    for row in range(3):
        assert tuple(step[row].token_id for step in drawn) == greedy.token_ids
        assert [step[row].log_probability for step in drawn] == pytest.approx(
            [math.log(p) for p in greedy.probabilities], abs=1e-4
        )


def test_drawn_tokens_are_scored_without_the_temperature(model: GPT):
    for temperature in (0.01, 0.5, 2.0):
        steps = list(draw(model, PROMPT, rows=4, tokens=5, temperature=temperature, seed=5, top=2))
        for row in range(4):
            text = (*PROMPT, *(step[row].token_id for step in steps))
            for step, scored in zip(steps, score(model, text, top=2)[len(PROMPT) :], strict=True):
                assert step[row].log_probability == pytest.approx(scored.log_probability, abs=1e-4)
                assert [i for i, _ in step[row].top] == [i for i, _ in scored.top]
