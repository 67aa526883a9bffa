"""Rules on a row's messages and on what the template made of them: roles, values, what was lost."""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.inspector.conversations import PLAIN_ROLES, Conversation
from model.inspector.labelled import Place, plural
from model.inspector.rule import Severity
from model.inspector.structure import Structure
from model.inspector.templates import REASONING_FIELDS


def role_problems(conversation: Conversation, row: int, trained: bool) -> Iterator[Place]:
    """M35. `trained`: labels show that the answers were found all the same."""
    names = [turn.name for turn in conversation.turns]
    unknown = [at for at, turn in enumerate(conversation.turns) if turn.role is None]
    unmapped = [at for at, name in enumerate(names) if name not in PLAIN_ROLES and at not in unknown]
    if unknown:
        have = "has" if len(unknown) == 1 else "have"
        says = f"The role {names[unknown[0]]!r} is unknown; {plural(len(unknown), 'message')} of the row {have} it."
        yield Place("M35", "error", says, row, unknown[0])
    elif unmapped and not trained:
        at = unmapped[0]
        says = (
            f"The role {names[at]!r} reaches the template as it is; trainers look for {conversation.turns[at].role!r}."
        )
        yield Place("M35", "error", says, row, at)
    if not conversation.answers() and not unknown:
        yield Place("M35", "error", "The row has no message of an assistant.", row)
    elif conversation.turns and conversation.turns[-1].role in ("user", "tool"):
        says = f"The row ends with a message of the {conversation.turns[-1].role}, which nothing answers."
        yield Place("M35", "warning", says, row, len(conversation.turns) - 1)


def value_problems(conversation: Conversation, row: int, keys_with_values: frozenset[str]) -> Iterator[Place]:
    """M33. `keys_with_values`: of the tools of all rows, those that some row has a value for."""
    for at, message in enumerate(conversation.messages):
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function", call) if isinstance(call, dict) else {}
            if isinstance(function, dict) and (says := _wrong_arguments(function.get("arguments"))):
                yield Place("M33", "warning", says, row, at)
    if nulls := sorted(set(null_keys(conversation.tools, keys_with_values))):
        says = f"The row's tools hold {plural(len(nulls), 'key')} that {'is' if len(nulls) == 1 else 'are'} null "
        yield Place(
            "M33", "warning", f"{says}({', '.join(nulls[:5])}), as a table of one struct type leaves them.", row
        )


def _wrong_arguments(arguments: Any) -> str:
    if not isinstance(arguments, str):
        return ""
    try:
        read = json.loads(arguments)
    except ValueError:
        try:
            literal = ast.literal_eval(arguments) if len(arguments) < 10_000 else None
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return ""
        return "The arguments of a call are a Python literal and no JSON." if isinstance(literal, dict) else ""
    return "The arguments of a call are JSON in JSON: escaped twice." if isinstance(read, str) else ""


def null_keys(value: Any, keys_with_values: frozenset[str], inside: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if item is None and (inside in ("properties", "parameters") or key in keys_with_values):
                yield str(key)
            yield from null_keys(item, keys_with_values, str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from null_keys(item, keys_with_values, inside)


def keys_with_values(value: Any) -> Iterator[str]:
    """Keys of a row's tools that hold something."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if item is not None:
                yield str(key)
            yield from keys_with_values(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from keys_with_values(item)


def lost_content(conversation: Conversation, structure: Structure, row: int, source: str) -> Iterator[Place]:
    """M32, once for each field of each message."""
    told = set()
    last = max(conversation.answers(), default=-1)
    for leaf in structure.lost:
        field = leaf.field.split(".")[0]
        key = leaf.message, "thought" if leaf.kind == "reasoning" else field
        if key in told or not leaf.text:
            continue
        told.add(key)
        role = conversation.turns[leaf.message].role or conversation.turns[leaf.message].name
        severity: Severity = "error"
        if role == "system" or (leaf.kind == "reasoning" and leaf.message != last):
            severity = "warning"
        what = "thought" if leaf.kind == "reasoning" else field.replace("_", " ")
        says = f"The {what} of the {role} ({_start(leaf.text)}) is missing from the rendered text."
        if field in REASONING_FIELDS and severity == "error":
            read = [name for name in REASONING_FIELDS if name in source]
            says += (
                f" The template reads {' and '.join(read) if read else 'no field of thoughts'}, the row has `{field}`."
            )
        yield Place("M32", severity, says, row, leaf.message)


def _start(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:27]}...")


def escaped_arguments(conversation: Conversation, structure: Structure, row: int) -> Iterator[Place]:
    """M33, in the render: arguments that were JSON already and are written as a JSON string."""
    for one in structure.placed:
        if one.leaf.field == "tool_calls.arguments" and structure.text[max(one.start - 2, 0) : one.start] == '\\"':
            says = "The template writes the arguments of a call as a JSON string within JSON: they are escaped twice."
            yield Place("M33", "warning", says, row, one.leaf.message)
            return
