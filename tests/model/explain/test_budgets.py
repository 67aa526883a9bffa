"""model/explain/budgets.py: shares of what is trained, counted from the batches that training reads."""

from pathlib import Path

import pytest

from model.explain.budgets import (
    LESSON_LENGTHS,
    PRACTICE,
    LengthBudget,
    policy_budgets,
    prompt_per_response,
    recipe_budget,
    segment_budgets,
    turn_budgets,
)
from model.explain.cells import inspect_mask
from model.intervals import MeanLoss
from model.masks.policies import MASK_POLICIES
from model.text.chat_template import Rendered, render
from model.training.checkpoints import read_run
from model.training.loop import training_conversations
from model.training.recipes import ALL_RECIPES, MASK_RECIPES


def conversation(recipe: str, prompt: str) -> Rendered:
    return render(ALL_RECIPES[recipe].task.conversation(prompt), ALL_RECIPES[recipe].tokenizer)


def shares(recipe: str, *prompts: str) -> dict[str, tuple[int, int]]:
    conversations = [conversation(recipe, prompt) for prompt in prompts]
    budgets = policy_budgets(ALL_RECIPES[recipe], conversations)
    return {slug: (budget.supervised, budget.positions) for slug, budget in budgets.items()}


def test_the_lesson_s_words_train_half_of_their_positions():
    assert shares("reverse", "hello")["prompt-masked"] == (6, 12)
    assert shares("reverse4", "abcd")["prompt-masked"] == (5, 10)


def test_every_policy_is_counted_by_hand_on_a_word():
    counted = shares("reverse", "hello")
    assert {slug: counted[slug][0] for slug in ("unmasked", "mask-late", "mask-early", "eos-masked", "all-masked")} == {
        "unmasked": 12,
        "mask-late": 5,
        "mask-early": 7,
        "eos-masked": 5,
        "all-masked": 0,
    }
    assert set(counted) == set(MASK_POLICIES)


def test_without_a_pad_token_only_even_rows_are_counted():
    assert set(shares("reverse4", "abcd", "efgh")) == {
        slug for slug, policy in MASK_POLICIES.items() if policy.packing == "none"
    }


@pytest.mark.parametrize("slug", MASK_RECIPES)
def test_the_toys_are_trained_on_half_of_a_batch_and_a_bit(slug: str):
    recipe = ALL_RECIPES[slug]
    budgets = policy_budgets(recipe, training_conversations(recipe, 0))
    assert 0.4 < budgets["prompt-masked"].share < 0.6
    assert budgets["unmasked"].share == 1
    assert budgets["all-masked"].ignored == 1


def test_each_answer_s_weight_is_its_part_of_the_mean():
    recipe = ALL_RECIPES["dialogue"]
    every, last = (
        turn_budgets(inspect_mask(recipe, [conversation("dialogue", "abc de 1")], MASK_POLICIES[policy]))
        for policy in ("prompt-masked", "last-turn-only")
    )
    assert [(turn.text, turn.positions, turn.supervised) for turn in every] == [
        ("cba#", 4, 4),
        ("ed#", 3, 3),
        ("cba#", 4, 4),
    ]
    assert [turn.weight for turn in every] == pytest.approx([4 / 11, 3 / 11, 4 / 11])
    assert [(turn.supervised, turn.weight) for turn in last] == [(0, 0), (0, 0), (4, pytest.approx(1))]


def test_the_loss_is_split_by_what_each_segment_s_tokens_cost():
    losses = {
        kind: MeanLoss(value, 10, value, value)
        for kind, value in (("user", 3.0), ("assistant", 0.5), ("template", 0.0))
    }
    budgets = {b.kind: b for b in segment_budgets([conversation("reverse", "hello")], losses)}  # type: ignore[arg-type]
    assert {kind: b.tokens for kind, b in budgets.items()} == {"user": 5, "assistant": 6, "template": 1}
    assert budgets["user"].loss_share == pytest.approx(15 / 18)
    assert budgets["assistant"].loss_share == pytest.approx(3 / 18)
    assert sum(b.token_share for b in budgets.values()) == pytest.approx(1)


def test_a_recipe_s_budget_is_that_of_its_first_batch_and_of_the_last_step_s_losses():
    recipe = ALL_RECIPES["dialogue"]
    run = read_run(Path(__file__).resolve().parents[3] / "model" / "trained" / "dialogue" / "unmasked")
    budget, conversations = recipe_budget(recipe, run), training_conversations(recipe, 0)
    assert (budget.conversations, budget.steps) == (recipe.training.batch_size, recipe.training.steps)
    assert budget.policies == policy_budgets(recipe, conversations)
    assert budget.segments == segment_budgets(conversations, run.metrics_at(run.steps).loss)


def test_lengths_are_counted_as_the_mask_lays_them_out():
    """`<abcd>dcba#`: 6 and 5 tokens; `<ab>ba#<cd>dc#`: 4 and 3, twice."""
    for recipe, prompt, lengths in (
        ("reverse4", "abcd", LengthBudget(6, 5)),
        ("reverse", "hello", LengthBudget(7, 6)),
        ("dialogue", "ab cd", LengthBudget(4, 3, turns=2)),
        ("dialogue", "abc abc abc", LengthBudget(5, 4, turns=3)),
    ):
        assert shares(recipe, prompt)["prompt-masked"] == (lengths.supervised, lengths.positions)
    many = shares("reverse4", "abcd", "efgh", "ijkl")["prompt-masked"]
    budget = LengthBudget(6, 5, batch=3)
    assert many == (budget.batch * budget.supervised, budget.batch * budget.positions)


def test_the_lesson_s_chat_trains_a_fifth_and_a_bit():
    assert (LESSON_LENGTHS.supervised, LESSON_LENGTHS.positions) == (50, 249)
    assert 0.2 < LESSON_LENGTHS.share < 0.201
    assert LESSON_LENGTHS.share + LESSON_LENGTHS.ignored == 1


def test_what_is_called_typical_is_a_matter_of_length():
    assert [prompt_per_response(ignored) for ignored in PRACTICE] == pytest.approx([1.5, 9])
    for ignored in PRACTICE:
        response = 1000
        prompt = 1 + round(response * prompt_per_response(ignored))
        assert LengthBudget(prompt, response).ignored == pytest.approx(ignored)
