"""`maskscope gallery`: every symptom in 80 columns, checked against the weights; what makes no sense is refused."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.settings import Settings
from model.experiments.bugs.gallery import GALLERY, GALLERY_RUNS, KEPT_GALLERY, read_gallery
from model.training.recipes import MASK_RECIPES


def run(*arguments: str, columns: int = 80, trained: Path | None = None) -> Result:
    env = {"COLUMNS": str(columns), "TERM": "dumb"} | ({"MASKSCOPE_TRAINED_FOLDER": str(trained)} if trained else {})
    return CliRunner().invoke(app, arguments, env=env)


def rows(result: Result) -> dict[tuple[str, str], list[str]]:
    """The table's figures by recipe and policy."""
    cells = [line.split() for line in result.stdout.splitlines()]
    return {(words[0], words[1]): words[2:] for words in cells if len(words) == 9 and words[0] in MASK_RECIPES}


@pytest.fixture
def misstated(trained_copy: Path) -> Path:
    """The shipped runs, with a gallery that says of one model that it gets its first letter right."""
    path = trained_copy / KEPT_GALLERY.name
    stated = json.loads(path.read_text())
    row = next(row for row in stated if row["policy"] == "mask-late")
    row["symptoms"]["first_right"]["value"] = 1.0
    path.write_text(json.dumps(stated))
    return trained_copy


def test_in_80_columns_every_run_stands_in_one_line_with_its_whole_name_and_its_figures():
    result = run("gallery")
    assert result.exit_code == 0
    assert "…" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    shown = rows(result)
    assert set(shown) == set(GALLERY_RUNS)
    for key, measured in read_gallery(Settings().trained_folder).items():
        s = measured.symptoms
        assert [float(figure) for figure in shown[key][:3]] == [s.exact_match.value, s.first_right.value, s.stops.value]
        assert float(shown[key][3]) == round(s.runaway, 1)
        assert (shown[key][4] == "none") == (s.own_loss is None)
        assert float(shown[key][5]) == pytest.approx(s.answer_loss, abs=0.0006)
    assert "Rates are of 500 unseen prompts" in result.stdout


@pytest.mark.parametrize("columns", [60, 52])
def test_in_fewer_columns_a_name_goes_on_in_the_next_line_and_nothing_is_lost(columns: int):
    wide, narrow = run("gallery"), run("gallery", columns=columns)
    assert max(map(len, narrow.stdout.splitlines())) <= columns
    assert "…" not in narrow.stdout
    letters = "".join(narrow.stdout.split())
    assert sorted(letters) == sorted("".join(wide.stdout.split()).replace("─" * 72, "─" * letters.count("─")))


def test_one_recipe_can_be_asked_for():
    shown = rows(run("gallery", "--recipe", "reverse4"))
    assert set(shown) == {key for key in GALLERY_RUNS if key[0] == "reverse4"}


def test_a_check_measures_the_models_anew_and_agrees_with_what_is_stated():
    result = run("gallery", "--recipe", "reverse4", "--check")
    models = sum(recipe == "reverse4" for recipe, _ in GALLERY_RUNS)
    assert models >= len([bug for bug in GALLERY.values() if bug.recipe.slug == "reverse4"]) > 5
    assert result.exit_code == 0, result.output
    assert f"{models} models measured anew, figures that differ from those stated: 0" in result.stdout


def test_a_check_names_what_is_stated_wrongly_and_fails(misstated: Path):
    result = run("gallery", "--recipe", "reverse4", "--check", columns=200, trained=misstated)
    assert result.exit_code == 1
    assert "reverse4/mask-late: first_right: stated (1.0,), measured (0.036,)" in result.stdout
    assert "figures that differ from those stated: 1" in result.stdout


def test_without_a_check_nothing_is_measured(misstated: Path):
    result = run("gallery", trained=misstated)
    assert result.exit_code == 0
    assert rows(result)["reverse4", "mask-late"][1] == "1.000"


@pytest.mark.parametrize(
    "arguments",
    [("--recipe", "reverse", "--measure"), ("--recipe", "reverse", "--train"), ("--jobs", "0"), ("bug",)],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: tuple[str, ...]):
    result = run("gallery", *arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_an_unknown_recipe_ends_in_one_line_that_names_the_known_ones():
    result = run("gallery", "--recipe", "nope")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line == "maskscope: There is no recipe 'nope'. Choose one of: " + ", ".join(MASK_RECIPES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("No such file",)),
        ("[]", ("lacks reverse/prompt-masked", "maskscope gallery --measure")),
        ('[{"recipe": "reverse"}]', ("Field required",)),
        ("?", ("Invalid JSON",)),
    ],
)
def test_a_gallery_that_is_missing_or_broken_ends_in_one_line_that_names_the_file(
    tmp_path: Path, content: str | None, words: tuple[str, ...]
):
    if content is not None:
        (tmp_path / KEPT_GALLERY.name).write_text(content)
    result = run("gallery", trained=tmp_path)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    for word in (str(tmp_path / KEPT_GALLERY.name), *words):
        assert word in line


def test_a_check_of_models_that_are_not_there_names_the_file(tmp_path: Path):
    stated = Settings().trained_folder / KEPT_GALLERY.name
    (tmp_path / KEPT_GALLERY.name).write_bytes(stated.read_bytes())
    result = run("gallery", "--check", "--recipe", "dialogue", columns=200, trained=tmp_path)
    assert result.exit_code == 1
    assert f"maskscope: {tmp_path / 'dialogue' / 'prompt-masked' / 'run.json'}" in result.stderr
