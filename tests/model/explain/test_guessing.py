"""model/explain/guessing.py: what random words leave to guess, and how near a model comes to it."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from model.explain.guessing import measure_guessing, perfect_guesses, prompt_loss
from model.intervals import ratio_of_sums
from model.masks.batches import make_batch
from model.masks.policies import COMPARED_POLICIES, UNMASKED
from model.network.gpt import GPT
from model.network.loss import token_losses
from model.text.chat_template import render
from model.training.checkpoints import read_run
from model.training.evaluation import segment_masks
from model.training.recipes import RECIPES

TRAINED = Path(__file__).resolve().parents[3] / "model" / "trained"
both_runs = pytest.mark.parametrize("policy", COMPARED_POLICIES)
both_recipes = pytest.mark.parametrize("slug", RECIPES)


def test_of_words_of_one_length_only_the_letters_are_to_be_guessed() -> None:
    assert perfect_guesses(RECIPES["reverse4"]) == pytest.approx(4 * math.log(26) / 5)


def test_of_words_of_many_lengths_a_perfect_guess_is_made_token_by_token() -> None:
    recipe = RECIPES["reverse"]
    words = recipe.task.held_out_prompts(1000)
    # behind k letters, 1 <= k < 10, the word ends with a chance of 1 in 11 - k; it has 10 at most, and 1 at least
    costs = []
    for word in words:
        for k in range(len(word)):
            goes_on = (10 - k) / (11 - k) if k else 1.0
            costs.append(-math.log(goes_on / 26))
        costs.append(-math.log(1 / (11 - len(word))))
    assert perfect_guesses(recipe) == pytest.approx(sum(costs) / len(costs))


@both_recipes
def test_a_prompt_s_targets_are_its_letters_and_one_assistant_start(slug: str) -> None:
    recipe = RECIPES[slug]
    rendered = render(recipe.task.conversation(recipe.task.example), recipe.tokenizer)
    masks = segment_masks([rendered])
    targets = [recipe.tokenizer.tokens[i] for i in rendered.token_ids[1:]]
    named = {
        k: "".join(t for t, inside in zip(targets, m[0].tolist(), strict=True) if inside) for k, m in masks.items()
    }
    assert (named["user"], named["template"]) == (recipe.task.example, ">")


@pytest.mark.parametrize(("slug", "step"), [("reverse4", 1000), ("reverse", 3000)])
def test_the_loss_on_letters_and_ends_together_is_that_of_the_model_on_these_words(
    trained_model: Callable[..., GPT], slug: str, step: int
) -> None:
    recipe, run = RECIPES[slug], read_run(TRAINED / slug / "unmasked")
    words = recipe.task.held_out_prompts(recipe.training.evaluation_words)
    conversations = [render(recipe.task.conversation(word), recipe.tokenizer) for word in words]
    batch, masks = make_batch(conversations, UNMASKED, recipe.tokenizer), segment_masks(conversations)
    with torch.inference_mode():
        losses_BT = token_losses(trained_model(slug, "unmasked", step)(batch.inputs_BT), batch.targets_BT)
    asked_BT = masks["user"] | masks["template"]
    measured = ratio_of_sums((losses_BT * asked_BT).sum(1).numpy(), asked_BT.sum(1).numpy())
    told = prompt_loss(recipe, run.metrics_at(step))
    assert told.value == pytest.approx(measured.value, rel=1e-5)
    assert (told.n, asked_BT.sum().item()) == (measured.n, sum(len(word) + 1 for word in words))
    assert told.high >= measured.high - 1e-6
    assert told.low <= measured.low + 1e-6


@both_recipes
@both_runs
def test_at_no_step_is_the_loss_on_the_prompt_below_that_of_perfect_guesses(slug: str, policy: str) -> None:
    recipe, run = RECIPES[slug], read_run(TRAINED / slug / policy)
    losses = {m.step: prompt_loss(recipe, m.metrics).value for m in run.measurements}
    assert set(run.checkpoint_steps()) <= set(losses)
    assert {step: loss for step, loss in losses.items() if loss < perfect_guesses(recipe)} == {}


@both_recipes
def test_the_unmasked_model_ends_near_perfect_guesses_and_the_masked_one_far_from_them(slug: str) -> None:
    recipe = RECIPES[slug]
    masked, unmasked = (read_run(TRAINED / slug / policy) for policy in COMPARED_POLICIES)
    guessing = measure_guessing(recipe, masked, unmasked)
    assert (guessing.steps, guessing.perfect) == (recipe.training.steps, perfect_guesses(recipe))
    assert guessing.off == tuple(prompt_loss(recipe, unmasked.metrics_at(s)).value for s in (0, unmasked.steps))
    assert guessing.on == tuple(prompt_loss(recipe, masked.metrics_at(s)).value for s in (0, masked.steps))
    assert guessing.off[1] - guessing.perfect < 0.02
    assert guessing.on[1] > guessing.on[0]


def test_letters_alone_can_cost_less_than_with_a_share_of_the_length_and_never_less_than_ln_26() -> None:
    """Why the bound is of letters and ends together: a model that expects words to go on saves on letters."""
    recipe = RECIPES["reverse"]
    words = recipe.task.held_out_prompts(1000)
    goes_on = sum(-math.log((11 - len(word)) / 10) for word in words) / sum(map(len, words))
    alone = [m.metrics.loss["user"] for m in read_run(TRAINED / "reverse" / "unmasked").measurements]
    assert min(loss.value for loss in alone) < math.log(26) + goes_on - 0.03
    assert np.min([loss.value for loss in alone]) > math.log(26)
