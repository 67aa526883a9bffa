"""Rows, dumps and tokenizers that are damaged, or made to do harm: each says what is wrong, or is inspected."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from model.inspector.folders import TokenizerFolder, folder_of
from model.inspector.options import Options
from model.inspector.refusals import UnreadableInput
from model.inspector.report import Report
from model.inspector.session import prepare_data, prepare_dump, report_on
from tests.model.inspector.conftest import CHATML, tokenizer_json
from tests.model.inspector.families import FAMILIES

TEMPLATE = FAMILIES["chatml"].template
ASKED, ANSWERED = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}
HUGE = 10**400
IDS = {"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}


def row(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [*messages], **more}


def answer(**more: Any) -> dict[str, Any]:
    return row(ASKED, {**ANSWERED, **more})


def reported(folder: TokenizerFolder, one: Any, dump: bool) -> Report:
    options = Options()
    make = prepare_dump([one], None, folder, TEMPLATE, options, datetime(2026, 1, 1)) if dump else None
    return report_on(make or prepare_data([one], folder, TEMPLATE, options, datetime(2026, 1, 1)), options)


REFUSED = {
    "messages that are a text": (row() | {"messages": "abc"}, "messages is not a list of objects"),
    "messages that are texts": (row("a", "b"), "messages is not a list of objects"),
    "arguments that are a list": (answer() | {"chat_template_kwargs": [1]}, "chat_template_kwargs is not an object"),
    "a detail without a place": (answer(train_detail=[{"train": True}]), "'begin_offset' is missing"),
    "a turn from nobody": ({"conversations": [{"value": "Hi"}]}, "'from' is missing"),
    "a text and a list": ({"prompt": "Hi", "completion": [ANSWERED]}, "neither two texts nor two lists of messages"),
    "a history of halves": ({"query": "a", "response": "b", "history": [["x"]]}, "not enough values"),
    "a number": (5, "no known shape"),
    "nothing": (None, "no known shape"),
}
REFUSED_DUMPS = {
    "a label that is no number": ({"input_ids": [1, 2], "labels": [1, float("nan")]}, "NaN"),
    "an endless label": ({"input_ids": [1, 2], "labels": [1, float("inf")]}, "infinity"),
    "ids by name": ({"input_ids": {"a": 1}, "labels": {"a": 1}}, "its ids are not a list"),
    "a weight too large": ({"input_ids": [1, 2], "weights": [HUGE, 1]}, "too large"),
    "positions as texts": ({**IDS, "position_ids": ["a", "b", "c"]}, "position_ids is not a list of whole numbers"),
    "one attention for all": ({**IDS, "attention_mask": 1}, "attention_mask is not a list of whole numbers"),
    "a batch that is none": ({"input_ids": [[1, 2], 3], "labels": [[1, 2], [3]]}, "not iterable"),
}
READ: dict[str, tuple[Any, set[str]]] = {
    "numbers for texts": (row({"role": "user", "content": float("nan")}, {**ANSWERED, "content": HUGE}), set()),
    "NUL characters": (row({"role": "user", "content": "a\0b"}, {**ANSWERED, "content": "\0\0"}), set()),
    "words of ours": (row({"role": "user", "content": "Qz0zQ"}, {**ANSWERED, "content": f"Qz1zQ Qz{HUGE}zQ"}), set()),
    "a text of a megabyte": (answer(content="a" * (1 << 20)), {"M27"}),
    "roles that are none": (row({"role": ["user"], "content": "x"}, ANSWERED), {"M35"}),
    "calls that are none": (answer(tool_calls=[None, 5, {"function": None}, {"function": {"name": None}}]), set()),
    "a call that is a number": (answer(tool_calls=5), set()),
    "tools that are a number": (answer() | {"tools": 5}, set()),
    "no messages": (row(), {"M35"}),
    "places beyond the text": (
        answer(train_detail=[{"begin_offset": -5, "end_offset": HUGE, "train": False}]), set()
    ),
    "a huge weight": (answer(weight=HUGE), set()),
}  # fmt: skip
READ_DUMPS: dict[str, tuple[Any, set[str]]] = {
    "a huge id": ({"input_ids": [1, HUGE, 3], "labels": [-100, HUGE, 3]}, {"M38"}),
    "an id of another tokenizer": ({"input_ids": [1, 1 << 40, 3], "labels": [-100, 1 << 40, 3]}, {"M38"}),
    "segments without an end": ({**IDS, "cu_seqlens": [0, HUGE]}, set()),
    "segments below nothing": ({**IDS, "seq_lengths": [-5, 1 << 50]}, set()),
    "a short attention": ({**IDS, "attention_mask": [1]}, {"M21"}),
    "more labels than ids": ({"input_ids": [1], "labels": [1, 2, 3]}, {"M21"}),
    "no tokens": ({"input_ids": [], "labels": []}, set()),
}


@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_DUMPS])
def test_a_damaged_row_is_refused_by_its_number_with_the_reason(name: str, chatml: TokenizerFolder):
    one, says = (REFUSED | REFUSED_DUMPS)[name]
    with pytest.raises(UnreadableInput, match=says if one in (5, None) else f"row 1: .*{says}"):
        reported(chatml, one, name in REFUSED_DUMPS)


@pytest.mark.parametrize("name", [*READ, *READ_DUMPS])
def test_an_odd_row_is_inspected(name: str, chatml: TokenizerFolder):
    one, rules = (READ | READ_DUMPS)[name]
    report = reported(chatml, one, name in READ_DUMPS)
    assert {finding.rule for finding in report.findings} >= rules
    assert json.loads(json.dumps(report.as_plain(), allow_nan=False))["counts"]["rows"] == 1


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    tokenizer = json.loads(tokenizer_json(CHATML))
    change(tokenizer)
    return json.dumps(tokenizer)


def added(**token: Any) -> str:
    return changed(lambda made: made["added_tokens"].append({**made["added_tokens"][0], **token}))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"tokenizer.json": changed(lambda made: made["model"].update(type="Quantum"))}, "of the type 'Quantum'"),
        ({"tokenizer.json": "[]"}, "an object is expected"),
        ({"tokenizer.json": "{}"}, "Model missing"),
        ({"tokenizer.json": "[" * 100_000}, "tokenizer.json"),
        ({"tokenizer.json": added(content="<huge>", id=1 << 40)}, "expected u32"),
        ({"tokenizer.json": changed(lambda made: made["model"]["merges"].append(["x", "yz"]))}, "out of vocabulary"),
        ({"tokenizer.json": tokenizer_json(CHATML), "tokenizer_config.json": "[]"}, "an object is expected"),
        ({"tokenizer_config.json": "{}"}, "there is no tokenizer.json"),
    ],
)  # fmt: skip
def test_a_damaged_tokenizer_is_refused_with_the_reason(files: dict[str, str], says: str):
    with pytest.raises(UnreadableInput, match=says):
        folder_of(files)


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer.json": changed(lambda made: made["added_tokens"].extend(made["added_tokens"] * 3))},
        {"tokenizer.json": added(content="<|im_end|><|im_end|>", id=9_000)},
        {"tokenizer.json": added(content="", id=9_001)},
        {"tokenizer_config.json": '{"chat_template": [{"name": "default"}, {"name": "x", "template": null}]}'},
        {"tokenizer_config.json": '{"eos_token": ["x"], "pad_token": {"content": 5}}'},
        {"generation_config.json": f'{{"eos_token_id": [[1], {HUGE}, -5, 1.5, null]}}'},
        {"config.json": f'{{"image_token_id": {HUGE}}}'},
    ],
)
def test_a_tokenizer_with_odd_tokens_and_files_is_read(files: dict[str, str]):
    folder = folder_of({"tokenizer.json": tokenizer_json(CHATML)} | files)
    assert reported(folder, answer(), dump=False).partial.rows == 1
