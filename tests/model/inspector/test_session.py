"""Rows and dumps from end to end: each public case fires its rule and is silent on right labels; so are other kinds."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from model.inspector.catalogue import RULES
from model.inspector.folders import TokenizerFolder
from model.inspector.intents import Intent
from model.inspector.options import Options
from model.inspector.report import Report
from model.inspector.session import prepare_data, prepare_dump, report_on

NOW = datetime(2026, 1, 1)
CASES = [json.loads(line) for line in (Path(__file__).parent / "cases.jsonl").read_text().splitlines()]
FIRES = {
    "C01": {"M07"}, "C02": {"M04"}, "C03": set(), "C04": {"M36"}, "C05": {"M31"}, "C06": {"M17", "M32"},
    "C07": {"M18", "M01"}, "C08": {"M32"}, "C09": {"M32"}, "C10": {"M33"}, "C11": {"M35", "M01"},
    "C12": {"M13", "M14"}, "C13": {"M01", "M20"}, "C14": {"M01"}, "C15": {"M02"}, "C16": {"M38"}, "C17": {"M12"},
    "C18": {"M37"},
}  # fmt: skip
OF_LABELS = {
    "M01",
    "M02",
    "M03",
    "M05",
    "M11",
    "M12",
    "M13",
    "M14",
    "M15",
    "M20",
    "M21",
    "M22",
    "M24",
    "M36",
    "M38",
    "M39",
}

BASE = (
    "{% for m in messages %}<{{ {'user':'u','assistant':'a','system':'s','tool':'t'}[m.role] }}>{{ m.content }}<e>"
    "{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
)


def labelled(folder: TokenizerFolder, marked: str, ignore: int = -100, **more: Any) -> dict[str, Any]:
    """A dump's row of a text whose targets stand in ⟦⟧."""
    text, spans, opened = "", [], 0
    for character in marked:
        if character == "⟦":
            opened = len(text)
        elif character == "⟧":
            spans.append((opened, len(text)))
        else:
            text += character
    encoded = folder.tokenizer.encode(text, add_special_tokens=False)
    trained = [any(start <= at[0] < stop for start, stop in spans) for at in encoded.offsets]
    labels = [token if one else ignore for token, one in zip(encoded.ids, trained, strict=True)]
    return {"input_ids": encoded.ids, "labels": labels, **more}


def segments_of(folder: TokenizerFolder, marked: str, second: str) -> list[int]:
    text = marked.replace("⟦", "").replace("⟧", "")
    offsets = folder.tokenizer.encode(text, add_special_tokens=False).offsets
    return [1 if at[0] < text.index(second) else 2 for at in offsets]


def rules(report: Report, *severities: str) -> set[str]:
    return {one.rule for one in report.findings if not severities or one.severity in severities}


def chat(*texts: str, **last: Any) -> dict[str, Any]:
    roles = ("user", "assistant") * len(texts)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    messages[-1].update(last)
    return {"messages": messages}


def dumped(
    folder: TokenizerFolder, rows: Sequence[dict[str, Any]], data: Sequence[Any] | None = None,
    template: str | None = BASE, **options: Any,
) -> Report:  # fmt: skip
    made = Options(**options)
    return report_on(prepare_dump(rows, data, folder, template, made, NOW), made)


def data_report(folder: TokenizerFolder | None, *rows: Any, template: str | None = BASE, **options: Any) -> Report:
    made = Options(**options)
    return report_on(prepare_data(rows, folder, template, made, NOW), made)


def case_reports(case: dict[str, Any], make_folder: Any, which: str) -> Report:
    folder = make_folder()
    if case["extra"]:
        z = folder.tokenizer.token_to_id("<z>")
        folder = make_folder(generation_config={"eos_token_id": z}, config={"eos_token_id": z})
    arguments = dict(case["kwargs"])
    tools = arguments.pop("tools", None)
    data = [{"messages": case["messages"], "tools": tools}] if case["messages"] else None
    options = Options(serving=arguments)
    if case[which] is None:
        return report_on(prepare_data(data or [], folder, case["template"], options, NOW), options)
    row = labelled(folder, case[which], ignore=-1 if case["id"] == "C13" else -100)
    if case["id"] == "C12":
        row["segment_ids"] = segments_of(folder, case[which], "<u>Bye")
    return report_on(prepare_dump([row], data, folder, case["template"], options, NOW), options)


@pytest.mark.parametrize("case", [c for c in CASES if c["id"] in FIRES], ids=lambda case: case["id"])
def test_a_case_fires_its_rule_and_no_label_rule_on_right_labels(case: dict[str, Any], make_folder: Any):
    assert rules(case_reports(case, make_folder, "wrong")) >= FIRES[case["id"]]
    right = case_reports(case, make_folder, "right")
    assert not rules(right, "error", "warning") & OF_LABELS
    if case["id"] in {"C03"}:
        assert "M03" not in rules(case_reports(case, make_folder, "wrong"))


def test_labels_that_lie_on_their_tokens_contradict_a_loss_that_does_not_shift(folder: TokenizerFolder):
    aligned = [labelled(folder, "<u>Hi<e><a>⟦Yo mark world<e>⟧") for _ in range(8)]
    shifted = [{**row, "labels": [*row["labels"][1:], -100]} for row in aligned]
    assert rules(dumped(folder, aligned, loss="does-not-shift")) == {"M10"}
    assert rules(dumped(folder, aligned)) == set()
    assert rules(dumped(folder, shifted, loss="does-not-shift")) == set()
    assert rules(dumped(folder, shifted)) == {"M10"}
    few = dumped(folder, aligned[:1], loss="does-not-shift")
    assert "M10" in few.not_evaluated
    assert rules(few) == set()


def test_an_answer_without_its_stop_its_first_token_or_with_its_header_is_told(folder: TokenizerFolder):
    data = [chat("Hi", "Yo mark")]
    right = "<u>Hi<e><a>⟦Yo mark<e>⟧"
    assert dumped(folder, [labelled(folder, right)], data).findings == ()
    for wrong, rule in (
        ("<u>Hi<e><a>⟦Yo mark⟧<e>", "M03"),
        ("<u>Hi<e><a>Y⟦o mark<e>⟧", "M11"),
        ("<u>Hi<e>⟦<a>Yo mark<e>⟧", "M12"),
        ("<u>⟦Hi⟧<e><a>⟦Yo mark<e>⟧", "M13"),
        ("<u>Hi<e><a>⟦Yo⟧ mark⟦<e>⟧", "M30"),
    ):
        assert rules(dumped(folder, [labelled(folder, wrong)], data)) == {rule}
        assert rules(dumped(folder, [labelled(folder, wrong)])) == {rule}


def test_a_stop_that_is_the_pad_and_lost_its_label_is_told_apart(make_folder: Any):
    folder = make_folder(pad_token="<e>")
    data = [chat("Hi", "Yo"), chat("Hello", "Yo")]
    wrong = [labelled(folder, "<u>Hi<e><a>⟦Yo⟧<e><e><e>"), labelled(folder, "<u>Hello<e><a>⟦Yo⟧<e>")]
    right = [labelled(folder, "<u>Hi<e><a>⟦Yo<e>⟧<e><e>"), labelled(folder, "<u>Hello<e><a>⟦Yo<e>⟧")]
    assert rules(dumped(folder, wrong, data)) == {"M05"}
    assert rules(dumped(folder, right, data)) == set()
    assert rules(dumped(folder, wrong)) == {"M05"}


def test_turns_that_the_intent_leaves_out_are_told_with_their_lone_stops(folder: TokenizerFolder):
    data, last = [chat("Hi", "Yo", "Hello", "Mark")], {"intent": Intent("last-assistant")}
    assert rules(dumped(folder, [labelled(folder, "<u>Hi<e><a>Yo<e><u>Hello<e><a>⟦Mark<e>⟧")], data, **last)) == set()
    assert rules(dumped(folder, [labelled(folder, "<u>Hi<e><a>Yo⟦<e>⟧<u>Hello<e><a>⟦Mark<e>⟧")], data, **last)) == {
        "M15"
    }
    assert rules(dumped(folder, [labelled(folder, "<u>Hi<e><a>⟦Yo<e>⟧<u>Hello<e><a>⟦Mark<e>⟧")], data, **last)) == {
        "M39"
    }
    all_turns = {"intent": Intent()}
    assert rules(dumped(folder, [labelled(folder, "<u>Hi<e><a>Yo<e><u>Hello<e><a>⟦Mark<e>⟧")], data, **all_turns)) == {
        "M14"
    }


def test_pads_with_labels_seen_pads_and_positions_that_run_on_are_told(folder: TokenizerFolder):
    row = labelled(folder, "<p><p><u>Hi<e><a>⟦Yo<e>⟧")
    length = len(row["input_ids"])
    hidden = {"attention_mask": [0, 0, *[1] * (length - 2)], "position_ids": [0, 0, *range(length - 2)]}
    assert rules(dumped(folder, [row | hidden])) == set()
    assert rules(dumped(folder, [row])) == {"M23"}
    assert rules(dumped(folder, [row | hidden | {"position_ids": list(range(length))}])) == {"M25"}
    trained = labelled(folder, "<u>Hi<e><a>⟦Yo<e><p><p>⟧")
    assert rules(dumped(folder, [trained])) >= {"M22"}


def test_packed_rows_need_to_say_where_each_conversation_begins(folder: TokenizerFolder):
    data = [chat("Hi", "Yo"), chat("Hello", "Mark")]
    text = "<u>Hi<e><a>⟦Yo<e>⟧<u>Hello<e><a>⟦Mark<e>⟧"
    row = labelled(folder, text)
    segments = {"segment_ids": segments_of(folder, text, "<u>Hello")}
    assert rules(dumped(folder, [row | segments], data)) == set()
    assert rules(dumped(folder, [row], data)) == {"M24"}


def test_a_cut_row_is_told_and_one_cut_before_its_answer_has_no_target(folder: TokenizerFolder):
    data = [chat("Hi", "Yo mark world")]
    whole = labelled(folder, "<u>Hi<e><a>⟦Yo mark world<e>⟧")
    cut = {key: value[:-2] for key, value in whole.items()}
    assert rules(dumped(folder, [cut], data)) >= {"M20"}
    before = {key: value[:3] for key, value in whole.items()}
    assert rules(dumped(folder, [before], data)) == {"M01", "M20"}
    assert rules(data_report(folder, *data, max_length=6)) >= {"M20"}
    assert rules(data_report(folder, *data, max_length=60)) == set()


def test_a_mask_of_other_length_or_moved_is_misaligned(folder: TokenizerFolder):
    data = [chat("Hi", "Yo mark world answer")]
    row = labelled(folder, "<u>Hi<e><a>⟦Yo mark world answer<e>⟧")
    mask = [int(label >= 0) for label in row["labels"]]
    assert rules(dumped(folder, [{"input_ids": row["input_ids"], "loss_mask": mask}], data)) == set()
    assert "M21" in rules(dumped(folder, [{"input_ids": row["input_ids"], "loss_mask": mask[1:]}], data))
    moved = {"input_ids": row["input_ids"], "loss_mask": [*mask[2:], 0, 0]}
    assert "M21" in rules(dumped(folder, [moved], data))


def test_stops_and_begins_that_stand_twice_are_told(folder: TokenizerFolder):
    twice = BASE.replace("<e>{% endfor %}", "<e><e>{% endfor %}")
    assert "M08" in rules(data_report(folder, chat("Hi", "Yo", "Hello", "Mark"), template=twice), "warning")
    begins = "<b><b>" + BASE
    assert "M09" in rules(data_report(folder, chat("Hi", "Yo"), template=begins))
    assert "M09" not in rules(data_report(folder, chat("Hi", "Yo"), template="<b>" + BASE))


def test_a_stop_of_several_tokens_and_an_empty_answer_are_told(chatml: TokenizerFolder, folder: TokenizerFolder):
    spelled = BASE.replace("<e>", "<|eot|>").replace("<{{ {", "<|im_start|>{{ {").replace("] }}>", "] }}\n")
    assert "M06" in rules(data_report(chatml, chat("Hi", "Yo"), template=spelled))
    assert rules(data_report(folder, chat("Hi", "Yo", "Hello", ""))) == {"M29"}


def test_arguments_in_another_encoding_and_roles_nobody_knows_are_told(folder: TokenizerFolder):
    template = BASE.replace(
        "{{ m.content }}",
        "{{ m.content }}{% for c in m.tool_calls or [] %}"
        "{{ c.function.name }}{{ c.function.arguments|tojson }}{% endfor %}",
    )

    def calls(arguments: Any) -> dict[str, Any]:
        call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
        return chat("Hi", "", tool_calls=[call])

    assert rules(data_report(folder, calls({"place": "Rome"}), template=template)) == set()
    for wrong in ('{"place": "Rome"}', '"{\\"place\\": \\"Rome\\"}"', "{'place': 'Rome'}"):
        assert "M33" in rules(data_report(folder, calls(wrong), template=template))
    assert "M35" in rules(
        data_report(
            folder, {"messages": [{"role": "narrator", "content": "Once"}]}, template="{{ messages[0].content }}<e>"
        )
    )
    assert "M35" in rules(data_report(folder, chat("Hi", "Yo", "Bye")), "warning")


def test_a_prompt_and_completion_that_merge_at_their_border_are_told(folder: TokenizerFolder):
    pieces = folder.tokenizer.encode("hello world", add_special_tokens=False)
    inside = next(stop - 1 for start, stop in pieces.offsets if stop - start > 1)
    row = {"prompt": "hello world"[:inside], "completion": "hello world"[inside:]}
    assert "M19" in rules(data_report(folder, row, template=None))
    assert "M19" not in rules(data_report(folder, {"prompt": "hello", "completion": "<e>"}, template=None))


def test_hardly_anything_trained_is_odd(folder: TokenizerFolder):
    assert rules(data_report(folder, chat("what is the answer for a mark " * 60, "Yo"))) == {"M27"}


def test_every_rule_says_what_it_means_and_how_to_mend_it():
    assert len(RULES) == 35
    for rule in RULES.values():
        assert rule.matters.endswith(".")
        assert rule.mend.endswith(".")
        assert "#" in rule.report


def test_without_a_tokenizer_a_template_alone_is_judged():
    template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% endfor %}"
    report = data_report(None, chat("Hi", "Yo"), template=template)
    assert "M07" in rules(report)
    assert "M05" in report.not_evaluated
