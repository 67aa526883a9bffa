"""The numbers in the tour's texts: the sentences as they read, and some of them computed by other means."""

import json
from copy import deepcopy
from pathlib import Path

import httpx
import pytest
import torch
from fastapi import FastAPI
from torch.nn.functional import cross_entropy, softmax

from app.settings import Settings
from app.tours.facts import Models, read_facts
from app.tours.steps import RECIPE, STOP_IGNORED, TOUR
from model.network.gpt import GPT
from model.training.recipes import ALL_RECIPES

pytestmark = pytest.mark.anyio

TOKENIZER = ALL_RECIPES[RECIPE].tokenizer
TEXT = "<live>evil#"
QUESTION = 5
"""Positions whose target lies in the question."""


@pytest.fixture(scope="module")
def models(app: FastAPI) -> Models:
    return Models(app.state.catalog, app.state.ablation, app.state.openings()[RECIPE].step)


def network(models: Models, policy: str, step: int) -> GPT:
    return models.catalog.model(models.recipe, policy, step)[0]


def ids() -> torch.Tensor:
    return torch.tensor([[TOKENIZER.tokens.index(token) for token in TEXT]])


def chances(model: GPT) -> list[tuple[str, float]]:
    """The likeliest next token of each position, straight from the logits."""
    with torch.no_grad():
        best = softmax(model(ids()[:, :-1])[0], dim=-1).max(dim=-1)
    return [(TOKENIZER.tokens[i], p) for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]


def told(number: int, models: Models) -> str:
    return " ".join(TOUR[number - 1].told).format_map(read_facts(number, models)).replace("\N{NO-BREAK SPACE}", " ")


async def test_the_steps_are_where_all_seeds_agree_where_the_answer_comes_and_the_end(models: Models) -> None:
    assert (models.early, models.first, models.end) == (325, 375, 1000)


async def test_the_first_step_counts(models: Models) -> None:
    facts = read_facts(1, models)
    targets = TEXT[1:]
    assert facts["count"] == "ten" == {10: "ten"}[len(targets)]
    assert (facts["asked"], facts["answered"], facts["Letters"]) == ("five", "five", "Four")
    assert told(1, models).startswith("Five.")


async def test_the_second_step_s_guesses_are_no_better_than_chance(models: Models) -> None:
    said = told(2, models)
    for step, verb in ((325, "It gives its best guess"), (1000, "at step 1,000 it is")):
        guesses = [p for _, p in chances(network(models, "unmasked", step))]
        low, high = min(guesses[:4]), max(guesses[:4])
        assert f"{verb} {100 * low:.0f} to {100 * high:.0f} %" in said
        assert 1 / 26 < high < 2 / 26
    token, chance = chances(network(models, "unmasked", 325))[QUESTION - 1]
    assert (token, f"the model is {100 * chance:.0f} % sure of it" in said) == (">", True)


async def test_the_third_step_s_gradient_is_that_of_the_answer_s_loss_by_the_letters_read(models: Models) -> None:
    model = deepcopy(network(models, "prompt-masked", 325)).requires_grad_()
    read: list[torch.Tensor] = []

    def keep(_: object, __: object, output: torch.Tensor) -> None:
        output.retain_grad()
        read.append(output)

    model.token_embedding.register_forward_hook(keep)
    with torch.enable_grad():
        logits = model(ids()[:, :-1])[0]
        torch.autograd.backward(cross_entropy(logits[QUESTION:], ids()[0, 1 + QUESTION :]))
    assert read[0].grad is not None
    pulls = read[0].grad.norm(dim=-1).flatten().tolist()
    strongest = max(range(QUESTION), key=lambda t: pulls[t])
    assert max(pulls[QUESTION:]) < pulls[strongest]
    assert f"On the question's `{TEXT[strongest]}` it is {pulls[strongest]:.2f}, more than" in told(3, models)
    assert f"where {max(pulls[QUESTION:]):.2f} is the most" in told(3, models)
    assert read_facts(3, models)["nothing"] == "0"


async def test_the_fourth_step_s_model_is_sure_and_wrong(models: Models) -> None:
    on, off = (chances(network(models, policy, 325)) for policy in ("prompt-masked", "unmasked"))
    targets = TEXT[1:]
    surest = max(range(QUESTION), key=lambda t: on[t][1])
    token, chance = on[surest]
    facts, said = read_facts(4, models), told(4, models)
    assert facts["surest_after"] == TEXT[: surest + 1] == "<liv"
    assert token != targets[surest] == facts["surest_right"]
    assert said.startswith(f"`{token}`, the stop, with {100 * chance:.0f} %")
    letters = [p for _, p in on[QUESTION:-1]]
    assert f"{100 * min(letters):.0f} to {100 * max(letters):.0f} % sure of each letter" in said
    assert [token for token, _ in on[QUESTION:]] == list(targets[QUESTION:])
    assert "right five times out of five" in said
    assert sum(token != target for (token, _), target in zip(off, targets, strict=True) if target in "evil#") >= 2
    assert "The mask-off model gets two wrong" in said


async def test_the_fifth_step_s_answers_are_those_of_the_api_and_its_seeds_those_that_ship(
    client: httpx.AsyncClient, models: Models
) -> None:
    async def answer(policy: str, step: int) -> str:
        body = {"recipe": RECIPE, "policy": policy, "prompt": "live", "step": step}
        return str((await client.post("/api/v1/generate", json=body)).json()["completion"])

    facts, said = read_facts(5, models), told(5, models)
    assert facts["on_writes"] == await answer("prompt-masked", 325) == "evil#"
    assert facts["off_writes"] == await answer("unmasked", 325) != "evil#"
    assert said.startswith(f"At 350 it writes `{await answer('unmasked', 350)}`, at 375 `evil#`.")
    assert await answer("unmasked", 375) == "evil#"
    ablation = models.ablation.findings.ablation
    setting = models.ablation.comparison(RECIPE).setting
    at = list(setting.evaluated_steps()).index(325)
    on, off = ([ablation.run(setting, p, s).exact_match for s in ablation.seeds] for p in ("prompt-masked", "unmasked"))
    assert all(a[at] > b[at] for a, b in zip(on, off, strict=True))
    means = (f"{100 * sum(run[at] for run in runs) / 10:.1f} %" for runs in (on, off))
    assert "in all ten at step 325, with {} of 250 unseen words right against {}".format(*means) in said
    assert {run[-1] for run in (*on, *off)} == {1.0}
    assert "each of the twenty runs has 100 % right" in said


async def test_the_sixth_step_s_model_never_stops_and_its_loss_looks_fine(
    client: httpx.AsyncClient, models: Models
) -> None:
    body = {"recipe": RECIPE, "policy": STOP_IGNORED.slug, "prompt": "live"}
    answer = (await client.post("/api/v1/generate", json=body)).json()
    assert answer["finish_reason"] == "length"
    said = told(6, models)
    assert said.startswith(f"`{answer['completion']}`, cut off after {len(answer['tokens'])} characters.")
    rows = json.loads((Path(Settings().trained_folder) / "gallery.json").read_text())
    kept = {row["policy"]: row["symptoms"] for row in rows if row["recipe"] == RECIPE}
    assert kept[STOP_IGNORED.slug]["stops"]["value"] == 0.0
    assert f"on none of {kept[STOP_IGNORED.slug]['stops']['n']} unseen words" in said
    losses = [kept[policy]["own_loss"] for policy in (STOP_IGNORED.slug, "prompt-masked")]
    assert "looks fine: {:.3f} on these words, where the right mask shows {:.3f}".format(*losses) in said
