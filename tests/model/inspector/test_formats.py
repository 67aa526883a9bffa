"""Eight shapes of rows, each told by its keys and read as one conversation or text."""

from typing import Any

import pytest

from model.inspector.conversations import Conversation
from model.inspector.formats import FORMATS, PlainText, detect_format, read_row
from model.inspector.refusals import UnreadableInput

ASKED, SAID = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}
ROWS: dict[str, Any] = {
    "messages": {"messages": [ASKED, SAID]},
    "prompt-completion": {"prompt": [ASKED], "completion": [SAID]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yo"}]},
    "human-assistant": {"conversation": [{"human": "Hi", "assistant": "Yo"}]},
    "alpaca": {"instruction": "Hi", "input": "", "output": "Yo"},
    "query-response": {"query": "Hi", "response": "Yo"},
    "bare": [ASKED, SAID],
}


@pytest.mark.parametrize("slug", ROWS)
def test_a_row_of_messages_is_the_same_conversation_in_every_shape(slug: str):
    known = detect_format(ROWS[slug])
    assert known.slug == slug
    read = read_row(ROWS[slug], known)
    assert isinstance(read, Conversation)
    assert [(message["role"], message["content"]) for message in read.messages] == [("user", "Hi"), ("assistant", "Yo")]


def test_texts_are_read_as_they_are():
    assert read_row({"text": "Hi Yo"}, FORMATS["text"]) == PlainText("Hi Yo")
    row = {"prompt": "Hi ", "completion": "Yo"}
    assert read_row(row, detect_format(row)) == PlainText("Hi Yo", 3)
    assert set(FORMATS) == {*ROWS, "text"}


def test_history_system_and_tools_come_along():
    row = {"query": "Hi", "response": "Yo", "history": [["a", "b"]], "system": "S", "tools": '[{"name": "f"}]'}
    read = read_row(row, detect_format(row))
    assert isinstance(read, Conversation)
    assert [turn.role for turn in read.turns] == ["system", "user", "assistant", "user", "assistant"]
    assert read.tools == [{"name": "f"}]


def test_switches_are_read_and_not_handed_to_the_template():
    read = read_row(
        {"messages": [ASKED, {**SAID, "loss": False}, {**SAID, "masked": 0, "weight": None}]}, FORMATS["messages"]
    )
    assert isinstance(read, Conversation)
    assert [(turn.switch, turn.trained) for turn in read.turns] == [("", True), ("loss", False), ("masked", True)]
    assert all("loss" not in message and "masked" not in message for message in read.messages)


def test_rows_of_two_shapes_in_a_file_and_unknown_shapes_are_refused():
    with pytest.raises(UnreadableInput, match="a row of the shape text in a file of messages"):
        read_row({"text": "Hi"}, FORMATS["messages"])
    with pytest.raises(UnreadableInput, match="foo"):
        detect_format({"foo": 1})
    with pytest.raises(UnreadableInput, match="messages"):
        read_row({"messages": "Hi"}, FORMATS["messages"])
