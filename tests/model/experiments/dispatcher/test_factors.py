"""model/experiments/dispatcher/factors.py: the factors are the model's own, and their logarithms add up."""

import pytest
import torch

from model.errors import InvalidText
from model.experiments.dispatcher.factors import Factors, factors, mean_factors
from model.network.gpt import GPT
from model.training.conversations import render_prompt
from model.training.recipes import SUM_RECIPES

RECIPE = SUM_RECIPES["answers"]


def test_each_factor_is_the_product_of_its_tokens_probabilities(base: GPT):
    ids = render_prompt(RECIPE, "What is 7+8?").token_ids
    with torch.inference_mode():
        logs_TV = base(torch.tensor([ids]))[0].double().log_softmax(-1)
    logs = [float(logs_TV[t, token]) for t, token in enumerate(ids[1:])]
    found = factors(base, RECIPE, ["What is 7+8?"])
    assert found.request == pytest.approx(sum(logs[:12]), abs=1e-3)
    assert found.template == pytest.approx(logs[12], abs=1e-3)
    assert found.answer == pytest.approx(sum(logs[13:]), abs=1e-3)
    assert found.prompt == pytest.approx(sum(logs[:13]), abs=1e-3)
    assert found.both == pytest.approx(sum(logs), abs=1e-3)


def test_of_several_requests_the_mean_is_told_whatever_their_lengths(base: GPT):
    asked = ["What is 7+8?", "What is 1+1?"]
    alone = [factors(base, RECIPE, [request]) for request in asked]
    together, mean = factors(base, RECIPE, asked), mean_factors(alone)
    for part in ("request", "template", "answer", "prompt", "both"):
        assert getattr(together, part) == pytest.approx(getattr(mean, part), abs=1e-3)
    assert mean_factors([Factors(-1, -2, -3), Factors(-3, -4, -5)]) == Factors(-2, -3, -4)


def test_a_request_that_cannot_be_read_is_refused(base: GPT):
    with pytest.raises(InvalidText):
        factors(base, RECIPE, ["what#"])
