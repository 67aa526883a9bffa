"""/api/v1/recipes: limits, and each run step by step."""

import httpx
import pytest

from model.experiments.shipped import SHIPPED_RUNS
from model.masks.policies import MASK_POLICIES
from model.training.recipes import ALL_RECIPES, RECIPES

pytestmark = pytest.mark.anyio


async def test_recipes_name_their_vocabulary_and_limits(client: httpx.AsyncClient) -> None:
    recipes = (await client.get("/api/v1/recipes")).json()["recipes"]
    assert [recipe["slug"] for recipe in recipes] == list(ALL_RECIPES)
    reverse, reverse4, dialogue, *_ = recipes
    assert "".join(reverse4["vocabulary"]) == "abcdefghijklmnopqrstuvwxyz<>#"
    assert reverse["vocabulary"] == [*reverse4["vocabulary"], "[pad]"]
    assert reverse["limits"] == {"prompt_min_length": 1, "prompt_max_length": 10, "context_length": 32}
    assert reverse4["limits"] == {"prompt_min_length": 4, "prompt_max_length": 4, "context_length": 16}
    assert "".join(dialogue["vocabulary"][:30]) == "abcdefghijklmnopqrstuvwxyz1<>#"


async def test_recipes_measure_each_run_step_by_step_with_intervals(client: httpx.AsyncClient) -> None:
    for recipe in (await client.get("/api/v1/recipes")).json()["recipes"]:
        shipped = {policy for slug, policy in SHIPPED_RUNS if slug == recipe["slug"]}
        policies = [run["policy"] for run in recipe["runs"]]
        assert policies == [policy for policy in MASK_POLICIES if policy in shipped]
        for run in recipe["runs"]:
            steps = [measured["step"] for measured in run["metrics"]]
            assert steps == sorted(set(steps))
            assert (steps[0], steps[-1]) == (0, run["steps"])
            words = ALL_RECIPES[recipe["slug"]].training.evaluation_words
            for measured in run["metrics"]:
                for name in ("exact_match", "token_accuracy", "stop_rate"):
                    rate = measured[name]
                    low, value, high = rate["low"], rate["value"], rate["high"]
                    assert 0 <= low <= value + 1e-12 <= high + 2e-12 <= 1 + 2e-12, (name, rate)
                    assert rate["n"] == words


async def test_one_recipe_has_its_losses_by_segment_and_all_seeds_besides(client: httpx.AsyncClient) -> None:
    for told in (await client.get("/api/v1/recipes")).json()["recipes"]:
        recipe = (await client.get(f"/api/v1/recipes/{told['slug']}")).json()
        runs, seeds = recipe.pop("runs"), recipe.pop("seeds")
        losses = [measured.pop("loss") for run in runs for measured in run["metrics"]]
        assert {**recipe, "runs": runs} == told
        assert all(0 <= kind["low"] <= kind["value"] <= kind["high"] for loss in losses for kind in loss.values())
        assert all(set(loss) >= {"user", "assistant", "template"} for loss in losses)
        assert [at["step"] for at in seeds] in ([], [measured["step"] for measured in runs[0]["metrics"]])
        assert bool(seeds) == (told["slug"] in RECIPES)


async def test_a_recipe_that_nobody_knows_is_told_as_such(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/recipes/nope")
    assert response.status_code == 404
    assert response.json()["error"]["param"] == "recipe"


async def test_every_step_said_to_be_kept_can_be_asked_for_and_no_other(client: httpx.AsyncClient) -> None:
    for recipe in (await client.get("/api/v1/recipes")).json()["recipes"]:
        word = ALL_RECIPES[recipe["slug"]].task.example
        for run in recipe["runs"]:
            for measured in run["metrics"]:
                body = {"recipe": recipe["slug"], "policy": run["policy"], "prompt": word, "step": measured["step"]}
                response = await client.post("/api/v1/generate", json=body | {"max_new_tokens": 1})
                assert response.status_code == (200 if measured["kept"] else 422), (body, response.text)
