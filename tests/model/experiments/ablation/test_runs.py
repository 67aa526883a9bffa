"""model/experiments/ablation/runs.py.

A setting is all that its runs have in common; a file that is not whole is refused by name.
"""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import BrokenAblation, OutOfRange
from model.experiments.ablation.runs import (
    Ablation,
    Plan,
    mean_tokens,
    measured_run,
    read_ablation,
    setting_of,
    write_ablation,
)
from model.intervals import MeanLoss, wilson
from model.text.chat_template import render
from model.training.evaluation import Metrics
from model.training.recipes import RECIPES, Variation, vary

TINY = Variation(width=8, steps=40, evaluate_every=20, evaluation_words=10)


@pytest.fixture
def ablation(make_ablation: Callable[..., Ablation]) -> Ablation:
    arrivals = {"prompt-masked": [20, 40], "unmasked": [40, None]}
    return make_ablation(("reverse4", TINY, arrivals), ("reverse4", replace(TINY, width=16), arrivals))


# Settings


@pytest.mark.parametrize("slug", RECIPES)
def test_a_recipe_as_it_is_has_its_own_slug_and_gives_itself_back(slug: str) -> None:
    setting = setting_of(slug, Variation())
    assert setting.slug == slug
    recipe, varied = RECIPES[slug], setting.varied()
    assert (
        replace(varied, training=replace(varied.training, checkpoint_steps=recipe.training.checkpoint_steps)) == recipe
    )
    assert varied.training.steps == recipe.training.steps
    assert setting.parameters == RECIPES[slug].model.parameter_count()


def test_a_slug_names_what_differs_and_nothing_else() -> None:
    given = Variation(width=16, learning_rate=1e-3, answer_length=2, evaluate_every=5, evaluation_words=10)
    assert setting_of("reverse4", given).slug == "reverse4-ask2-width16-lr0.001"
    assert setting_of("reverse4", Variation(width=32, learning_rate=3e-4)).slug == "reverse4"


def test_a_setting_holds_every_value_of_a_variation() -> None:
    setting = setting_of("reverse", TINY)
    assert setting.variation() == replace(
        TINY, min_length=1, max_length=10, layers=2, learning_rate=1e-3, batch_size=64
    )
    assert {field.name for field in fields(Variation)} <= {field.name for field in fields(setting)}  # type: ignore[arg-type]
    assert setting_of("reverse", setting.variation()) == setting
    assert setting.decay_steps == 13


def test_evaluated_steps_are_those_at_which_training_evaluates() -> None:
    assert setting_of("reverse4", TINY).evaluated_steps() == (0, 20, 40)
    assert setting_of("reverse4", replace(TINY, steps=50)).evaluated_steps() == (0, 20, 40, 50)
    assert set(setting_of("reverse4", replace(TINY, steps=500)).evaluated_steps()) == set(range(0, 501, 20))


def test_what_cannot_be_trained_is_no_setting() -> None:
    with pytest.raises(OutOfRange, match="width must be 8 to 128, not 7"):
        setting_of("reverse4", Variation(width=7))


@pytest.mark.parametrize(
    ("variation", "prompt", "answer"),
    [
        (Variation(), 6, 5),  # <abcd> and dcba#
        (Variation(answer_length=1), 6, 2),  # <abcd> and d#
        (Variation(min_length=2, max_length=4), 5, 4),
        (Variation(min_length=2, max_length=4, answer_length=3), 5, (3 + 4 + 4) / 3),
    ],
)
def test_tokens_are_means_over_the_lengths_of_words(variation: Variation, prompt: float, answer: float) -> None:
    recipe = vary(RECIPES["reverse4"], variation)
    assert mean_tokens(recipe) == (prompt, answer)
    words = [word for word, _ in zip(recipe.task.prompts(0, held_out=False), range(2000), strict=False)]
    drawn = [render(recipe.task.conversation(word), recipe.tokenizer) for word in words]
    assert sum(len(c.token_ids) for c in drawn) / 2000 == pytest.approx(prompt + answer, rel=0.02)


# Runs


def test_a_measured_run_is_rounded_to_five_digits() -> None:
    loss = {kind: MeanLoss(1.23456789, 10, 1.0, 2.0) for kind in ("user", "assistant", "template")}
    metrics = Metrics(wilson(1 / 3, 3), wilson(1.0, 3), wilson(1.0, 3), loss)  # type: ignore[arg-type]
    run = measured_run(setting_of("reverse4", TINY), "unmasked", 3, [metrics] * 3)
    assert run.exact_match == (0.33333,) * 3
    assert run.loss["user"] == (1.2346,) * 3
    assert (run.setting, run.policy, run.seed) == ("reverse4-width8-steps40", "unmasked", 3)


def test_runs_are_in_the_order_of_settings_policies_and_seeds(ablation: Ablation) -> None:
    plan = Plan(ablation.settings, ablation.policies, ablation.seeds)
    keys = [(setting.slug, policy, seed) for setting, policy, seed in plan.runs()]
    assert [(run.setting, run.policy, run.seed) for run in ablation.runs] == keys
    for setting, policy, seed in plan.runs():
        run = ablation.run(setting, policy, seed)
        assert (run.setting, run.policy, run.seed) == (setting.slug, policy, seed)
    assert plan.steps() == 8 * 40


# The file


def test_a_file_read_back_is_the_ablation_that_was_written(tmp_path: Path, ablation: Ablation) -> None:
    path = tmp_path / "ablation.json"
    path.write_bytes(write_ablation(ablation))
    assert read_ablation(path) == ablation
    assert write_ablation(read_ablation(path)) == path.read_bytes()


def test_the_file_has_a_line_for_each_setting_and_run(ablation: Ablation) -> None:
    lines = write_ablation(ablation).decode().splitlines()
    assert sum(line.startswith('{"setting":') for line in lines) == len(ablation.runs) == 8
    assert sum(line.startswith('{"slug":') for line in lines) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(version=2), "version"),
        (lambda d: d.update(more=1), "more"),
        (lambda d: d.pop("commit"), "commit"),
        (lambda d: d["runs"].pop(), "one for each setting, policy and seed"),
        (lambda d: d["runs"].reverse(), "one for each setting, policy and seed"),
        (lambda d: d.update(runs=[], settings=[]), "one for each setting, policy and seed"),
        (lambda d: d["runs"][0]["exact_match"].pop(), "seed 0 has not one value for each step"),
        (lambda d: d["runs"][0]["loss"].pop("user"), "seed 0 has not one value for each step"),
        (lambda d: d["runs"][0]["exact_match"].__setitem__(0, 1.5), "runs.0.exact_match.0"),
        (lambda d: d["runs"][0]["loss"]["user"].__setitem__(0, -1), "runs.0.loss.user.0"),
        (lambda d: d["settings"][0].update(recipe="nope"), "'nope'; known: reverse, reverse4"),
        (lambda d: d["settings"][0].update(heads=2), "of another recipe than reverse4 is now"),
        (lambda d: d["settings"][0].update(parameters=1), "of another recipe than reverse4 is now"),
        (lambda d: d["settings"][0].update(width=7), "of another recipe than reverse4 is now"),
        (lambda d: d["settings"][0].update(width="8"), "settings.0.width"),
    ],
)
def test_a_broken_file_is_refused_by_name(
    tmp_path: Path, ablation: Ablation, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    document = json.loads(write_ablation(ablation))
    change(document)
    path = tmp_path / "ablation.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BrokenAblation) as caught:
        read_ablation(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert words in caught.value.message


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff"])
def test_a_file_that_is_missing_or_no_json_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ablation.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BrokenAblation, match=str(path)):
        read_ablation(path)
