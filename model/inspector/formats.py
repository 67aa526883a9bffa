"""The shapes that rows of training data come in, and how each is read as a conversation or as a plain text.

The shape is found per file: a row of another shape than the file's is refused, since a guess per row would be silent.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.inspector.conversations import ROLES, Conversation, conversation_of
from model.inspector.dumps import is_dump
from model.inspector.refusals import UnreadableInput

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlainText:
    """A row without messages: text, of which the first `prompt_chars` characters are the prompt."""

    text: str
    prompt_chars: int = 0


@dataclass(frozen=True)
class RowFormat:
    """How rows of one shape are told and read."""

    slug: str
    title: str
    fits: Callable[[Any], bool]
    read: Callable[[Any], Conversation | PlainText]


def detect_format(row: Any) -> RowFormat:
    """Raises UnreadableInput, with the row's keys, for a shape that is none of ours."""
    for known in FORMATS.values():
        if known.fits(row):
            return known
    shown = ", ".join(sorted(map(str, row))[:12]) if isinstance(row, dict) else type(row).__name__
    raise UnreadableInput(f"no known shape of rows has the keys: {shown}; known: {', '.join(FORMATS)}", param="data")


def read_row(row: Any, known: RowFormat) -> Conversation | PlainText:
    """Raises UnreadableInput for a row of another shape, or one that lacks a part."""
    if not known.fits(row):
        other = detect_format(row)
        raise UnreadableInput(f"a row of the shape {other.slug} in a file of {known.slug}", param="data")
    try:
        return known.read(row)
    except KeyError as error:
        raise UnreadableInput(f"a row of the shape {known.slug}: {error} is missing", param="data") from error
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise UnreadableInput(f"a row of the shape {known.slug}: {error}", param="data") from error


def _is_messages(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(message, dict) for message in value)


def _holds(*keys: str) -> Callable[[Any], bool]:
    return lambda row: isinstance(row, dict) and all(key in row for key in keys) and not is_dump(row)


def _extras(row: Row) -> dict[str, Any]:
    """What a row holds besides its messages."""
    tools, arguments = row.get("tools"), row.get("chat_template_kwargs") or {}
    if isinstance(tools, str):
        tools = _parsed(tools)
    if not isinstance(arguments, dict):
        raise ValueError("chat_template_kwargs is not an object")
    return {"tools": tools or None, "system": row.get("system"), "arguments": arguments}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _read_messages(row: Row) -> Conversation:
    if not _is_messages(row["messages"]):
        raise ValueError("messages is not a list of objects")
    return conversation_of(row["messages"], **_extras(row))


def _read_bare(row: Sequence[Row]) -> Conversation:
    return conversation_of(row)


def _read_prompt_completion(row: Row) -> Conversation | PlainText:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, str) and isinstance(completion, str):
        return PlainText(prompt + completion, len(prompt))
    if isinstance(completion, dict):
        completion = [completion]
    if not (_is_messages(prompt) and _is_messages(completion)):
        raise ValueError("prompt and completion are neither two texts nor two lists of messages")
    return conversation_of([*prompt, *completion], **_extras(row), prompt_messages=len(prompt))


def _read_text(row: Row) -> PlainText:
    return PlainText(str(row["text"]))


def _read_sharegpt(row: Row) -> Conversation:
    messages = []
    for turn in row["conversations"]:
        name = str(turn["from"])
        others = {key: value for key, value in turn.items() if key not in ("from", "value")}
        messages.append({"role": ROLES.get(name.lower(), name), "content": turn["value"], **others})
    return conversation_of(messages, **_extras(row))


def _read_human_assistant(row: Row) -> Conversation:
    messages: list[dict[str, Any]] = []
    for turn in row["conversation"]:
        if "system" in turn and not messages and turn["system"]:
            messages.append({"role": "system", "content": turn["system"]})
        pair = ("human", turn.get("human", turn.get("input"))), ("assistant", turn.get("assistant", turn.get("output")))
        messages += [{"role": ROLES[name], "content": text} for name, text in pair if text is not None]
    return conversation_of(messages, **_extras(row))


def _history(row: Row) -> list[dict[str, Any]]:
    messages = []
    for question, answer in row.get("history") or ():
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages


def _read_alpaca(row: Row) -> Conversation:
    asked = "\n".join(str(part) for part in (row["instruction"], row.get("input")) if part)
    said = [{"role": "user", "content": asked}, {"role": "assistant", "content": row["output"]}]
    return conversation_of([*_history(row), *said], **_extras(row))


def _read_query_response(row: Row) -> Conversation:
    said = [{"role": "user", "content": row["query"]}, {"role": "assistant", "content": row["response"]}]
    return conversation_of([*_history(row), *said], **_extras(row))


def _fits_bare(row: Any) -> bool:
    return isinstance(row, list) and bool(row) and _is_messages(row) and all("role" in message for message in row)


FORMATS: dict[str, RowFormat] = {
    known.slug: known
    for known in (
        RowFormat("messages", "messages with role and content", _holds("messages"), _read_messages),
        RowFormat(
            "prompt-completion", "prompt and completion", _holds("prompt", "completion"), _read_prompt_completion
        ),
        RowFormat("sharegpt", "conversations of from and value", _holds("conversations"), _read_sharegpt),
        RowFormat(
            "human-assistant", "conversation of human and assistant", _holds("conversation"), _read_human_assistant
        ),
        RowFormat("alpaca", "instruction, input, output", _holds("instruction", "output"), _read_alpaca),
        RowFormat("query-response", "query, response, history", _holds("query", "response"), _read_query_response),
        RowFormat("text", "one text", _holds("text"), _read_text),
        RowFormat("bare", "a list of messages", _fits_bare, _read_bare),
    )
}
"""The eight shapes, the first that fits taken."""
