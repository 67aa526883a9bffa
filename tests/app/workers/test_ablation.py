"""app/workers/ablation.py: killed and started again ends in the same bytes, and nothing finished is trained twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from app.cli import app
from app.settings import ROOT
from app.workers.ablation import code_commit, jobs_of, kept_run, run_ablation
from app.workers.ablation_places import MEASURED_BY, made_by
from app.workers.ablation_worker import RUN, write_whole
from model.experiments.ablation.plan import plan_of
from model.experiments.ablation.runs import Ablation, Plan, read_ablation
from model.training.recipes import Variation

TINY = Variation(width=8, steps=40, evaluate_every=10, evaluation_words=20)
OPTIONS = "--seeds 3 --width 8 --width 16 --steps 40 --evaluate-every 10 --evaluation-words 20"


@pytest.fixture
def plan() -> Plan:
    return plan_of([("reverse4", TINY)], ["prompt-masked", "unmasked"], 2)


def start(into: Path) -> subprocess.Popen[str]:
    """The command in a process group of its own."""
    arguments = ("ablate", "reverse4", *OPTIONS.split(), "--jobs", "2", "--into", str(into))
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def complete(into: Path) -> None:
    """The same command to its end, from this process and with one worker: neither may show in the bytes."""
    result = CliRunner().invoke(app, ["ablate", "reverse4", *OPTIONS.split(), "--jobs", "1", "--into", str(into)])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes in one go, into a folder that is made for it."""
    into = tmp_path_factory.mktemp("unbroken") / "deeper" / "ablation.json"
    complete(into)
    assert len(read_ablation(into).runs) == 12
    return into


def test_killed_at_half_and_started_again_ends_in_the_bytes_of_an_unbroken_run(tmp_path: Path, unbroken: Path) -> None:
    killed = tmp_path / "killed.json"
    process = start(killed)
    parts = tmp_path / "killed.json.parts"
    deadline = time.monotonic() + 60
    while len(list(parts.glob("*.json"))) < 5:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    kept = {path: path.read_bytes() for path in parts.glob("*.json")}
    assert 5 <= len(kept) < 12
    assert not killed.exists()
    complete(killed)
    assert killed.read_bytes() == unbroken.read_bytes()
    assert not parts.exists()


def test_a_finished_run_is_not_trained_again(
    tmp_path: Path, plan: Plan, make_ablation: Callable[..., Ablation]
) -> None:
    into = tmp_path / "ablation.json"
    parts = tmp_path / "ablation.json.parts"
    parts.mkdir()
    jobs = jobs_of(plan, parts, code_commit(), *made_by())
    made_up = make_ablation(("reverse4", TINY, {"prompt-masked": [20, 30], "unmasked": [40, None]}))
    for job in jobs[:3]:
        write_whole(job.file, RUN.dump_json(made_up.run(job.setting, job.policy, job.seed)))
    assert run_ablation(plan, into, 1, Console(quiet=True))
    written = read_ablation(into)
    for job in jobs:
        same = written.run(job.setting, job.policy, job.seed) == made_up.run(job.setting, job.policy, job.seed)
        assert same == (job in jobs[:3])


def test_a_part_made_by_anything_else_is_not_looked_at(tmp_path: Path, plan: Plan) -> None:
    files = {job.file for job in jobs_of(plan, tmp_path, "commit", "code", "torch")}
    assert len(files) == 4
    for other in (("other", "code", "torch"), ("commit", "other", "torch"), ("commit", "code", "other")):
        assert not files & {job.file for job in jobs_of(plan, tmp_path, *other)}
    measured_more_often = plan_of([("reverse4", replace(TINY, evaluate_every=5))], plan.policies, 2)
    assert not files & {job.file for job in jobs_of(measured_more_often, tmp_path, "commit", "code", "torch")}
    more_seeds = plan_of([("reverse4", TINY)], plan.policies, 3)
    assert files < {job.file for job in jobs_of(more_seeds, tmp_path, "commit", "code", "torch")}


@pytest.mark.parametrize("content", [b"", b"{", b'{"setting": "x"}'])
def test_a_part_that_cannot_be_read_is_not_there(tmp_path: Path, plan: Plan, content: bytes) -> None:
    job = jobs_of(plan, tmp_path)[0]
    assert kept_run(job) is None
    job.file.write_bytes(content)
    assert kept_run(job) is None


def test_long_runs_come_first(tmp_path: Path) -> None:
    variations = [("reverse4", replace(TINY, width=width)) for width in (8, 32, 16)]
    jobs = jobs_of(plan_of(variations, ["unmasked"], 2), tmp_path)
    assert [job.setting.width for job in jobs] == [32, 32, 16, 16, 8, 8]


def test_a_run_that_fails_is_named_and_what_was_finished_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = plan_of([("reverse4", replace(TINY, learning_rate=0.1, layers=4, width=64))], ["unmasked", "nope"], 1)
    parts = tmp_path / "ablation.json.parts"
    assert not run_ablation(wild, tmp_path / "ablation.json", 1, Console(width=200))
    assert "nope seed 0: its process has died" in capsys.readouterr().out
    assert len(list(parts.glob("*.json"))) == 1
    assert not (tmp_path / "ablation.json").exists()


def test_the_code_that_counts_is_all_that_a_worker_imports_of_the_model() -> None:
    found, waiting = set(), _modules_named_in(ROOT / "app" / "workers" / "ablation_worker.py")
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= _modules_named_in(ROOT / "model" / f"{name}.py") - found
    assert sorted(found) == sorted(MEASURED_BY)


def _modules_named_in(path: Path) -> set[str]:
    named = re.findall(r"^from model\.([\w.]+) import", path.read_text(), re.MULTILINE)
    return {name.replace(".", "/") for name in named}


def test_the_commit_is_git_s_or_unknown() -> None:
    commit = code_commit()
    assert commit == "unknown" or len(commit.removesuffix("+changes")) == 40


def test_the_file_names_the_code_and_its_conditions(unbroken: Path) -> None:
    document = json.loads(unbroken.read_text())
    assert document["commit"] == code_commit()
    assert document["settings"][0]["evaluation_words"] == 20
    assert "a word is unseen if" in document["split"]
    for word in ("time", "seconds", "host", "node"):
        assert f'"{word}' not in unbroken.read_text()
