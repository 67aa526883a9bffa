"""app/workers/ablation_worker.py: a file is there whole or not at all, and a run depends on nothing but its job."""

from pathlib import Path

import pytest

from app.workers.ablation_worker import JOB, Job, train_job, write_whole
from model.errors import Diverged
from model.experiments.ablation.runs import setting_of
from model.training.recipes import Variation

TINY = setting_of("reverse4", Variation(width=8, steps=20, evaluate_every=10, evaluation_words=10))


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_job_survives_the_line_it_is_sent_in() -> None:
    job = Job(TINY, "unmasked", 1, Path("x.json"))
    assert JOB.validate_json(JOB.dump_json(job)) == job
    assert b"\n" not in JOB.dump_json(job)


def test_a_run_is_the_same_whatever_was_trained_before_it() -> None:
    steps: list[int] = []
    first = train_job(Job(TINY, "unmasked", 1, Path("x")), steps.append)
    other = train_job(Job(TINY, "prompt-masked", 1, Path("x")), steps.append)
    assert train_job(Job(TINY, "unmasked", 1, Path("x")), steps.append) == first
    assert steps == [0, 10, 20] * 3
    assert first.loss["assistant"][0] == other.loss["assistant"][0], "the first weights do not depend on the policy"
    assert first.loss["assistant"][1:] != other.loss["assistant"][1:]
    assert len(first.exact_match) == 3


def test_a_loss_that_is_no_number_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.network.learner.Learner.step", lambda *_: float("nan"))
    with pytest.raises(Diverged):
        train_job(Job(TINY, "unmasked", 1, Path("x")), lambda step: None)
