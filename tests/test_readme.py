"""The README says what is true: its requests work, its commands exist, its table is what was measured."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.readme_tables import written

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
CHECKS = [c for c in COMMANDS if c.endswith("--check")]
"""They measure for seconds what ships. Their commands' own tests run them, and look at what they say."""


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("curl")])
def test_every_request_works_as_it_stands(command: str, live_server: str) -> None:
    words = shlex.split(command)
    address = next(word for word in words if word.startswith("http://127.0.0.1:8000"))
    body = json.loads(words[words.index("-d") + 1])
    response = httpx.post(address.replace("http://127.0.0.1:8000", live_server), json=body)
    assert response.status_code == (201 if address.endswith("/races") else 200)
    told = response.text if "stream" in body else response.json()
    assert "hello" in response.text or {"prompt_length", "events", "mistake_count", "completion"} & set(told)


def test_the_standard_client_s_example_works_as_it_stands(live_server: str, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(from openai.*?)```", README, re.DOTALL)
    exec(example.replace("http://127.0.0.1:8000", live_server), {})
    answer, *scores = capsys.readouterr().out.splitlines()
    assert answer == "olleh"
    assert [line.split(" ")[0] for line in scores] == ["prompt-masked", "unmasked"]
    assert all(line.count(",") == len("<live>evil#") - 1 for line in scores)


@pytest.mark.usefixtures("read_once")
@pytest.mark.parametrize("command", [c for c in COMMANDS if "bin/maskscope" in c and c not in CHECKS])
def test_every_command_works_as_it_stands(command: str, tmp_path: Path) -> None:
    arguments = [str(tmp_path) if word == "exported" else word for word in shlex.split(command)[1:]]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.output


@pytest.mark.parametrize("command", [c for c in COMMANDS if "# exit code" in c])
def test_every_exit_code_is_the_one_said_and_so_is_what_is_found(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = (c.removeprefix("cd ") for c in COMMANDS if c.startswith("cd model/"))
    monkeypatch.chdir(ROOT / folder)
    asked, code, found = re.fullmatch(r"maskscope (.+?) +# exit code (\d): (.+)", command).groups()  # type: ignore[union-attr]
    result = CliRunner().invoke(app, shlex.split(asked))
    assert result.exit_code == int(code), result.output
    assert found in result.output


@pytest.mark.parametrize("command", CHECKS)
def test_every_check_is_run_as_it_stands_by_its_command_s_tests(command: str) -> None:
    _, name, *options = shlex.split(command)
    tests = [path.read_text() for path in (ROOT / "tests" / "app" / "commands").glob("test_*.py")]
    called = ", ".join(map(json.dumps, options))
    assert [text for text in tests if f'["{name}", {called}]' in text or f'run("{name}", {called})' in text]


@pytest.mark.parametrize("target", re.findall(r"`(?:[A-Z]+=\S+ )*make (\w+)`", README))
def test_every_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_what_it_shows_of_the_product_and_its_measurements_is_what_they_are() -> None:
    assert written(README) == README, "`make readme` writes it anew"
