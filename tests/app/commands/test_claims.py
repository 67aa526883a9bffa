"""`maskscope claims`, `dispatcher`, `reasoning`, `limits`: shown, measured anew; an error where a figure departs."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.commands import claims as claims_command
from app.commands.claims import MEASURING_AGAIN, TRAINING_AGAIN
from app.settings import Settings
from model.claims.ledger import CLAIMS
from model.experiments.dispatcher.arms import KEPT_DISPATCHED
from model.experiments.limits import KEPT_LIMITS
from model.experiments.reasoning.controls import KEPT_CONTROLS
from model.experiments.reasoning.traces import KEPT_REASONING, ReasoningRun, measure_runs
from model.experiments.turns import KEPT_TURNS

FOLDER = Settings().trained_folder
WIDE = {"COLUMNS": "200", "TERM": "dumb"}


@pytest.fixture(scope="module", autouse=True)
def _measured_once() -> Iterator[None]:
    """Two of these commands measure the same shipped models: the first one does it for both."""
    measured: dict[tuple[str, ...], list[ReasoningRun]] = {}
    """By what names the weights, with their sums."""

    def measure(folders: Sequence[Path]) -> Iterator[ReasoningRun]:
        weights = tuple((folder / "run.json").read_text() for folder in folders)
        if weights not in measured:
            measured[weights] = list(measure_runs(folders))
        yield from measured[weights]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.commands.reasoning.measure_runs", measure)
        yield


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of trained models of one's own."""
    shutil.copytree(FOLDER, tmp_path / "trained")
    monkeypatch.setenv("MASKSCOPE_TRAINED_FOLDER", str(tmp_path / "trained"))
    return tmp_path / "trained"


def test_every_claim_is_shown_with_its_verdict() -> None:
    result = CliRunner().invoke(app, ["claims"], env=WIDE)
    assert result.exit_code == 0, result.output
    for claim in CLAIMS.values():
        assert f"{claim.slug}: {claim.says}" in result.output
    assert f"{len(CLAIMS)} claims: " in result.output


@pytest.mark.parametrize(
    "command", [["dispatcher", "--check"], ["reasoning", "--check"], ["prompts", "--check"]], ids=" ".join
)
def test_shipped_models_measured_anew_do_what_is_stated(command: list[str]) -> None:
    result = CliRunner().invoke(app, command, env=WIDE)
    assert result.exit_code == 0, result.output
    assert "measured anew, 0 differ from those stated" in result.output


def test_a_figure_that_departs_is_named_and_is_an_error(copied: Path) -> None:
    rows = json.loads((copied / KEPT_REASONING.name).read_text())
    rows[0]["by_terms"][0]["right"]["value"] = 0.5
    rows[0]["by_terms"][0]["right"]["low"] = 0.4
    (copied / KEPT_REASONING.name).write_text(json.dumps(rows))
    result = CliRunner().invoke(app, ["reasoning", "--check"], env=WIDE)
    assert result.exit_code == 1
    assert "sums-direct, 2 terms, right: stated 0.500, measured 1.000" in result.output
    stated = json.loads((copied / KEPT_DISPATCHED.name).read_text())
    stated["bases"][0]["plain"]["continues"] |= {"value": 0.5, "low": 0.4}
    (copied / KEPT_DISPATCHED.name).write_text(json.dumps(stated))
    result = CliRunner().invoke(app, ["dispatcher", "--check"], env=WIDE)
    assert result.exit_code == 1
    assert "base 0 plain: continues: stated 0.500, measured 1.000" in result.output


@pytest.mark.parametrize("command", ["limits", "dispatcher", "reasoning", "controls", "turns", "claims"])
def test_a_missing_file_ends_in_one_line(copied: Path, command: str) -> None:
    for kept in (KEPT_LIMITS, KEPT_DISPATCHED, KEPT_REASONING, KEPT_CONTROLS, KEPT_TURNS):
        (copied / kept.name).unlink()
    result = CliRunner().invoke(app, [command], env=WIDE)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert re.search(r"No such file or directory; `maskscope \w+ --measure` makes it anew$", line)


def test_checking_runs_every_measurement_and_tells_which_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims_command, "MEASURING_AGAIN", (("mask", "hello"), ("mask", "--policy", "nope", "hello")))
    result = CliRunner().invoke(app, ["claims", "--check"], env=WIDE)
    assert result.exit_code == 1
    assert "failed: maskscope mask --policy nope hello" in result.output
    assert "failed: maskscope mask hello" not in result.output


@pytest.mark.parametrize("command", [*MEASURING_AGAIN, *TRAINING_AGAIN], ids=" ".join)
def test_what_is_run_again_are_commands_that_exist(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [command[0], "--help"], env=WIDE)
    assert shown.exit_code == 0
    for word in command[1:]:
        if word.startswith("--"):
            assert word in shown.stdout


def test_every_claim_s_command_is_among_those_that_are_run_again() -> None:
    checks = {f"maskscope {' '.join(command)}" for command in MEASURING_AGAIN} | {"maskscope claims --check"}
    assert {check for claim in CLAIMS.values() for check in claim.source.check.split(" && ")} <= checks
