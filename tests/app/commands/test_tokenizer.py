"""`maskscope tokenizer`: what ships is what the text beside it makes."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.settings import Settings
from model.inspector.examples import NAME


def test_the_files_that_ship_are_made_anew_byte_for_byte() -> None:
    result = CliRunner().invoke(app, ["tokenizer", "--check"])
    assert result.exit_code == 0, result.output
    assert "tokenizer.json 21,967 bytes, as made anew" in result.stdout


def test_a_file_that_the_text_does_not_make_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tokenizers" / NAME
    folder.mkdir(parents=True)
    for path in (Settings().trained_folder / "tokenizers" / NAME).iterdir():
        folder.joinpath(path.name).write_bytes(path.read_bytes())
    folder.joinpath("text.txt").write_text("another text")
    monkeypatch.setenv("MASKSCOPE_TRAINED_FOLDER", str(tmp_path))
    result = CliRunner().invoke(app, ["tokenizer", "--check"])
    assert result.exit_code == 1
    assert "tokenizer.json is not what the text beside it makes" in result.stderr
