"""What the page shows of its own examples, worked out again by plain transformers and a search for header and stop."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import transformers

from model.inspector.contract import PROBES
from model.inspector.folders import read_folder
from model.inspector.options import Options
from model.inspector.session import prepare_data, prepare_dump, report_on
from model.inspector.showing import show_row

FOLDER = Path(__file__).parents[3] / "model" / "trained" / "tokenizers" / "chatml"
ROWS = [json.loads(line) for line in (FOLDER / "rows.jsonl").read_text("utf-8").splitlines()]
TWO = [
    {"messages": [
        {"role": "user", "content": "What is  2+2?\n"},
        {"role": "assistant", "content": "<think>\nadd\n</think>\n\n4"},
        {"role": "user", "content": "And 3?"},
        {"role": "assistant", "content": "Six."},
    ]},
    {"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "ÄÖ 😀 tokens"},
        {"role": "assistant", "content": "  spaced answer \n"},
    ]},
]  # fmt: skip
NOW = datetime(2026, 1, 1)


@pytest.fixture(scope="module")
def plain() -> transformers.PreTrainedTokenizerFast:
    said = json.loads((FOLDER / "tokenizer_config.json").read_text("utf-8"))
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(FOLDER / "tokenizer.json"), eos_token=said["eos_token"]
    )
    made.chat_template = (FOLDER / "chat_template.jinja").read_text("utf-8")
    return made


def by_search(plain: transformers.PreTrainedTokenizerFast, row: dict[str, Any]) -> tuple[list[int], str]:
    """Ids, and for each 1 if it stands between an assistant's header and, stop included, its stop."""
    ids = plain.apply_chat_template(row["messages"], tokenize=True, return_dict=False)
    header, trained = plain("<|im_start|>assistant\n", add_special_tokens=False).input_ids, ["0"] * len(ids)
    for at in range(len(ids)):
        if ids[at : at + len(header)] == header:
            start = at + len(header)
            stop = ids.index(plain.eos_token_id, start) + 1
            trained[start:stop] = ["1"] * (stop - start)
    return ids, "".join(trained)


@pytest.mark.parametrize("row", [*ROWS, *TWO], ids=range(len(ROWS) + len(TWO)))
def test_tokens_labels_and_budget_are_those_of_plain_transformers(
    row: dict[str, Any], plain: transformers.PreTrainedTokenizerFast
):
    options = Options()
    prepared = prepare_data([row], read_folder(FOLDER), plain.chat_template, options, NOW)
    shown, report = show_row(prepared, 0), report_on(prepared, options)
    ids, trained = by_search(plain, row)
    assert shown
    assert (shown.ids, shown.trained) == (ids, trained)
    assert shown.texts == [plain.decode([one]) for one in ids]
    assert (report.partial.tokens, report.partial.trained) == (len(ids), trained.count("1"))
    assert sum(report.partial.owners_trained.values()) == trained.count("1")
    assert report.partial.owners_trained["stop"] == sum(m["role"] == "assistant" for m in row["messages"])
    assert report.findings == ()


def test_the_lost_stops_of_the_default_example_are_all_that_differs(plain: transformers.PreTrainedTokenizerFast):
    dump = [json.loads(line) for line in (FOLDER / "stop-lost.jsonl").read_text("utf-8").splitlines()]
    options = Options()
    prepared = prepare_dump(dump, ROWS, read_folder(FOLDER), plain.chat_template, options, NOW)
    found = {(one.row, at) for one in report_on(prepared, options).places() for at in one.positions}
    differing = set()
    for number, (given, row) in enumerate(zip(dump, ROWS, strict=True)):
        ids, trained = by_search(plain, row)
        assert given["input_ids"] == ids
        differing |= {(number, at) for at, one in enumerate(trained) if (given["labels"][at] != -100) != (one == "1")}
    assert found == differing
    assert {dump[row]["input_ids"][at] for row, at in differing} == {plain.eos_token_id}


def test_what_the_stop_table_says_stands_in_plain_renders(plain: transformers.PreTrainedTokenizerFast):
    options = Options()
    prepared = prepare_data(ROWS, read_folder(FOLDER), plain.chat_template, options, NOW)
    for name, said, following in (("answer, user", "ignis", "terra"), ("answer, answer", "ignis", "ventus")):
        (one,) = [
            t for t in report_on(prepared, options).contract.transitions if t.name == name and not (t.system or t.tools)
        ]
        text = plain.apply_chat_template(list(PROBES[name][0]), tokenize=False)
        assert one.between == text.split(said)[1].split(following)[0]
        assert (one.stop, list(one.stop_ids)) == (plain.eos_token, [plain.eos_token_id])
