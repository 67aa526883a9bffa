"""The texts of a conversation, taken out and put back: each is replaced by a word of its own before rendering.

Where a word stands in that render, its text stands in the real one. Known tags and blank space stay where they are,
since templates look for them. If the texts, put back, do not give the real render byte for byte, nothing is claimed.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from model.inspector.conversations import Conversation, is_blank
from model.inspector.templates import REASONING_FIELDS, Message

Kind = Literal["content", "reasoning", "call"]

WORD = re.compile(r"Qz(\d+)zQ")
JSON_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(?!\s*:)')
TAGS = re.compile(r"</?[A-Za-z_|\uff5c\u2581:-][\w|\uff5c\u2581:-]*>|\[/?[A-Z_]+\]")
CLOSES_THOUGHT = re.compile(r"</(think|thinking|thought|reasoning|reason|th|ch)\w*>|\[/THINK\]|◁/think▷", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A piece of a message's text, blank space at its ends taken off."""

    message: int
    field: str
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A leaf in the render: characters start to stop."""

    start: int
    stop: int
    leaf: Leaf


class Replacement:
    """Messages with a word for each text. `tags` are kept; blank answers get a word if `blanks`, calls if `calls`."""

    def __init__(self, conversation: Conversation, tags: re.Pattern[str], *, blanks: bool, calls: bool):
        self.leaves: list[Leaf] = []
        self._tags = tags
        self._calls = calls
        self.messages = [
            self._message(place, message, blanks and turn.role == "assistant")
            for place, (message, turn) in enumerate(zip(conversation.messages, conversation.turns, strict=True))
        ]

    def _message(self, place: int, message: Message, blanks: bool) -> Message:
        replaced = dict(message)
        content = message.get("content")
        if blanks and is_blank(message):
            replaced["content"] = self._word(Leaf(place, "content", "content", ""))
        elif isinstance(content, str):
            replaced["content"] = self._text(place, "content", "content", content)
        elif isinstance(content, list):
            replaced["content"] = [self._part(place, part) for part in content]
        for name in REASONING_FIELDS:
            if isinstance(thought := message.get(name), str):
                replaced[name] = self._text(place, name, "reasoning", thought)
        if self._calls and isinstance(calls := message.get("tool_calls"), list):
            replaced["tool_calls"] = [self._call(place, call) for call in calls]
        return replaced

    def _part(self, place: int, part: Any) -> Any:
        if isinstance(part, dict) and isinstance(text := part.get("text"), str):
            return {**part, "text": self._text(place, "content", "content", text)}
        return part

    def _call(self, place: int, call: Any) -> Any:
        if not isinstance(call, dict):
            return call
        if isinstance(function := call.get("function"), dict):
            return {**call, "function": self._function(place, function)}
        return self._function(place, call)

    def _function(self, place: int, function: dict[str, Any]) -> dict[str, Any]:
        replaced = dict(function)
        if isinstance(name := function.get("name"), str):
            replaced["name"] = self._word(Leaf(place, "tool_calls.name", "call", name))
        if "arguments" in function:
            replaced["arguments"] = self._argument(place, function["arguments"], json_text=True)
        return replaced

    def _argument(self, place: int, value: Any, json_text: bool = False) -> Any:
        if isinstance(value, dict):
            return {key: self._argument(place, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._argument(place, item) for item in value]
        if not isinstance(value, str) or not value.strip():
            return value
        if json_text and value.lstrip()[:1] in ("{", "["):
            return JSON_STRING.sub(lambda found: f'"{self._call_word(place, found[1])}"', value)
        return self._call_word(place, value)

    def _call_word(self, place: int, text: str) -> str:
        return self._word(Leaf(place, "tool_calls.arguments", "call", text)) if text.strip() else text

    def _text(self, place: int, field: str, kind: Kind, text: str) -> str:
        if not self._tags.search(text):
            return self._piece(place, field, kind, text)
        pieces, thought_ends = [], 0
        if kind == "content":
            thought_ends = max((found.end() for found in CLOSES_THOUGHT.finditer(text)), default=0)
        last = 0
        for found in self._tags.finditer(text):
            pieces += [self._piece(place, field, _kind(kind, last, thought_ends), text[last : found.start()]), found[0]]
            last = found.end()
        pieces.append(self._piece(place, field, _kind(kind, last, thought_ends), text[last:]))
        return "".join(pieces)

    def _piece(self, place: int, field: str, kind: Kind, text: str) -> str:
        core = text.strip()
        if not core:
            return text
        start = text.index(core)
        return f"{text[:start]}{self._word(Leaf(place, field, kind, core))}{text[start + len(core) :]}"

    def _word(self, leaf: Leaf) -> str:
        self.leaves.append(leaf)
        return f"Qz{len(self.leaves) - 1}zQ"


def _kind(kind: Kind, start: int, thought_ends: int) -> Kind:
    return "reasoning" if start < thought_ends else kind


def tags_of(source: str) -> re.Pattern[str]:
    """The tags that a template's source names, longest first, as one pattern."""
    found = sorted({*TAGS.findall(source), "<think>", "</think>"}, key=lambda tag: (-len(tag), tag))
    return re.compile("|".join(map(re.escape, found)))


def put_back(text: str, worded: str, leaves: list[Leaf]) -> list[Placed] | str:
    """Where each leaf stands in `text`, in its order; or, if they cannot be put back, what stands in the way."""
    parts = WORD.split(worded)
    if not text.startswith(parts[0]):
        return _differs(text, parts[0], 0)
    placed, at = [], len(parts[0])
    for number, piece in zip(parts[1::2], parts[2::2], strict=True):
        leaf = leaves[int(number)] if int(number) < len(leaves) else None
        if leaf is None:
            return "the row itself holds a word of ours"
        for value in _as_rendered(leaf.text):
            if text.startswith(value, at) and text.startswith(piece, at + len(value)):
                placed.append(Placed(at, at + len(value), leaf))
                at += len(value) + len(piece)
                break
        else:
            return _differs(text, leaf.text + piece, at)
    return placed if at == len(text) else _differs(text, "", at)


def _differs(text: str, expected: str, at: int) -> str:
    return (
        f"the template writes by what the texts say: {text[at : at + 40]!r} stands where {expected[:40]!r} was expected"
    )


def _as_rendered(text: str) -> Iterator[str]:
    """A leaf as it is, or as JSON, Python or HTML would write it."""
    yield text
    if not text.isalnum():
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield json.dumps(text)[1:-1]
        yield repr(text)[1:-1]
        try:
            yield str(json.loads(f'"{text}"'))
        except ValueError:
            return
        yield json.dumps(json.dumps(text, ensure_ascii=False)[1:-1], ensure_ascii=False)[1:-1]
