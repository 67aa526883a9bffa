"""What a chat template lets a server choose: the arguments that it reads, and the words that it compares them with.

In: a template's source, or what was given for its arguments. Out: plain values. A source is parsed, which may take
long: only where templates may be compiled.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, TemplateError, meta, nodes
from jinja2.ext import loopcontrols

from model.inspector.refusals import UnreadableInput
from model.inspector.templates import GenerationTags

NOT_CHOSEN = frozenset(
    (
        *("messages", "documents", "tools", "add_generation_prompt"),
        *("raise_exception", "strftime_now", "namespace", "dict", "range"),
    )
)
"""What the row, transformers or Jinja brings. A server adds the generation prompt whatever else it is told."""
SPECIAL_TOKEN = re.compile(r"_token$")
MOST_ARGUMENTS, MOST_CHOICES, LONGEST = 12, 6, 40
MOST_NAMES, LONGEST_JSON = 16, 2_000
"""Of the arguments that are given."""


@dataclass(frozen=True)
class Argument:
    """`choices`: texts that the template compares it with; for most, which are true or false, none."""

    name: str
    choices: tuple[str, ...] = ()


def read_arguments(source: str) -> tuple[Argument, ...]:
    """In the order in which the template reads them; those of a template that cannot be parsed are none."""
    environment = Environment(extensions=[GenerationTags, loopcontrols])
    try:
        tree = environment.parse(source)
        compared = list(_comparisons(tree))  # first: Jinja folds lists of constants as it looks for names
        read = meta.find_undeclared_variables(tree) - NOT_CHOSEN
    except (TemplateError, RecursionError):
        return ()
    stored = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    handed = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "param"}
    tested = {
        test.node.name
        for test in tree.find_all(nodes.Test)
        if isinstance(test.node, nodes.Name) and test.name in ("defined", "undefined", "none")
    }
    names = dict.fromkeys(name.name for name in tree.find_all(nodes.Name) if name.name in read - handed)
    found = [name for name in names if (name not in stored or name in tested) and not SPECIAL_TOKEN.search(name)]
    return tuple(
        Argument(name, tuple(dict.fromkeys(text for whose, text in compared if whose == name))[:MOST_CHOICES])
        for name in found[:MOST_ARGUMENTS]
        if len(name) <= LONGEST
    )


def _comparisons(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    """(name, text) of each `name == "text"` and `name in ["text", ...]`."""
    for compare in tree.find_all(nodes.Compare):
        if not isinstance(compare.expr, nodes.Name):
            continue
        for operand in compare.ops:
            items = operand.expr.items if isinstance(operand.expr, (nodes.List, nodes.Tuple)) else [operand.expr]
            for item in items:
                if isinstance(item, nodes.Const) and isinstance(item.value, str) and 0 < len(item.value) <= LONGEST:
                    yield compare.expr.name, item.value


def read_serving(text: str, switched: Mapping[str, str]) -> dict[str, Any]:
    """Arguments as one JSON object, and single ones that were switched. Raises UnreadableInput."""
    found = _read(text, "the arguments") if text.strip() else {}
    if not isinstance(found, dict):
        raise UnreadableInput('the arguments are one JSON object, such as {"enable_thinking": false}', param="args")
    for name, value in switched.items():
        if value:
            found[name] = _read(value, name)
        else:
            found.pop(name, None)
    if len(found) > MOST_NAMES:
        raise UnreadableInput(f"{len(found)} arguments; at most {MOST_NAMES}", param="args")
    for name in found:
        if not name.isidentifier() or name == "messages" or name.startswith("_"):
            raise UnreadableInput(f"{name[:40]!r} is no name of an argument", param="args")
    return found


def _read(text: str, what: str) -> Any:
    if len(text) > LONGEST_JSON:
        raise UnreadableInput(f"{what}: more than {LONGEST_JSON:,} characters", param="args")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableInput(f"{what[:40]}: {text[:40]!r} is no JSON", param="args") from None
