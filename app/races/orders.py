"""What a race may be: checked and within the limits before anything starts. In: choices. Out: a RaceOrder."""

from dataclasses import dataclass
from typing import Any

from model.errors import OutOfRange, outside
from model.masks.policies import COMPARED_POLICIES, find_policy
from model.text.tokenizer import ASSISTANT_START, END_OF_TURN, USER_START
from model.training.conversations import prompt_ids
from model.training.recipes import RECIPES, Recipe, Variation, find_recipe, vary

SEED_HIGH = 2**31 - 1
RACE_WORDS = 200
"""Held-out words of a measurement, so that measuring takes less time than training."""
MOST_MEASUREMENTS = 500
"""Of one policy: each is kept for followers to come."""


@dataclass(frozen=True)
class RaceOrder:
    """A race that can be run: checked, and within the limits."""

    recipe_slug: str
    recipe: Recipe
    """As varied."""
    variation: Variation
    policies: tuple[str, ...]
    seed: int
    prompt: str

    def settings(self) -> dict[str, Any]:
        """Everything that determines the result."""
        return {
            "recipe": self.recipe_slug,
            "policies": list(self.policies),
            "seed": self.seed,
            "prompt": self.prompt,
            **self.recipe.values(),
        }

    def describe(self) -> dict[str, Any]:
        """The settings, and what follows from them: what a race starts with."""
        return {
            "settings": self.settings(),
            "parameters": self.recipe.model.parameter_count(),
            "answer": self.recipe.task.answer(self.prompt) + END_OF_TURN,
            "prompt_text": USER_START + self.prompt + ASSISTANT_START,
        }


def order_race(
    recipe_slug: str, policies: tuple[str, ...], seed: int, prompt: str | None, variation: Variation, max_cost: float
) -> RaceOrder:
    """Check what was asked for, before anything starts.

    Raises:
        UnknownName, OutOfRange, InvalidText: names the field at fault; too costly a race is OutOfRange as well.
    """
    recipe = vary(find_recipe(recipe_slug, RECIPES.values()), variation)
    _check_policies(policies)
    if not 0 <= seed <= SEED_HIGH:
        raise outside("seed", f"0 to {SEED_HIGH}", seed, param="seed")
    training = recipe.training
    if training.steps > MOST_MEASUREMENTS * training.evaluate_every:
        least = -(-training.steps // MOST_MEASUREMENTS)
        allowed = f"{least} or more with {training.steps} steps"
        raise outside("evaluate_every", allowed, training.evaluate_every, param="evaluate_every")
    cost = recipe.cost() * len(policies)
    if cost > max_cost:
        raise OutOfRange(
            f"This race is too long for the server: it costs {cost:.2g} (parameters x tokens trained and measured on) "
            f"of {max_cost:.2g} at most. Take fewer steps, a smaller batch, a narrower model or fewer measurements",
            param="steps",
        )
    prompt = example_of(recipe) if prompt is None else prompt
    prompt_ids(recipe, prompt)
    return RaceOrder(recipe_slug, recipe, variation, policies, seed, prompt)


def _check_policies(policies: tuple[str, ...]) -> None:
    others = [find_policy(policy, param="policies").slug for policy in policies if policy not in COMPARED_POLICIES]
    if not policies or len(set(policies)) < len(policies) or len(others) > 1:
        compared = ", ".join(COMPARED_POLICIES)
        raise OutOfRange(f"Choose one or more of {compared}, and at most one other, each once", param="policies")


def example_of(recipe: Recipe) -> str:
    """The task's example as far as its lengths allow, else the first held-out word."""
    task = recipe.task
    return task.example if task.fits(task.example) else task.held_out_prompts(1)[0]
