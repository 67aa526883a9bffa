"""The stop contract of a template: what ends an answer, at each of its transitions, and what the server supplies.

Conversations of our own making are rendered, so that it is the template that speaks and not the data.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from model.inspector.conversations import Conversation, conversation_of
from model.inspector.folders import TokenizerFolder
from model.inspector.refusals import TemplateRefused
from model.inspector.structure import Answer, Endings, Structure, StructureReader
from model.inspector.templates import Message

USER: Message = {"role": "user", "content": "aqua"}
AGAIN: Message = {"role": "user", "content": "terra"}
SAYS: Message = {"role": "assistant", "content": "ignis"}
LAST: Message = {"role": "assistant", "content": "ventus"}
THINKS: Message = {"role": "assistant", "content": "ignis", "reasoning_content": "umbra"}
CALLS: Message = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "call00001", "type": "function", "function": {"name": "luna", "arguments": {"place": "mons"}}}
    ],
}
RESULT: Message = {"role": "tool", "tool_call_id": "call00001", "name": "luna", "content": "stella"}
SYSTEM: Message = {"role": "system", "content": "caelum"}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "luna",
            "description": "Tells.",
            "parameters": {"type": "object", "properties": {"place": {"type": "string", "description": "where"}}},
        },
    }
]

CONTROL_TEXTS = re.compile(
    r"<[|\uff5c][\w\u2581.:/-]+[|\uff5c]?>|<[\w\u2581.:/-]+[|\uff5c]>|</?s>|<(?:start|end)_of_[a-z]+>|<[eb]o[a-z]>|\[/?INST\]"
)

PROBES: dict[str, tuple[tuple[Message, ...], int]] = {
    "answer, user": ((USER, SAYS, AGAIN, LAST), 1),
    "answer, end": ((USER, LAST), 1),
    "answer, answer": ((USER, SAYS, LAST), 1),
    "answer, tool": ((USER, SAYS, RESULT), 1),
    "call, tool": ((USER, CALLS, RESULT, LAST), 1),
    "call, end": ((USER, CALLS), 1),
    "tool, answer, user": ((USER, CALLS, RESULT, SAYS, AGAIN, LAST), 3),
    "thought and answer, user": ((USER, THINKS, AGAIN, LAST), 1),
}
"""The conversation, and which message the transition stands behind."""
WHERE = {
    "answer, user": "answer, then user",
    "answer, end": "last answer",
    "answer, answer": "answer, then another",
    "answer, tool": "answer, then a tool's result",
    "call, tool": "tool call, then its result",
    "call, end": "tool call, then nothing",
    "tool, answer, user": "answer to a result, then user",
    "thought and answer, user": "thought and answer, then user",
}
"""Each probe in words."""
LONG_PROBES = (
    {"messages": [USER, SAYS, AGAIN, LAST]},
    {"messages": [SYSTEM, USER, LAST]},
    {"messages": [USER, THINKS, AGAIN, {**LAST, "reasoning_content": "nubes"}]},
    {"messages": [USER, CALLS, RESULT, LAST], "tools": TOOLS},
)
"""Rows as data would have them, for a template without any."""
PLAIN_PROBES = ("answer, user", "answer, end")


@dataclass(frozen=True)
class Transition:
    """What stands behind an answer. `refused` is the template's words, if it does not render such a conversation."""

    name: str
    system: bool
    tools: bool
    between: str = ""
    stop: str = ""
    stop_ids: tuple[int, ...] = ()
    shared: bool = False
    server_stops: bool | None = None
    """None: no serving file names a stop."""
    tagged: bool | None = None
    """The stop stands in generation tags; None: the template has none."""
    same: bool = True
    refused: str = ""
    lost: bool = False
    """The answer does not stand in the render."""

    def as_plain(self) -> dict[str, object]:
        return {**vars(self), "where": WHERE[self.name], "stop_ids": list(self.stop_ids)}


@dataclass(frozen=True)
class StopContract:
    transitions: tuple[Transition, ...]

    @property
    def stops(self) -> tuple[str, ...]:
        found = (one.stop for one in self.transitions if one.stop and not one.name.startswith("call"))
        return tuple(dict.fromkeys(found))

    def of(self, name: str) -> Transition | None:
        return next((one for one in self.transitions if one.name == name and not one.refused), None)


def generation_prompt_of(reader: StructureReader, serving: Mapping[str, Any], like: Conversation | None = None) -> str:
    """What the template adds for a server that wants an answer, behind a user's turn; "" for nothing."""
    messages = [USER]
    tools, arguments = (like.tools, like.arguments) if like else (None, {})
    if like and like.turns and like.turns[0].role == "system":
        messages = [SYSTEM, USER]
    for given in ([*messages], [USER]):
        asked = conversation_of(given, tools=tools, arguments=arguments)
        try:
            without, prompt = reader.render(asked, serving), reader.render(asked, serving, generation_prompt=True)
        except TemplateRefused:
            continue
        return prompt[common_length(without, prompt) :]
    return ""


def common_length(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    if other.startswith(one):
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def read_contract(
    reader: StructureReader,
    folder: TokenizerFolder | None,
    serving: Mapping[str, Any],
    server_stops: frozenset[int] | None,
) -> StopContract:
    """Renders the probes, and lets the reader know what ends an answer from now on."""
    control = (*(folder.control if folder else ()), *control_texts(reader))
    reader.use_endings(Endings(control=control))
    prompt = generation_prompt_of(reader, serving)
    first = [_transition(reader, serving, prompt, name, folder, server_stops) for name in PLAIN_PROBES]
    stops = tuple(
        dict.fromkeys(
            _last_of_run(reader, first, folder, server_stops or frozenset()) or [one.stop for one in first if one.stop]
        )
    )
    last = first[-1]
    shared = tuple(stop for stop in stops if not last.stop and not last.refused)
    reader.use_endings(Endings(stops, control, shared))
    found = []
    for system, tools in ((False, False), (True, False), (False, True)):
        for name in PROBES if (system, tools) == (False, False) else ("answer, user", "answer, end", "call, tool"):
            if tools or not name.startswith("call") or not system:
                found.append(_transition(reader, serving, prompt, name, folder, server_stops, system, tools))
    usual = next((one.stop for one in found if one.stop), "")
    return StopContract(tuple(replace(one, same=one.stop == usual or bool(one.refused)) for one in found))


def _last_of_run(
    reader: StructureReader, found: list[Transition], folder: TokenizerFolder | None, server_stops: frozenset[int]
) -> list[str]:
    """Where every answer ends with a run of control tokens, one of which a server stops at: that one."""
    listened = {text for text, number in folder.control.items() if number in server_stops} if folder else set()
    listened |= {reader.special.get("eos_token", "")} - {""}
    pattern = reader.endings.control_pattern
    runs = []
    for one in found:
        run: list[str] = []
        rest = one.between
        while pattern and (token := pattern.match(rest.lstrip())):
            run.append(token[0])
            rest = rest.lstrip()[token.end() :]
        runs.append(run)
    common = [stop for stop in runs[0] if stop in listened and all(stop in run for run in runs)] if runs else []
    return common[:1]


def control_texts(reader: StructureReader) -> tuple[str, ...]:
    """Texts of the template that look like control tokens, known to a tokenizer or not, and its special tokens."""
    found = CONTROL_TEXTS.findall(reader.template.source)
    return tuple(dict.fromkeys([*found, *reader.special.values()]))


def _transition(
    reader: StructureReader,
    serving: Mapping[str, Any],
    prompt: str,
    name: str,
    folder: TokenizerFolder | None,
    server_stops: frozenset[int] | None,
    system: bool = False,
    tools: bool = False,
) -> Transition:
    _, place = PROBES[name]
    conversation = probe(name, system, tools)
    place += system
    try:
        structure, answer = _read_answer(reader, conversation, serving, prompt, place)
    except TemplateRefused as error:
        return Transition(name, system, tools, refused=error.message)
    if answer is None:
        return Transition(name, system, tools, between=_ending(structure, reader), lost=True)
    stop = structure.text[answer.stop_start : answer.stop_end]
    ids = tuple(folder.tokenizer.encode(stop, add_special_tokens=False).ids) if folder and stop else ()
    return Transition(
        name,
        system,
        tools,
        structure.text[answer.text_stop : answer.end],
        stop,
        ids,
        answer.shared,
        None if server_stops is None or not ids else ids[0] in server_stops,
        _tagged(structure, answer) if reader.template.has_generation_tags else None,
    )


def _read_answer(
    reader: StructureReader, conversation: Conversation, serving: Mapping[str, Any], prompt: str, place: int
) -> tuple[Structure, Answer | None]:
    """With contents as texts, or, where the template refuses or loses these, as parts: it reads images beside them."""
    refused: TemplateRefused | None = None
    structure: Structure | None = None
    for one in (conversation, replace(conversation, messages=[in_parts(m) for m in conversation.messages])):
        try:
            read = reader.read(one, serving, prompt)
        except TemplateRefused as error:
            refused = refused or error
            continue
        structure = structure or read
        if found := next((answer for answer in read.answers if answer.message == place), None):
            return read, found
    if structure is None:
        assert refused
        raise refused
    return structure, None


def in_parts(message: Message) -> Message:
    content = message.get("content")
    return {**message, "content": [{"type": "text", "text": content}]} if isinstance(content, str) else message


def probe(name: str, system: bool = False, tools: bool = False) -> Conversation:
    messages = [*([SYSTEM] if system else []), *PROBES[name][0]]
    return conversation_of(messages, tools=TOOLS if tools or any("tool_calls" in m for m in messages) else None)


def _ending(structure: Structure, reader: StructureReader) -> str:
    """Of a render in which the answer was not found: whatever control token it ends with."""
    pattern = reader.endings.control_pattern
    found = list(pattern.finditer(structure.text)) if pattern else []
    return found[-1][0] if found and found[-1].end() >= len(structure.text.rstrip()) else ""


def _tagged(structure: Structure, answer: Answer) -> bool:
    return any(start <= answer.stop_start and answer.stop_end <= stop for start, stop in structure.tagged)


def refusals(contract: StopContract) -> Iterator[tuple[str, str]]:
    """Which conversations the template refuses, with its words."""
    said: dict[str, list[str]] = {}
    for one in contract.transitions:
        if one.refused:
            said.setdefault(one.refused, []).append(WHERE[one.name] + (" with a system turn" if one.system else ""))
    for words, names in said.items():
        yield "; ".join(dict.fromkeys(names)), words


def shape_of(messages: Sequence[Message]) -> frozenset[tuple[str, str]]:
    """What kinds of messages follow one another in a conversation: rows of one shape fare alike under a template."""
    kinds = ["", *(_kind(message) for message in messages), "end"]
    return frozenset(pairwise(kinds))


def _kind(message: Message) -> str:
    content = message.get("content")
    thinks = any(message.get(name) for name in ("reasoning_content", "thinking", "reasoning"))
    thinks = thinks or (isinstance(content, str) and "</" in content[:100_000] and "think" in content)
    return f"{message.get('role')}{'+thought' if thinks else ''}{'+call' if message.get('tool_calls') else ''}"
