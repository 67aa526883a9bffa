"""app/catalog.py: runs on disk to models in memory, and every way in which a run can be broken."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.catalog import Catalog, load_catalog
from model.errors import BrokenRun, OutOfRange, UnknownName
from model.experiments.bugs.gallery import GALLERY_RUNS
from model.experiments.shipped import SHIPPED_RUNS
from model.masks.policies import COMPARED_POLICIES, MASK_POLICIES, find_policy
from model.training.recipes import ALL_RECIPES, MASK_RECIPES, RECIPES

RUN = Path("reverse4/prompt-masked")
WEIGHTS = RUN / "step_000400.safetensors"


def test_every_recipe_is_there_with_both_policies_and_all_checkpoints(catalog: Catalog) -> None:
    assert set(catalog.runs) == set(SHIPPED_RUNS)
    assert set(catalog.measured) == set(GALLERY_RUNS)
    assert catalog.recipes() == tuple(ALL_RECIPES.values())
    assert catalog.single_turn_recipes() == tuple(RECIPES.values())
    assert catalog.mask_recipes() == tuple(MASK_RECIPES.values())
    for recipe in MASK_RECIPES.values():
        assert [policy.slug for policy in catalog.policies(recipe)][:2] == ["prompt-masked", "unmasked"]
        assert catalog.compared(recipe).steps() == recipe.training.checkpoint_steps
        for (slug, policy), loaded in catalog.runs.items():
            if slug == recipe.slug:
                kept = recipe.training.checkpoint_steps if policy in COMPARED_POLICIES else (recipe.training.steps,)
                assert set(loaded.models) == set(kept)


def test_the_page_starts_where_the_masked_model_first_has_learned_the_task(catalog: Catalog) -> None:
    for slug, expected in {"reverse": 900, "reverse4": 325}.items():
        recipe = RECIPES[slug]
        runs = catalog.compared(recipe)
        step = runs.gap_step()
        masked, unmasked = (runs.by_policy[policy].run for policy in ("prompt-masked", "unmasked"))
        assert step == expected
        assert masked.metrics_at(step).exact_match.value >= 0.9
        assert unmasked.metrics_at(step).exact_match.high < masked.metrics_at(step).exact_match.low  # a visible gap
        earlier = [s for s in runs.steps() if s < step]
        assert all(masked.metrics_at(s).exact_match.value < 0.9 for s in earlier)
        assert [runs.has_learned(s) for s in (*earlier, step)] == [False] * len(earlier) + [True]


@pytest.mark.parametrize(("wanted", "nearest"), [(None, 325), (0, 0), (329, 325), (-5, 0), (10**9, 1000), (337, 325)])
def test_a_step_that_was_not_kept_is_moved_to_the_nearest(catalog: Catalog, wanted: int | None, nearest: int) -> None:
    assert catalog.compared(RECIPES["reverse4"]).nearest_step(wanted) == nearest


def test_the_last_step_is_the_default_and_its_model_has_learned_the_task(catalog: Catalog) -> None:
    recipe = RECIPES["reverse"]
    model, step = catalog.model(recipe, "prompt-masked", None)
    assert step == recipe.training.steps
    assert model is catalog.model(recipe, "prompt-masked", step)[0]
    assert catalog.run(recipe, "prompt-masked").run.metrics_at(step).exact_match.value >= 0.99


def test_models_in_memory_do_not_learn(catalog: Catalog) -> None:
    for loaded in catalog.runs.values():
        for model in loaded.models.values():
            assert not model.training
            assert not any(parameter.requires_grad for parameter in model.parameters())


def test_what_does_not_exist_is_named_with_what_does(catalog: Catalog) -> None:
    reverse = RECIPES["reverse"]
    cases: list[tuple[Callable[[], object], type[Exception], str]] = [
        (lambda: catalog.recipe("nope"), UnknownName, "There is no recipe 'nope'. Choose one of: reverse, reverse4"),
        (lambda: catalog.run(reverse, "nope"), UnknownName, "'nope'. Choose one of: prompt-masked, unmasked"),
        (lambda: catalog.model(reverse, "unmasked", 7), OutOfRange, "Step 7 was not kept. Choose one of: 0, 100, 200"),
        (lambda: find_policy("nope"), UnknownName, "There is no policy 'nope'. Choose one of: prompt-masked, unmasked"),
        (lambda: catalog.recipe("\u202e" * 1000), UnknownName, "There is no recipe '\\\\u202e"),
    ]
    for ask, error, message in cases:
        with pytest.raises(error) as caught:
            ask()
        assert message.replace("\\\\", "\\") in str(caught.value)
        assert len(str(caught.value)) < 500
    assert find_policy("unmasked") is MASK_POLICIES["unmasked"]


# Every way in which a run can be broken names the file.


def edit_run(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change run.json as a careless hand would."""
    path = folder / RUN / "run.json"
    run = json.loads(path.read_bytes())
    change(run)
    path.write_text(json.dumps(run))


def replace_weights(folder: Path, content: bytes) -> None:
    """Other bytes for a checkpoint, with the sum in run.json made to fit."""
    (folder / WEIGHTS).write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    edit_run(folder, lambda run: next(c for c in run["checkpoints"] if c["step"] == 400).update(sha256=checksum))


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)


BROKEN_WEIGHTS: dict[str, Callable[[Path], object]] = {
    "missing": lambda folder: (folder / WEIGHTS).unlink(),
    "empty": lambda folder: (folder / WEIGHTS).write_bytes(b""),
    "truncated": lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100]),
    "one bit flipped": flip_a_bit,
    "those of another step": lambda folder: shutil.copy(folder / RUN / "step_001000.safetensors", folder / WEIGHTS),
    "a folder": lambda folder: ((folder / WEIGHTS).unlink(), (folder / WEIGHTS).mkdir()),
    "a pickle": lambda folder: replace_weights(folder, pickle.dumps({"token_embedding.weight": 1})),
    "nothing, with its sum": lambda folder: replace_weights(folder, b""),
    "another recipe's, with their sum": lambda folder: replace_weights(
        folder, (folder / "reverse/prompt-masked/step_000000.safetensors").read_bytes()
    ),
}


@pytest.mark.parametrize("kind", BROKEN_WEIGHTS)
def test_broken_weights_stop_the_load_and_name_the_file(trained_copy: Path, kind: str) -> None:
    BROKEN_WEIGHTS[kind](trained_copy)
    with pytest.raises(BrokenRun) as caught:
        load_catalog(trained_copy)
    assert str(caught.value).startswith(f"{trained_copy / WEIGHTS}: ")
    assert "\n" not in str(caught.value)


BROKEN_RUNS: dict[str, Callable[[Path], object]] = {
    "missing": lambda folder: (folder / RUN / "run.json").unlink(),
    "empty": lambda folder: (folder / RUN / "run.json").write_bytes(b""),
    "truncated": lambda folder: (folder / RUN / "run.json").write_bytes((folder / RUN / "run.json").read_bytes()[:900]),
    "not UTF-8": lambda folder: (folder / RUN / "run.json").write_bytes(b"\xff\xfe{}"),
    "a list": lambda folder: (folder / RUN / "run.json").write_text("[]"),
    "a field missing": lambda folder: edit_run(folder, lambda run: run.pop("seed")),
    "a field too many": lambda folder: edit_run(folder, lambda run: run.update(extra=1)),
    "a negative step": lambda folder: edit_run(folder, lambda run: run["checkpoints"][0].update(step=-1)),
    "a file elsewhere": lambda folder: edit_run(
        folder, lambda run: run["checkpoints"][0].update(file="../../run.json")
    ),
    "of another recipe": lambda folder: edit_run(folder, lambda run: run.update(recipe="reverse")),
    "of another policy": lambda folder: edit_run(folder, lambda run: run.update(policy="unmasked")),
    "of another model": lambda folder: edit_run(folder, lambda run: run["model"].update(layers=2)),
    "no checkpoints": lambda folder: edit_run(folder, lambda run: run.update(checkpoints=[])),
    "a checkpoint never measured": lambda folder: edit_run(folder, lambda run: run["measurements"].pop()),
    "ends at a step not kept": lambda folder: edit_run(folder, lambda run: run.update(steps=999)),
}


@pytest.mark.parametrize("kind", BROKEN_RUNS)
def test_a_broken_run_stops_the_load_and_names_the_file(trained_copy: Path, kind: str) -> None:
    BROKEN_RUNS[kind](trained_copy)
    with pytest.raises(BrokenRun) as caught:
        load_catalog(trained_copy)
    assert str(caught.value).startswith(f"{trained_copy / RUN / 'run.json'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("policy", ["prompt-masked", "unmasked"])
def test_a_run_that_is_not_there_stops_the_load(trained_copy: Path, policy: str) -> None:
    shutil.rmtree(trained_copy / "reverse4" / policy)
    with pytest.raises(BrokenRun, match=rf"reverse4/{policy}/run\.json"):
        load_catalog(trained_copy)


def test_a_folder_without_any_run_stops_the_load(tmp_path: Path) -> None:
    with pytest.raises(BrokenRun, match=r"reverse/prompt-masked/run\.json: No such file.*; `make train` makes it"):
        load_catalog(tmp_path / "nowhere")
