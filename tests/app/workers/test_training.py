"""app/workers/training.py: what a slug asks to be trained, and a run as JSON lines."""

import json
from pathlib import Path

import pytest

from app.workers.training import TRAINABLE, Job, event_lines, jobs_of
from model.errors import BrokenRun, UnknownName
from model.experiments.shipped import SHIPPED_RUNS
from model.masks.policies import COMPARED_POLICIES, MASK_POLICIES
from model.network.config import GPTConfig
from model.text.corpus import ALPHABET
from model.text.tokenizer import Tokenizer
from model.training.checkpoints import read_run
from model.training.pretraining import PRETRAINING, Pretraining, load_base
from model.training.recipes import ALL_RECIPES, MASK_RECIPES, TrainingConfig

TRAINED = Path("trained")
TOKENIZER = Tokenizer(ALPHABET, pads=True)
TINY = Pretraining(
    "tiny",
    "Tiny",
    TOKENIZER,
    GPTConfig(TOKENIZER.vocab_size, 64, 1, 2, 16),
    TrainingConfig(batch_size=4, learning_rate=3e-3, checkpoint_steps=(20,), evaluate_every=10),
)


@pytest.mark.parametrize("slug", TRAINABLE)
def test_a_slug_asks_for_what_is_shipped_of_it_under_the_compared_policies(slug: str) -> None:
    jobs = jobs_of(slug, None, 3, TRAINED)
    assert all(job.recipe.slug == slug and job.seed == 3 for job in jobs)
    if slug in PRETRAINING:
        assert [job.folder for job in jobs] == [TRAINED / slug / "seed-3"]
    else:
        policies = [policy for policy in COMPARED_POLICIES if (slug, policy) in SHIPPED_RUNS]
        assert [job.folder for job in jobs] == [TRAINED / slug / policy for policy in policies]
        assert jobs
    if slug in MASK_RECIPES:
        assert [job.policy.slug for job in jobs] == list(COMPARED_POLICIES)
    assert all(job.needs_a_base == (slug == "answers") for job in jobs)


def test_what_does_not_exist_is_named_with_what_does() -> None:
    with pytest.raises(UnknownName, match=r"There is no recipe 'nope'\. Choose one of: worksheet, reverse, "):
        jobs_of("nope", None, 0, TRAINED)
    with pytest.raises(UnknownName, match="There is no policy 'nope'"):
        jobs_of("reverse", ["nope"], 0, TRAINED)


def test_pretraining_is_told_as_lines_and_kept(tmp_path: Path) -> None:
    job = Job(TINY, MASK_POLICIES["unmasked"], 0, tmp_path / "tiny")
    lines = [json.loads(line) for line in event_lines(job)]
    assert [(line["event"], line["step"]) for line in lines] == [
        ("evaluated", 0),
        ("step", 10),
        ("evaluated", 10),
        ("step", 20),
        ("evaluated", 20),
        ("finished", 20),
    ]
    assert all(0 <= line["knows"]["value"] <= 1 for line in lines if line["event"] == "evaluated")
    assert load_base(tmp_path / "tiny")[0].steps == 20


def test_sft_starts_from_the_base_of_its_seed(tmp_path: Path) -> None:
    (job,) = jobs_of("answers", ["prompt-masked"], 12345, tmp_path)
    with pytest.raises(BrokenRun, match=r"seed-12345.*No such file.*; `maskscope train worksheet`"):
        next(event_lines(job))


def test_shipped_sft_began_with_the_base_s_weights() -> None:
    folder = Path(__file__).resolve().parents[3] / "model" / "trained"
    base_run, _ = load_base(folder / "worksheet" / "seed-0")
    for policy in COMPARED_POLICIES:
        run = read_run(folder / "answers" / policy)
        assert run.checkpoints[0].sha256 == base_run.checkpoint.sha256
    scratch = read_run(folder / "answers-scratch" / "prompt-masked")
    assert scratch.checkpoints[0].sha256 != base_run.checkpoint.sha256
    assert scratch.training == ALL_RECIPES["answers"].training
