"""The shipped runs under model/trained/: what the page shows must be what these files do."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.errors import BrokenRun
from model.experiments.ablation.runs import ABLATION_FILE
from model.experiments.ablation.shipped import FINDINGS_FILE
from model.experiments.bugs.gallery import KEPT_GALLERY
from model.experiments.dispatcher.arms import KEPT_DISPATCHED
from model.experiments.dispatcher.rates import KEPT_RATES
from model.experiments.examples import KEPT_EXAMPLES
from model.experiments.limits import ASKED, KEPT_LIMITS, weights_folder
from model.experiments.padding.accuracies import KEPT_PADDINGS
from model.experiments.prompts import KEPT_PROMPTS
from model.experiments.reasoning.controls import KEPT_CONTROLS
from model.experiments.reasoning.traces import KEPT_REASONING
from model.experiments.shipped import SEEDS, SHIPPED_RUNS
from model.experiments.turns import KEPT_TURNS
from model.kept import KeptFile
from model.network.gpt import GPT
from model.text.tasks import SPLIT
from model.training.checkpoints import Run, load_weights, read_run
from model.training.evaluation import Metrics, complete_prompts, evaluate
from model.training.pretraining import BASE_FILE, base_folder, load_base
from model.training.recipes import RECIPES

TRAINED = Path(__file__).resolve().parents[2] / "model" / "trained"
BYTES_ALLOWED = 30_000_000
KEPT = (
    *(KEPT_CONTROLS, KEPT_DISPATCHED, KEPT_GALLERY, KEPT_LIMITS, KEPT_PADDINGS, KEPT_PROMPTS, KEPT_RATES),
    *(KEPT_EXAMPLES, KEPT_REASONING, KEPT_TURNS),
)
MEASUREMENTS = (ABLATION_FILE, FINDINGS_FILE, "bench.json", "school.json", "survey.json", *(file.name for file in KEPT))

recipes = pytest.mark.parametrize("slug", RECIPES)
kept = pytest.mark.parametrize("file", KEPT, ids=lambda file: file.name)
runs = pytest.mark.parametrize(
    ("slug", "policy"), [(slug, policy) for slug in RECIPES for policy in ("prompt-masked", "unmasked")]
)


def shipped(slug: str, policy: str) -> Run:
    return read_run(TRAINED / slug / policy)


def test_a_thousand_held_out_words_are_reversed_at_least_99_percent_exactly(trained_model: Callable[..., GPT]):
    recipe = RECIPES["reverse"]
    words = recipe.task.held_out_prompts(1000)
    model = trained_model("reverse", "prompt-masked", recipe.training.steps)
    completions = complete_prompts(model, recipe.task, recipe.tokenizer, words)
    exact = sum(text == word[::-1] + "#" for word, text in zip(words, completions, strict=True))
    assert exact >= 990


def test_other_held_out_words_than_those_of_run_json_are_reversed_as_well(trained_model: Callable[..., GPT]):
    recipe = RECIPES["reverse"]
    measured = set(recipe.task.held_out_prompts(recipe.training.evaluation_words))
    words = [word for word in recipe.task.held_out_prompts(1000, seed=1) if word not in measured]
    assert len(words) > 800
    model = trained_model("reverse", "prompt-masked", recipe.training.steps)
    completions = complete_prompts(model, recipe.task, recipe.tokenizer, words)
    exact = sum(text == word[::-1] + "#" for word, text in zip(words, completions, strict=True))
    assert exact / len(words) >= 0.99


@runs
def test_the_metrics_in_run_json_are_measured_again(trained_model: Callable[..., GPT], slug: str, policy: str):
    recipe, run = RECIPES[slug], shipped(slug, policy)
    words = recipe.task.held_out_prompts(recipe.training.evaluation_words)
    for step in (run.steps, gap_step(slug)):
        measured = evaluate(trained_model(slug, policy, step), recipe.task, recipe.tokenizer, words)
        stated = run.metrics_at(step)
        for name in ("exact_match", "token_accuracy", "stop_rate"):
            ours, theirs = getattr(measured, name), getattr(stated, name)
            assert ours.n == theirs.n == 1000
            # Rounding on another processor may turn a near tie: one word in a thousand.
            assert ours.value == pytest.approx(theirs.value, abs=0.001 + 1e-9), (step, name)
            assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.002), (step, name)


@runs
def test_run_json_was_written_by_the_recipe_as_it_is_now(slug: str, policy: str):
    recipe, run = RECIPES[slug], shipped(slug, policy)
    assert (run.recipe, run.policy, run.split) == (slug, policy, SPLIT)
    assert run.model == recipe.model
    assert run.training == recipe.training
    assert run.steps == recipe.training.steps
    assert run.checkpoint_steps() == recipe.training.checkpoint_steps


@runs
def test_every_shipped_checkpoint_loads_and_was_measured(slug: str, policy: str):
    run = shipped(slug, policy)
    for checkpoint in run.checkpoints:
        model = load_weights(TRAINED / slug / policy, run.model, checkpoint)
        assert sum(p.numel() for p in model.parameters()) == run.parameters
        assert isinstance(run.metrics_at(checkpoint.step), Metrics)


@runs
def test_a_run_was_measured_at_regular_steps(slug: str, policy: str):
    training, run = RECIPES[slug].training, shipped(slug, policy)
    steps = [measurement.step for measurement in run.measurements]
    assert steps == sorted({*range(0, training.steps + 1, training.evaluate_every), *training.checkpoint_steps})


@recipes
def test_the_two_policies_differ_in_nothing_but_the_mask(slug: str):
    masked, unmasked = (shipped(slug, policy) for policy in ("prompt-masked", "unmasked"))
    assert (masked.seed, masked.steps, masked.model, masked.training) == (
        unmasked.seed,
        unmasked.steps,
        unmasked.model,
        unmasked.training,
    )
    assert masked.checkpoint_steps() == unmasked.checkpoint_steps()
    assert masked.checkpoints[0] == unmasked.checkpoints[0]  # the same sum: the same initial weights
    assert all(a.sha256 != b.sha256 for a, b in zip(masked.checkpoints[1:], unmasked.checkpoints[1:], strict=True))


def gap_step(slug: str) -> int:
    """The first kept step where the masked model has reached 90 % and the other has not yet come near."""
    masked, unmasked = shipped(slug, "prompt-masked"), shipped(slug, "unmasked")
    for step in masked.checkpoint_steps():
        value = masked.metrics_at(step).exact_match.value
        if value >= 0.9 and value - unmasked.metrics_at(step).exact_match.value > 0.1:
            return step
    pytest.fail(f"no kept step of {slug} shows the gap")


@recipes
def test_kept_steps_show_the_beginning_the_gap_and_its_closing(slug: str):
    masked, unmasked = shipped(slug, "prompt-masked"), shipped(slug, "unmasked")
    steps = masked.checkpoint_steps()
    assert steps[0] == 0
    assert masked.metrics_at(0).exact_match.value == unmasked.metrics_at(0).exact_match.value == 0
    assert steps[0] < gap_step(slug) < steps[-1]
    last = RECIPES[slug].training.steps
    assert steps[-1] == last
    gap = masked.metrics_at(last).exact_match.value - unmasked.metrics_at(last).exact_match.value
    assert abs(gap) < 0.05


@recipes
def test_where_the_gap_shows_the_intervals_do_not_even_touch(slug: str):
    step = gap_step(slug)
    masked, unmasked = (shipped(slug, policy).metrics_at(step).exact_match for policy in ("prompt-masked", "unmasked"))
    assert masked.low > unmasked.high


@runs
def test_the_initial_weights_are_what_the_seed_gives(trained_model: Callable[..., GPT], slug: str, policy: str):
    fresh = GPT(RECIPES[slug].model, torch.Generator().manual_seed(shipped(slug, policy).seed))
    kept = dict(trained_model(slug, policy, 0).named_parameters())
    assert all(torch.equal(parameter.half().float(), kept[name]) for name, parameter in fresh.named_parameters())


def test_the_folder_holds_only_what_run_json_names():
    expected = {
        Path(slug, policy, name)
        for slug, policy in SHIPPED_RUNS
        for name in ("run.json", *(checkpoint.file for checkpoint in shipped(slug, policy).checkpoints))
    }
    for seed in SEEDS:
        folder = base_folder(TRAINED, seed)
        expected |= {folder.relative_to(TRAINED) / name for name in (BASE_FILE, load_base(folder)[0].checkpoint.file)}
    for run in KEPT_LIMITS.read(TRAINED):
        if run.weights:
            arm = next(arm for arm in ASKED.values() if (arm.where, arm.share) == (run.where, run.share))
            expected.add(weights_folder(TRAINED, arm, run.seed).relative_to(TRAINED) / run.weights.file)
    found = {path.relative_to(TRAINED) for path in TRAINED.rglob("*") if path.is_file()}
    assert {path for path in found if path.parts[0] != "tokenizers"} == expected | {Path(name) for name in MEASUREMENTS}


def test_the_shipped_weights_together_stay_below_30_megabytes():
    assert 0 < sum(path.stat().st_size for path in TRAINED.rglob("*") if path.is_file()) < BYTES_ALLOWED


@runs
def test_the_sums_in_run_json_are_those_of_the_files(slug: str, policy: str):
    for checkpoint in shipped(slug, policy).checkpoints:
        content = (TRAINED / slug / policy / checkpoint.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checkpoint.sha256


@kept
def test_a_file_of_measurements_read_and_written_is_the_same_bytes(tmp_path: Path, file: KeptFile[Any, Any]):
    file.save(tmp_path, file.read(TRAINED))
    assert (tmp_path / file.name).read_bytes() == (TRAINED / file.name).read_bytes()


@kept
def test_a_file_of_measurements_that_is_missing_is_named(tmp_path: Path, file: KeptFile[Any, Any]):
    with pytest.raises(BrokenRun) as caught:
        file.read(tmp_path)
    assert (
        caught.value.message
        == f"{tmp_path / file.name}: No such file or directory; `maskscope {file.slug} --measure` makes it anew"
    )


@pytest.mark.parametrize(
    ("file", "rows", "lacks"),
    [
        (KEPT_DISPATCHED, "runs", "a run; `maskscope dispatcher --measure`"),
        (KEPT_DISPATCHED, "bases", "a run; `maskscope dispatcher --measure`"),
        (KEPT_GALLERY, None, "reverse/prompt-masked; `maskscope gallery --measure`"),
        (KEPT_LIMITS, None, "a run; `maskscope limits --measure`"),
        (KEPT_PADDINGS, "rows", "prompt-masked/prompt-masked; `maskscope padding --measure`"),
        (KEPT_REASONING, None, "a run; `maskscope reasoning --measure`"),
        (KEPT_CONTROLS, None, "a run; `maskscope controls --measure`"),
        (KEPT_TURNS, None, "a run; `maskscope turns --measure`"),
    ],
)
def test_a_file_that_lacks_its_first_row_says_so_and_what_makes_it_anew(
    tmp_path: Path, file: KeptFile[Any, Any], rows: str | None, lacks: str
):
    content = json.loads((TRAINED / file.name).read_text())
    del (content[rows] if rows else content)[0]
    (tmp_path / file.name).write_text(json.dumps(content))
    with pytest.raises(BrokenRun) as caught:
        file.read(tmp_path)
    assert caught.value.message == f"{tmp_path / file.name}: lacks {lacks} makes it anew"
