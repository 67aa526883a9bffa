"""The command from files to exit codes: rows, dumps, tables, standard input, and what other programs read."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from typer.testing import CliRunner, Result

from app.cli import app
from app.settings import ROOT, Settings
from model.inspector.examples import NAME

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ROWS = [
    {"messages": [{"role": "user", "content": f"Question {n}?"}, {"role": "assistant", "content": f"Answer {n}."}]}
    for n in range(300)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tokenizer")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    tokenizer.train_from_iterator(["answer"], trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet))
    tokenizer.save(str(made / "tokenizer.json"))
    config = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "chat_template": TEMPLATE}
    (made / "tokenizer_config.json").write_text(json.dumps(config))
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return lines(tmp_path / "data.jsonl", ROWS)


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def maskscope(*words: object, given: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=given)


def dump_of(folder: Path, rows: list[Any], stop: bool) -> list[dict[str, Any]]:
    tokenizer, dump = Tokenizer.from_file(str(folder / "tokenizer.json")), []
    for row in rows:
        asked, said = (message["content"] for message in row["messages"])
        prompt = f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"
        ids = tokenizer.encode(f"{prompt}{said}<|im_end|>\n", add_special_tokens=False).ids
        start = len(tokenizer.encode(prompt, add_special_tokens=False).ids)
        end = len(ids) - (1 if stop else 2)
        dump.append({"input_ids": ids, "labels": [-100] * start + ids[start:end] + [-100] * (len(ids) - end)})
    return dump


def test_right_rows_are_clean_and_the_first_line_says_what_was_found(folder: Path, data: Path):
    ended = maskscope("inspect", data, "--tokenizer", folder)
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout.startswith("300 rows with")
    assert "Nothing found." in ended.stdout


def test_a_dump_whose_stops_are_lost_fails_with_rows_and_tokens_and_mended_it_is_clean(
    folder: Path, data: Path, tmp_path: Path
):
    wrong = lines(tmp_path / "wrong.jsonl", dump_of(folder, ROWS, stop=False))
    ended = maskscope("inspect", wrong, "--dump", "--against", data, "--tokenizer", folder, "--json")
    assert ended.exit_code == 1, ended.stderr
    report = json.loads(ended.stdout)
    assert {one["rule"] for one in report["findings"]} == {"M03"}
    assert report["summary"][0]["rows"] == 300
    assert report["convention"]["alignment"] == "aligned"
    assert (report["intent"]["turns"], report["intent"]["given"]) == ("all-assistant", False)
    first = report["findings"][0]
    assert json.loads(wrong.read_text().splitlines()[0])["labels"][first["positions"][0]] == -100
    right = lines(tmp_path / "right.jsonl", dump_of(folder, ROWS, stop=True))
    assert maskscope("inspect", right, "--dump", "--against", data, "--tokenizer", folder).exit_code == 0


def test_other_programs_read_sarif_annotations_and_a_baseline(folder: Path, tmp_path: Path):
    data = lines(tmp_path / "data.jsonl", [*ROWS[:2], {"messages": [{"role": "user", "content": "Hi"}]}])
    sarif, report = tmp_path / "out.sarif", tmp_path / "report.json"
    ended = maskscope("inspect", data, "--tokenizer", folder, "--json", "--sarif", sarif)
    assert ended.exit_code == 1
    report.write_text(ended.stdout)
    (result,) = [one for one in json.loads(sarif.read_text())["runs"][0]["results"] if one["ruleId"] == "M35"]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    ignored = tmp_path / "ignored"
    ignored.write_text("M35: rows without an answer are dropped by our loader\n")
    for more in (("--baseline", report), ("--ignore", ignored), ("--fail-on", "never")):
        annotated = maskscope("inspect", data, "--tokenizer", folder, "--github", *more)
        assert annotated.exit_code == 0
        assert f"::error file={data},line=3,title=M35 role-problem::" in annotated.stdout


def test_tables_arrays_and_standard_input_are_read_as_lines_are(folder: Path, tmp_path: Path):
    array, table = tmp_path / "rows.json", tmp_path / "rows.parquet"
    array.write_text(json.dumps(ROWS[:3], indent=1))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS[:3]), table)
    text = "".join(f"{json.dumps(row)}\n" for row in ROWS[:3])
    for path, given in ((array, None), (table, None), ("-", text)):
        ended = maskscope("inspect", path, "--tokenizer", folder, "--json", given=given)
        assert ended.exit_code == 0, ended.stderr
        assert json.loads(ended.stdout)["counts"]["rows"] == 3


def test_what_cannot_be_read_ends_with_2_and_a_limit_with_4_in_one_line(folder: Path, data: Path, tmp_path: Path):
    broken, loops = tmp_path / "broken.jsonl", tmp_path / "loops.jinja"
    half = lines(tmp_path / "half.jsonl", [*ROWS[:2], {"messages": [{"role": "user", "content": "\ud800"}]}])
    endless = lines(tmp_path / "endless.jsonl", [{"input_ids": [1, 2], "labels": [1, float("inf")]}])
    broken.write_text('{"messages": [}\n')
    loops.write_text("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    for words, code, says in (
        ((broken, "--tokenizer", folder), 2, "line 1"),
        ((half, "--tokenizer", folder), 2, "surrogate"),
        ((endless, "--dump", "--tokenizer", folder), 2, "row 1: a dump's row"),
        ((tmp_path / "none.jsonl", "--tokenizer", folder), 2, "No such file"),
        ((data, "--tokenizer", tmp_path), 2, "tokenizer.json"),
        ((data, "--tokenizer", folder, "--template", loops), 4, "longer than it may"),
    ):
        ended = maskscope("inspect", *words)
        assert (ended.exit_code, ended.stdout) == (code, ""), ended.stderr
        assert says in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1


def test_one_html_file_shows_the_rows_that_findings_name_and_asks_for_nothing_else(
    folder: Path, data: Path, tmp_path: Path
):
    wrong = lines(tmp_path / "wrong.jsonl", [*dump_of(folder, ROWS[:2], True), *dump_of(folder, ROWS[2:4], False)])
    page = tmp_path / "report.html"
    ended = maskscope("inspect", wrong, "--dump", "--against", data, "--tokenizer", folder, "--html", page)
    assert ended.exit_code == 1, ended.stderr
    html = page.read_text()
    assert "M03 stop-not-supervised" in html
    assert re.findall("<h2>Row (\\d+) of 4", html) == ["3", "4"]
    trained = re.findall('<span class="t tr" id="[^"]+">([^<]*)</span>', html)
    assert "".join(trained) == "Answer·2.Answer·3."
    assert not re.search(r"<script|https?://|url\(|<link|<img| src=", html)
    jumps = re.findall('href="#(r[^"]+)"', html)
    assert jumps
    assert {f'id="{jump}"' in html for jump in jumps} == {True}


def test_markdown_is_a_table_of_findings_and_says_so_if_there_are_none(folder: Path, data: Path, tmp_path: Path):
    clean = maskscope("inspect", data, "--tokenizer", folder, "--markdown")
    assert clean.stdout.endswith("Nothing found.\n")
    dump = lines(tmp_path / "dump.jsonl", dump_of(folder, ROWS[:3], stop=False))
    ended = maskscope("inspect", dump, "--dump", "--tokenizer", folder, "--markdown")
    assert (ended.exit_code, ended.stdout.count("\n| error | M03 stop-not-supervised | 3 |")) == (1, 1)


def test_what_the_server_supplies_depends_on_what_it_is_told(folder: Path, data: Path, tmp_path: Path):
    template = tmp_path / "thinks.jinja"
    template.write_text(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}<think></think>{% endif %}"
        "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
        "{% if enable_thinking is false %}<think></think>{% endif %}{% endif %}"
    )
    words = ("inspect", data, "--tokenizer", folder, "--template", template, "--json")
    supplied = [
        json.loads(maskscope(*words, *more).stdout)["counts"]["by_owner"]["supplied"]
        for more in ((), ("--serve-arg", "enable_thinking=false"))
    ]
    assert supplied[1] - supplied[0] == len(ROWS) * len("<think></think>")


def test_labels_that_cannot_be_told_end_with_3_and_a_row_at_a_limit_with_4(folder: Path, tmp_path: Path):
    same = lines(tmp_path / "same.jsonl", [{"input_ids": [7] * 40, "labels": [-100] * 10 + [7] * 30}])
    ended = maskscope("inspect", same, "--dump")
    assert (ended.exit_code, "Cannot tell how labels lie" in ended.stdout) == (3, True), ended.stdout
    template = tmp_path / "slow.jinja"
    template.write_text(
        "{% if messages[0].content == 'loop' %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}"
        f"{{% endfor %}}{{% endif %}}{TEMPLATE}"
    )
    loops = {"messages": [{"role": "user", "content": "loop"}, {"role": "assistant", "content": "Yo"}]}
    data = lines(tmp_path / "data.jsonl", [*ROWS[:2], loops])
    ended = maskscope("inspect", data, "--tokenizer", folder, "--template", template)
    assert (ended.exit_code, "A limit was hit" in ended.stdout) == (4, True), ended.stdout


def test_the_example_of_the_readme_ends_as_the_readme_says(monkeypatch: pytest.MonkeyPatch):
    readme = (ROOT / "README.md").read_text("utf-8")
    said = re.findall(r"^maskscope (inspect .+?)  # exit code (\d): (.+?)\.?$", readme, re.MULTILINE)
    monkeypatch.chdir(Settings().trained_folder / "tokenizers" / NAME)
    codes = []
    for words, code, says in said:
        ended = maskscope(*words.split())
        assert (ended.exit_code, all(word in ended.stdout for word in says.split())) == (int(code), True), ended.stdout
        codes.append(ended.exit_code)
    assert codes == [1, 0]


def test_two_processes_say_what_one_says(folder: Path, tmp_path: Path):
    rows = [*ROWS, {"messages": [{"role": "user", "content": "Hi"}]}, *ROWS]
    data = lines(tmp_path / "data.jsonl", rows)
    one, two = (maskscope("inspect", data, "--tokenizer", folder, "--json", "--processes", n) for n in (1, 2))
    reports = [json.loads(ended.stdout) for ended in (one, two)]
    assert reports[0]["findings"] == reports[1]["findings"]
    assert reports[0]["counts"] == reports[1]["counts"]
    assert [found["row"] for found in reports[0]["findings"] if found["rule"] == "M35"] == [300]


def test_a_template_is_judged_alone_and_from_standard_input(folder: Path):
    assert maskscope("template", "-", "--tokenizer", folder, given=TEMPLATE).exit_code == 0
    ended = maskscope("template", "-", "--json", given=TEMPLATE.replace("<|im_end|>", ""))
    assert ended.exit_code == 1
    assert "M07" in {one["rule"] for one in json.loads(ended.stdout)["findings"]}
