"""app/cli.py: what each command prints, and how it ends when something is wrong."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner, Result
from uvicorn.config import STARTUP_FAILURE

from app import main
from app.catalog import Catalog
from app.cli import COMMANDS, app
from app.settings import Settings
from app.workers.log_writer import ServerLog
from model.errors import BrokenRun
from model.experiments.ablation.runs import ABLATION_FILE
from model.experiments.ablation.shipped import FINDINGS_FILE
from model.training.checkpoints import read_run
from model.training.pretraining import read_base
from model.training.recipes import RECIPES

MARKS = ["ignored"] * 6 + ["trained"] * 6


def run(*arguments: str, **environment: str) -> Result:
    """The command in this process, on a wide screen."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERM": "dumb", **environment})


def assert_one_line(result: Result, *words: str) -> None:
    """The command ended by an error that a user can cause."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("maskscope: ")
    for word in words:
        assert word in line


# Help


def test_without_arguments_the_commands_are_listed() -> None:
    result = run()
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", result.output)
    assert typer.main.get_command(app).commands.keys() == set(COMMANDS)  # type: ignore[attr-defined]


def test_every_module_of_commands_is_a_command_and_is_listed_with_its_own_words() -> None:
    folder = Path(sys.modules["app.commands"].__file__ or "").parent
    functions = {path.stem: path.read_text() for path in folder.glob("*.py")}
    assert {name for name, text in functions.items() if f"def {name}(" in text} == COMMANDS.keys() - {"serve"}
    for name, told in COMMANDS.items():
        help = typer.main.get_command(app).commands[name].help  # type: ignore[attr-defined]
        assert " ".join(help.split()).startswith(told), name


def test_a_server_loads_nothing_that_only_other_commands_or_inspections_need() -> None:
    heavy = ("httpx", "rich", "transformers", "tokenizers", "trl", "ray", "model.inspector.inspection", "torch._dynamo")
    program = (
        f"import sys; import app.main, app.serving.server; print([name for name in {heavy!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_and_a_command_s_name_are_had_without_what_only_commands_need() -> None:
    heavy = ("torch", "numpy", "fastapi", "pydantic", "uvicorn", "transformers", "httpx", "jinja2")
    program = (
        "import sys; from app.cli import app; sys.argv[1:] = ['--help']; app(standalone_mode=False); "
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage:" in result.stdout
    assert result.stderr.strip() == "[]"


def test_a_mask_is_shown_without_torch() -> None:
    program = "import sys; from app.cli import app; app(standalone_mode=False); print('torch' in sys.modules)"
    line = [sys.executable, "-c", program, "mask", "abc de 1", "abc de", "--recipe", "dialogue", "--policy", "packed"]
    result = subprocess.run(line, capture_output=True, text=True, check=True)
    assert "positions trained" in result.stdout
    assert result.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert result.stderr == ""
    for parameter in typer.main.get_command(app).commands[command].params:  # type: ignore[attr-defined]
        name = max(parameter.opts, key=len)
        assert name in result.stdout, name
    if command != "bench":
        assert f"Example: maskscope {command}" in result.stdout


@pytest.mark.parametrize("command", ["generate", "analyze", "export", "train", "ablate"])
def test_help_names_the_recipes_and_policies(command: str) -> None:
    text = run(command, "--help").stdout
    for name in (*RECIPES, "prompt-masked", "unmasked"):
        assert name in text


# generate and analyze


def test_generate_prints_the_conversation() -> None:
    assert run("generate", "hello").stdout == "<hello>olleh#\n"


def test_generate_takes_a_recipe_a_policy_a_step_and_a_cap() -> None:
    result = run("generate", "abcd", "--recipe", "reverse4", "--policy", "unmasked", "--max-new-tokens", "2", "--json")
    answer = json.loads(result.stdout)
    assert answer == {
        "prompt": "abcd",
        "text": "<abcd>dc",
        "completion": "dc",
        "finish_reason": "length",
        "step": 1000,
    }
    assert json.loads(run("generate", "hello", "--step", "200", "--json").stdout)["step"] == 200


def test_analyze_prints_one_row_for_each_position() -> None:
    result = run("analyze", "hello")
    assert result.exit_code == 0
    assert "<hello>olleh#" in result.stdout
    assert "6 of 12 positions trained" in result.stdout
    assert [row[:5] for row in table_rows(result)] == [
        [str(t), *cells]
        for t, cells in enumerate(zip("<hello>olleh", "hello>olleh#", "------olleh#", MARKS, strict=True))
    ]


def test_analyze_prints_the_policy_s_own_targets_beside_the_right_ones() -> None:
    rows = table_rows(run("analyze", "abcd", "--recipe", "reverse4", "--policy", "double-shift"))
    assert ["".join(row[column] for row in rows) for column in (1, 2, 3)] == ["<abcd>dcba", "bcd>dcba#-", "-----dcba#"]
    assert [rows[-1][5:7], rows[4][4]] == [["-", "-"], "trained"]


@pytest.mark.parametrize("columns", ["80", "120"])
def test_analyze_keeps_one_line_for_each_position_on_a_narrow_screen(columns: str) -> None:
    assert [row[4] for row in table_rows(run("analyze", "hello", COLUMNS=columns))] == MARKS


def table_rows(result: Result) -> list[list[str]]:
    """The cells of each line that tells of a position."""
    lines = (line.replace("│", " ").split() for line in result.stdout.splitlines())
    return [cells for cells in lines if cells and cells[0].isdecimal()]


def test_analyze_in_json_says_what_the_api_says() -> None:
    answer = json.loads(run("analyze", "hello", "--policy", "unmasked", "--step", "0", "--json").stdout)
    assert (answer["sequence_length"], answer["prompt_length"], answer["step"]) == (13, 7, 0)
    assert [p["position"] for p in answer["positions"] if p["supervised"]] == list(range(12))
    assert set(answer["positions"][0]["gradient"]) == {"logit_norm", "parameter_norm", "share", "input_norm"}


def test_analyze_takes_another_response_and_another_run_s_weights() -> None:
    arguments = ("analyze", "hello", "--response", "no", "--policy", "unmasked", "--trained-with", "prompt-masked")
    answer = json.loads(run(*arguments, "--json").stdout)
    assert "".join(answer["tokens"]) == "<hello>no#"
    own = json.loads(run("analyze", "hello", "--response", "no", "--json").stdout)
    assert [p["loss"] for p in answer["positions"]] == [p["loss"] for p in own["positions"]]


@pytest.mark.parametrize("command", ["generate", "analyze"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("HELLO",), ("prompt", "the 1st character is H", "letters a to z")),
        (("",), ("prompt", "you wrote 0", "1 to 10")),
        (("abcdefghijk",), ("you wrote 11", "1 to 10")),
        (("<img onerror=x>",), ("prompt",)),
        (("a\u202e",), ("U+202E",)),
        (("a\udcff",), ("U+DCFF",)),
        (("hello", "--policy", "nope"), ("policy", "'nope'", "prompt-masked, unmasked")),
        (("hello", "--step", "7"), ("Step 7", "0, 100")),
        (("hello", "--recipe", "reverse4"), ("exactly 4",)),
        (("hello", "--recipe", "nope"), ("recipe", "'nope'", "reverse, reverse4")),
    ],
)
def test_what_a_user_can_cause_ends_in_one_line_and_exit_code_1(
    command: str, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_one_line(run(command, *arguments), *words)


def test_a_cap_or_a_response_that_does_not_fit_ends_in_one_line() -> None:
    assert_one_line(run("generate", "hello", "--max-new-tokens", "99"), "max_new_tokens must be", "1 to 26")
    assert_one_line(run("analyze", "hello", "--response", "a" * 26), "response", "25 characters")
    assert_one_line(run("analyze", "hello", "--trained-with", "nope"), "'nope'", "prompt-masked, unmasked")


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate",),
        ("generate", "hello", "--step", "-1"),
        ("generate", "hello", "--step", "x"),
        ("generate", "hello", "--max-new-tokens", "0"),
        ("generate", "hello", "more"),
        ("generate", "hello", "--nope"),
        ("nope",),
        ("bench", "--only", "nope"),
        ("bench", "--school", "--seconds", "0"),
        ("bench", "--school", "--seconds", "3601"),
        ("bench", "--school", "--url", "http://school.example:8000"),
        ("bench", "--school", "--measure", "--before"),
        ("bench", "--load", "--measure"),
        ("train", "--json"),
        ("train", "reverse4", "--into", "somewhere"),
        ("train", "reverse4", "--seed", "-1"),
        ("train", "reverse4", "--seed", "2147483648"),
        ("train", "reverse4", "--jobs", "0"),
        ("train", "reverse4", "--jobs", "65"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused_with_its_usage(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage:" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_load_on_a_server_that_is_not_there_is_refused_in_one_line() -> None:
    assert_one_line(run("bench", "--school", "--url", "http://127.0.0.1:9"), "http://127.0.0.1:9", "no Maskscope")


def test_train_refuses_what_does_not_exist_before_it_trains_anything(tmp_path: Path) -> None:
    into = ("--into", str(tmp_path / "run"))
    assert_one_line(run("train", "reverse4", "--policy", "nope", *into), "'nope'", "prompt-masked, unmasked")
    assert_one_line(run("train", "nope", "--policy", "unmasked", *into), "'nope'", "reverse, reverse4")
    assert not (tmp_path / "run").exists()


# export


def test_export_writes_a_folder_and_prints_its_files(tmp_path: Path) -> None:
    result = run("export", "reverse", "prompt-masked", str(tmp_path / "exported"), "--step", "1000")
    written = {path.name for path in (tmp_path / "exported").iterdir()}
    assert written >= {"config.json", "model.safetensors", "generation_config.json", "tokenizer.json"}
    assert {Path(line).name for line in result.stdout.splitlines()} == written


@pytest.mark.parametrize(
    "arguments", [("reverse", "nope"), ("nope", "unmasked"), ("reverse", "unmasked", "--step", "7")]
)
def test_export_of_what_does_not_exist_writes_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    recipe, policy, *options = arguments
    assert_one_line(run("export", recipe, policy, str(tmp_path / "exported"), *options))
    assert not (tmp_path / "exported").exists()


def test_export_to_where_nothing_can_be_written_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_line(run("export", "reverse", "unmasked", str(tmp_path / "file" / "exported")), str(tmp_path / "file"))


# Settings and runs that are not as they should be


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("MASKSCOPE_PORT", "many", "port"),
        ("MASKSCOPE_PORT", "65536", "port"),
        ("MASKSCOPE_QUEUE_SIZE", "0", "queue_size"),
        ("MASKSCOPE_ALLOWED_HOSTS", "class.example", "allowed_hosts"),
        ("MASKSCOPE_ALLOWED_HOSTS", "[1", "allowed_hosts"),
        ("MASKSCOPE_TEACHER_TOKEN", "too short", "teacher_token: a teacher's token has 16 to 128 characters"),
    ],
)
@pytest.mark.parametrize("command", [("serve",), ("generate", "hello")])
def test_a_setting_out_of_bounds_ends_in_one_line(command: tuple[str, ...], name: str, value: str, word: str) -> None:
    assert_one_line(run(*command, **{name: value}), word)


@pytest.mark.parametrize(
    "command", [("generate", "hello"), ("analyze", "hello"), ("export", "reverse", "unmasked", "x")]
)
def test_a_command_that_needs_the_runs_names_the_file_that_is_missing(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = run(*command, MASKSCOPE_TRAINED_FOLDER=str(tmp_path))
    assert_one_line(result, f"{tmp_path}/reverse/prompt-masked/run.json: No such file")


def _spoil(folder: Path, kind: str) -> Path:
    """Break a copy of the shipped runs; the file that is at fault."""
    weights = folder / "reverse" / "unmasked" / "step_003000.safetensors"
    run_file = folder / "reverse4" / "prompt-masked" / "run.json"
    match kind:
        case "missing":
            weights.unlink()
        case "truncated":
            os.truncate(weights, 1000)
        case "tampered":
            weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
        case "broken run":
            run_file.write_text(run_file.read_text()[:500])
            return run_file
    return weights


@pytest.mark.parametrize("kind", ["missing", "truncated", "tampered", "broken run"])
def test_serve_ends_in_one_line_that_names_a_broken_file(
    trained_copy: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.serving.server.serve", lambda *_: pytest.fail("it serves"))  # or this test would not end
    file = _spoil(trained_copy, kind)
    assert_one_line(run("serve", "--port", "0", MASKSCOPE_TRAINED_FOLDER=str(trained_copy)), f"maskscope: {file}: ")


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """The shipped runs through links, each of which a test may put another file in the place of."""
    folder = tmp_path / "linked"
    folder.mkdir()
    for path in Settings().trained_folder.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "altered": lambda content: content.replace(b":", b";", 1),
    "of another kind": lambda _: b'{"rows": [NaN]}',
    "not in UTF-8": lambda content: content[:2] + b"\xff" + content[2:],
    "deeply nested": lambda _: b"[" * 100_000,
}
"""What becomes of a file; None: it is gone."""


def damage(file: Path, kind: str) -> None:
    content = DAMAGES[kind](file.read_bytes())
    file.unlink()
    if content is not None:
        file.write_bytes(content)


@pytest.mark.parametrize("name", sorted(path.name for path in Settings().trained_folder.glob("*.json")))
def test_serve_ends_in_one_line_that_names_a_broken_measurement_and_what_makes_it_anew(
    linked: Path, name: str, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.serving.server.serve", lambda *_, **__: pytest.fail("it serves"))
    monkeypatch.setattr("app.main.load_catalog", lambda _: catalog)  # all that is no model is read once more
    if name not in (ABLATION_FILE, FINDINGS_FILE):
        shipped = main.load_ablation(Settings().trained_folder)
        monkeypatch.setattr("app.main.load_ablation", lambda _: shipped)
    file, whole = linked / name, (linked / name).resolve()
    for kind in ("missing", "empty", "truncated", "of another kind"):
        damage(file, kind)
        result = run("serve", "--port", "0", MASKSCOPE_TRAINED_FOLDER=str(linked))
        assert_one_line(result, f"maskscope: {file}: ", "; `maskscope ", "makes it anew")
        file.unlink(missing_ok=True)
        file.symlink_to(whole)


@pytest.mark.parametrize("name", ["reverse/unmasked/run.json", "worksheet/seed-1/base.json"])
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_run_that_cannot_be_read_is_named_with_what_makes_it(tmp_path: Path, name: str, kind: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    shutil.copy(Settings().trained_folder / name, file)
    damage(file, kind)
    with pytest.raises(BrokenRun) as caught:
        (read_run if file.name == "run.json" else read_base)(file.parent)
    assert caught.value.message.startswith(f"{file}: ")
    assert re.search(r"; `(make|maskscope) train( worksheet)?` makes it", caught.value.message)
    assert "\n" not in caught.value.message


def test_a_process_that_cannot_serve_ends_in_one_line_too(linked: Path) -> None:
    file = linked / "dispatcher.json"
    damage(file, "truncated")
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    environment = os.environ | {"MASKSCOPE_TRAINED_FOLDER": str(linked)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"maskscope: {file}: ")
    assert line.endswith("; `maskscope dispatcher --measure` makes it anew")


def test_serve_on_a_port_that_is_taken_says_so_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("w") as log, socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr("app.serving.server.ServerLog", lambda: ServerLog(log, log))  # its own: stderr is pytest's
        monkeypatch.setattr("uvicorn.Server.main_loop", lambda _: pytest.fail("it serves"))  # or it would not end
        ended = run("serve", "--port", str(taken.getsockname()[1]))
    said = (tmp_path / "log").read_text()
    assert (ended.exit_code, ended.output) == (STARTUP_FAILURE, "")
    assert "address already in use" in said
    assert "Traceback" not in said


def test_serve_with_several_processes_says_of_a_port_that_is_taken_which_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = run("serve", "--workers", "2", "--port", port)
    assert_one_line(refused, "maskscope: Address already in use", port)
