"""What the server renders with, as switches: one for each argument that the template reads.

In: a template's arguments, the values chosen. Out: plain values for a form.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.inspector.arguments import Argument

ONE_TOOL = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "Looks a word up.",
            "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
        },
    }
]
"""For a template that lists the tools it is given."""


@dataclass(frozen=True)
class Switch:
    """`values`: titles by the JSON that is sent; "" for an argument that is not given."""

    name: str
    values: Mapping[str, str]
    chosen: str


def draw_switches(arguments: Sequence[Argument], serving: Mapping[str, Any]) -> tuple[tuple[Switch, ...], str]:
    """The switches, and the arguments that have none, as JSON."""
    switches = []
    for argument in arguments:
        values = _values(argument)
        chosen = _plain(serving[argument.name]) if argument.name in serving else ""
        switches.append(Switch(argument.name, values if chosen in values else {**values, chosen: chosen[:40]}, chosen))
    named = {argument.name for argument in arguments}
    rest = {name: value for name, value in serving.items() if name not in named}
    return tuple(switches), _plain(rest) if rest else ""


def _values(argument: Argument) -> dict[str, str]:
    if argument.name == "tools":
        return {"": "the row's own", "null": "none", _plain(ONE_TOOL): "one tool"}
    return {"": "not given", "true": "true", "false": "false"} | {_plain(one): one for one in argument.choices}


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
