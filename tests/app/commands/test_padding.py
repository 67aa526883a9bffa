"""`maskscope padding`: shown, measured anew, and an error where a figure departs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.settings import Settings
from model.experiments.padding.accuracies import KEPT_PADDINGS, PaddedAccuracy, measure_paddings
from model.experiments.padding.arms import TRAINED_PADDINGS

FOLDER = Settings().trained_folder


@pytest.fixture(scope="module", autouse=True)
def _measured_once() -> Iterator[None]:
    """Each of these commands measures the same models, which takes four seconds: the first one does it for all."""
    measured: list[PaddedAccuracy] = []

    def measure(models: Any) -> Iterator[PaddedAccuracy]:
        if not measured:
            measured.extend(measure_paddings(models))
        yield from measured

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.commands.padding.measure_paddings", measure)
        yield


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of trained models of one's own."""
    for policy in TRAINED_PADDINGS:
        shutil.copytree(FOLDER / "reverse" / policy, tmp_path / "reverse" / policy)
    shutil.copy(FOLDER / KEPT_PADDINGS.name, tmp_path)
    monkeypatch.setenv("MASKSCOPE_TRAINED_FOLDER", str(tmp_path))
    return tmp_path


def test_the_shipped_figures_are_measured_again() -> None:
    result = CliRunner().invoke(app, ["padding", "--check"])
    assert result.exit_code == 0, result.output
    assert "20 accuracies measured anew, 0 differ from those stated" in result.output


def test_a_figure_that_departs_is_named_and_is_an_error(copied: Path) -> None:
    kept = json.loads((copied / KEPT_PADDINGS.name).read_text())
    kept["right_pad_change"] = 0.5
    kept["rows"][0]["by_length"][0]["right"] = 0
    kept["rows"][0]["by_length"][1]["right"] = 0
    (copied / KEPT_PADDINGS.name).write_text(json.dumps(kept))
    result = CliRunner().invoke(app, ["padding", "--check"])
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "logits with pads on the right: stated 5.0e-01, measured " in said
    assert "prompt-masked asked with prompt-masked, words with pads: stated 0.888, measured 1.000" in said


def test_measuring_writes_what_is_shipped(copied: Path) -> None:
    (copied / KEPT_PADDINGS.name).unlink()
    assert CliRunner().invoke(app, ["padding", "--measure"]).exit_code == 0
    files = (json.loads((folder / KEPT_PADDINGS.name).read_text()) for folder in (copied, FOLDER))
    measured, shipped = (kept["rows"] for kept in files)
    assert [(row["trained"], row["used"]) for row in measured] == [(row["trained"], row["used"]) for row in shipped]
    for here, there in zip(measured, shipped, strict=True):
        counts = [sum(count["right"] for count in row["by_length"]) for row in (here, there)]
        assert abs(counts[0] - counts[1]) <= 2
