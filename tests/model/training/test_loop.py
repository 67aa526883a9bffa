from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from model.errors import Diverged
from model.masks.batches import Batch
from model.masks.policies import COMPARED_POLICIES, MASK_POLICIES
from model.network.config import GPTConfig
from model.network.gpt import GPT
from model.text.tasks import is_held_out
from model.training.checkpoints import load_weights, read_run
from model.training.evaluation import evaluate
from model.training.loop import (
    CheckpointSaved,
    Evaluated,
    Event,
    Finished,
    StepDone,
    initial_model,
    train,
    train_run,
    training_batches,
)
from model.training.recipes import RECIPES, Recipe, TrainingConfig

MASKED, UNMASKED = MASK_POLICIES["prompt-masked"], MASK_POLICIES["unmasked"]
TINY = TrainingConfig(
    batch_size=8,
    learning_rate=3e-3,
    checkpoint_steps=(0, 3, 6),
    evaluate_every=2,
    decay_steps=2,
    evaluation_words=20,
)


def tiny(slug: str = "reverse", training: TrainingConfig = TINY) -> Recipe:
    """The recipe with a model and a training so small that a run takes a moment."""
    recipe = RECIPES[slug]
    config = GPTConfig(recipe.tokenizer.vocab_size, recipe.model.context_length, 1, 2, 16)
    return replace(recipe, model=config, training=training)


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def label(event: Event) -> str:
    match event:
        case StepDone(step=step):
            return f"step {step}"
        case Evaluated(step=step):
            return f"evaluated {step}"
        case CheckpointSaved(checkpoint=checkpoint):
            return f"saved {checkpoint.step}"
        case Finished(run=run):
            return f"finished {run.steps}"


def words_of(batch: Batch, recipe: Recipe) -> list[str]:
    """What the user says in each row."""
    texts = [recipe.tokenizer.decode(row) for row in batch.inputs_BT.tolist()]
    return [text[1 : text.index(">")] for text in texts]


def test_events_come_in_this_order(tmp_path: Path):
    assert [label(event) for event in train_run(tiny(), MASKED, seed=0, folder=tmp_path / "run")] == [
        "saved 0",
        "evaluated 0",
        "step 1",
        "step 2",
        "evaluated 2",
        "step 3",
        "saved 3",
        "evaluated 3",
        "step 4",
        "evaluated 4",
        "step 5",
        "step 6",
        "saved 6",
        "evaluated 6",
        "finished 6",
    ]


def test_the_events_are_what_the_folder_holds(tmp_path: Path):
    recipe = tiny()
    events = list(train_run(recipe, MASKED, seed=5, folder=tmp_path / "run"))
    run = read_run(tmp_path / "run")
    assert events[-1] == Finished(run)
    assert run.checkpoints == tuple(event.checkpoint for event in events if isinstance(event, CheckpointSaved))
    assert [(m.step, m.metrics) for m in run.measurements] == [
        (event.step, event.metrics) for event in events if isinstance(event, Evaluated)
    ]
    assert (run.recipe, run.policy, run.seed, run.steps) == ("reverse", "prompt-masked", 5, 6)
    assert (run.model, run.training) == (recipe.model, recipe.training)
    assert weights(tmp_path / "run").keys() == {checkpoint.file for checkpoint in run.checkpoints}


def test_what_was_measured_is_what_the_saved_weights_can_do(tmp_path: Path):
    recipe = tiny()
    *_, finished = train_run(recipe, UNMASKED, seed=0, folder=tmp_path / "run")
    assert isinstance(finished, Finished)
    words = recipe.task.held_out_prompts(recipe.training.evaluation_words)
    for checkpoint in finished.run.checkpoints:
        model = load_weights(tmp_path / "run", finished.run.model, checkpoint)
        assert finished.run.metrics_at(checkpoint.step) == evaluate(model, recipe.task, recipe.tokenizer, words)


def test_an_abandoned_run_leaves_the_one_before_as_it_was(tmp_path: Path):
    folder = tmp_path / "run"
    list(train_run(tiny(), MASKED, seed=0, folder=folder))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for event in train_run(tiny(), MASKED, seed=1, folder=folder):
        if isinstance(event, Evaluated) and event.step == 6:
            break
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_new_run_takes_the_place_of_the_one_before_and_of_all_its_files(tmp_path: Path):
    folder = tmp_path / "run"
    list(train_run(tiny(), MASKED, seed=0, folder=folder))
    config = replace(TINY, checkpoint_steps=(0, 2))
    list(train_run(tiny(training=config), MASKED, seed=0, folder=folder))
    assert {path.name for path in folder.iterdir()} == {
        "run.json",
        "step_000000.safetensors",
        "step_000002.safetensors",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_learning_rate_too_high_ends_with_a_word_about_it():
    recipe = tiny(training=replace(TINY, learning_rate=1e30))
    with pytest.raises(Diverged, match=r"NaN or infinite at step \d; a lower learning rate helps"):
        list(train(initial_model(recipe, 0), recipe, MASKED, seed=0))


def test_live_training_and_a_kept_run_take_the_same_steps(tmp_path: Path):
    live = list(train(initial_model(tiny(), 3), tiny(), UNMASKED, seed=3))
    kept = list(train_run(tiny(), UNMASKED, seed=3, folder=tmp_path / "run"))
    assert [e for e in live if isinstance(e, StepDone)] == [e for e in kept if isinstance(e, StepDone)]
    assert [e.step for e in live if isinstance(e, Evaluated)] == [0, 2, 3, 4, 6]


@pytest.mark.parametrize("policy", [MASK_POLICIES[slug] for slug in COMPARED_POLICIES], ids=COMPARED_POLICIES)
def test_two_runs_of_one_seed_give_the_same_bytes(tmp_path: Path, policy):
    first = list(train_run(tiny(), policy, seed=1, folder=tmp_path / "a"))
    torch.manual_seed(99)  # the global state is nobody's seed
    second = list(train_run(tiny(), policy, seed=1, folder=tmp_path / "b"))
    assert first == second
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert (tmp_path / "a" / "run.json").read_bytes() == (tmp_path / "b" / "run.json").read_bytes()


def test_runs_interleaved_in_one_process_do_not_touch_each_other(tmp_path: Path):
    list(train_run(tiny(), MASKED, seed=1, folder=tmp_path / "alone"))
    pair = [train_run(tiny(), MASKED, seed=seed, folder=tmp_path / str(seed)) for seed in (1, 2)]
    for _ in zip(*pair, strict=True):
        pass
    assert weights(tmp_path / "1") == weights(tmp_path / "alone")


def test_another_seed_gives_other_weights(tmp_path: Path):
    for seed in (0, 1):
        list(train_run(tiny(), MASKED, seed=seed, folder=tmp_path / str(seed)))
    first, second = weights(tmp_path / "0"), weights(tmp_path / "1")
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first)


def test_two_policies_of_one_seed_start_alike_and_part_after(tmp_path: Path):
    for policy in (MASKED, UNMASKED):
        list(train_run(tiny(), policy, seed=0, folder=tmp_path / policy.slug))
    masked, unmasked = weights(tmp_path / "prompt-masked"), weights(tmp_path / "unmasked")
    assert masked["step_000000.safetensors"] == unmasked["step_000000.safetensors"]
    assert masked["step_000003.safetensors"] != unmasked["step_000003.safetensors"]


@pytest.mark.parametrize("slug", RECIPES)
def test_two_policies_of_one_seed_see_the_same_words_in_the_same_order(slug: str):
    recipe = tiny(slug)
    streams = (islice(training_batches(recipe, policy, 4), 20) for policy in (MASKED, UNMASKED))
    for masked, unmasked in zip(*streams, strict=True):
        assert torch.equal(masked.inputs_BT, unmasked.inputs_BT)
        assert int(masked.supervised_BT.sum()) < int(unmasked.supervised_BT.sum())


@pytest.mark.parametrize("slug", RECIPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_batch_ever_holds_a_held_out_word(slug: str, seed: int):
    recipe = RECIPES[slug]
    measured = set(recipe.task.held_out_prompts(recipe.training.evaluation_words))
    seen = [word for batch in islice(training_batches(recipe, MASKED, seed), 150) for word in words_of(batch, recipe)]
    assert len(seen) == 150 * recipe.training.batch_size
    assert not any(map(is_held_out, seen))
    assert measured.isdisjoint(seen)


def test_a_batch_holds_the_right_answers(tmp_path: Path):
    recipe = RECIPES["reverse"]
    batch = next(training_batches(recipe, MASKED, 0))
    targets = [
        recipe.tokenizer.decode(token_id for token_id in row if token_id != -100) for row in batch.targets_BT.tolist()
    ]
    assert targets == [word[::-1] + "#" for word in words_of(batch, recipe)]


def reference_losses(recipe: Recipe, batches: Iterator[Batch], seed: int) -> tuple[GPT, list[float]]:
    """The same training as a reader of the lesson would write it: unfused AdamW, torch's own mean."""
    model = GPT(recipe.model, torch.Generator().manual_seed(seed))
    config = recipe.training
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.999), weight_decay=0.01, fused=False, foreach=False
    )
    losses = []
    for step in range(1, config.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate_at(step)
        batch = next(batches)
        loss = F.cross_entropy(model(batch.inputs_BT).flatten(0, 1), batch.targets_BT.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def test_it_is_plain_adamw_on_the_mean_loss_of_those_batches():
    recipe = tiny()
    trained = initial_model(recipe, 0)
    events = list(train(trained, recipe, MASKED, seed=0))
    model, losses = reference_losses(recipe, training_batches(recipe, MASKED, 0), 0)
    assert [event.loss for event in events if isinstance(event, StepDone)] == pytest.approx(losses, abs=1e-4)
    for (name, ours), theirs in zip(trained.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("policy", [MASK_POLICIES[slug] for slug in COMPARED_POLICIES], ids=COMPARED_POLICIES)
def test_training_lowers_the_loss(tmp_path: Path, policy):
    config = replace(TINY, batch_size=16, checkpoint_steps=(0, 60), evaluate_every=60)
    events = train_run(tiny("reverse4", config), policy, seed=0, folder=tmp_path / "run")
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    assert losses[0] == pytest.approx(torch.tensor(29.0).log().item(), abs=0.05)  # nothing is known yet
    assert sum(losses[-10:]) / 10 < losses[0] - 0.3
