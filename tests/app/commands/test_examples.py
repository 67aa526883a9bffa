"""`maskscope examples`: shown, found anew by the rule, and an example that is another one is named."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.settings import Settings
from model.experiments.examples import KEPT_EXAMPLES


def test_the_shipped_examples_are_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["examples", "--check"])
    assert result.exit_code == 0, result.output
    for example in KEPT_EXAMPLES.read(Settings().trained_folder):
        assert f"{example.title} " in result.stdout
        assert example.off in result.stdout
    assert "5 examples measured anew, 0 differ from those stated" in result.stdout


def test_another_word_is_named_and_the_exit_code_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(Settings().trained_folder, tmp_path / "trained", copy_function=lambda a, b: Path(b).symlink_to(a))
    first, *others = KEPT_EXAMPLES.read(tmp_path / "trained")
    (tmp_path / "trained" / KEPT_EXAMPLES.name).unlink()
    KEPT_EXAMPLES.save(tmp_path / "trained", (replace(first, word="ship"), *others))
    monkeypatch.setenv("MASKSCOPE_TRAINED_FOLDER", str(tmp_path / "trained"))
    result = CliRunner().invoke(app, ["examples", "--check"])
    assert result.exit_code == 1
    assert "differ: stated ship at step 325, found live at step 325" in result.stdout
