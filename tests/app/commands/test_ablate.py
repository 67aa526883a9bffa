"""`maskscope ablate`: what makes no sense is refused before anything is trained."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ablate", *arguments], env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("reverse4",),
        ("reverse4", "--shipped"),
        ("--shipped", "--width", "16"),
        ("--shipped", "--policy", "unmasked"),
        ("--shipped", "--seeds", "3"),
        ("--shipped", "--evaluation-words", "50"),
        ("reverse4", "--length", "4", "--max-length", "6", "--into", "x.json"),
        ("reverse4", "--policy", "unmasked", "--policy", "unmasked", "--into", "x.json"),
        ("reverse4", "--seeds", "0", "--into", "x.json"),
        ("reverse4", "--width", "wide", "--into", "x.json"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused_with_its_usage(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nope",), ("recipe", "'nope'", "reverse, reverse4")),
        (("reverse4", "--policy", "nope"), ("policy", "'nope'")),
        (("reverse4", "--width", "16", "--width", "1000"), ("width must be 8 to 128, not 1000")),
        (("reverse4", "--learning-rate", "7"), ("learning_rate must be",)),
        (("reverse4", "--width", "16", "--width", "16"), ("reverse4-width16 is there twice",)),
        (("reverse4", "--answer-length", "5"), ("answer_length must be 1 to 4, not 5")),
        (("reverse4", "--evaluation-words", "1001"), ("evaluation_words must be 1 to 1000, not 1001")),
    ],
)
def test_what_cannot_be_trained_ends_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    result = run(*arguments, "--into", str(tmp_path / "x.json"))
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("maskscope: ")
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []


def test_word_lengths_are_swept_each_as_the_only_one(tmp_path: Path) -> None:
    into = tmp_path / "x.json"
    options = "--seeds 1 --length 4 --length 6 --width 8 --steps 2 --evaluation-words 5 --policy unmasked --jobs 1"
    assert run("reverse4", *options.split(), "--into", str(into)).exit_code == 0
    settings = json.loads(into.read_text())["settings"]
    assert [(s["min_length"], s["max_length"], s["width"]) for s in settings] == [(4, 4, 8), (6, 6, 8)]


def test_values_are_crossed_and_end_in_one_file(tmp_path: Path) -> None:
    into = tmp_path / "x.json"
    options = "--seeds 1 --width 8 --width 16 --steps 2 --evaluation-words 5 --policy unmasked --jobs 1"
    assert run("reverse4", *options.split(), "--into", str(into)).exit_code == 0
    text = into.read_text()
    assert text.count('"unmasked","seed":0') == 2
    assert "prompt-masked" not in text
