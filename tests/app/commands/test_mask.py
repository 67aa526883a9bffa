"""`maskscope mask`: labels in the terminal, and as JSON."""

import json

import pytest
from typer.testing import CliRunner

from app.api.mask import MaskAnswer
from app.cli import app


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["mask", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_a_word_is_spelled_out_position_by_position() -> None:
    output = run("hello", "--policy", "mask-late")
    assert "y[: P] = IGNORE_INDEX" in output
    assert "5 of 12 positions trained, 1 not as the right mask has them" in output
    (lost,) = (line for line in output.splitlines() if "lost" in line)
    assert lost.split() == ["6", "6", ">", "o", "lost"]


def test_json_is_that_of_the_api() -> None:
    output = run("abc de 1", "--recipe", "dialogue", "--policy", "last-turn-only", "--json")
    assert MaskAnswer.model_validate_json(output).model_dump_json() == output.strip()
    answer = json.loads(output)
    assert (answer["recipe"], answer["policy"]) == ("dialogue", "last-turn-only")
    assert (answer["supervised_count"], answer["mistake_count"]) == (4, 7)
    assert [cell["target"] for cell in answer["rows"][0] if cell["target"]] == list("cba#")


def test_several_words_are_a_batch_padded_or_packed() -> None:
    assert run("hello", "ab", "--policy", "left-pad").count("pad") > 5
    packed = json.loads(run("hello", "ab", "--policy", "packed", "--json"))
    assert [len(row) for row in packed["rows"]] == [19]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["HI"], "maskscope: prompt: Use letters a to z only: the 1st character is H"),
        (["hello", "--policy", "nope"], "There is no policy 'nope'"),
        (["hello", "--recipe", "nope"], "There is no recipe 'nope'"),
        (
            ["hello", "--policy", "packed", "--row-tokens", "3"],
            "A conversation can have 3 tokens at most; this one has 13",
        ),
        (["a"] * 9, "Give 1 to 8 conversations; there are 9"),
    ],
)
def test_what_cannot_be_labelled_is_one_line(arguments: list[str], said: str) -> None:
    assert said in run(*arguments, code=1)
