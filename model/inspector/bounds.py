"""What a chat template may ask of Jinja at most: operators, filters and the environment that holds them to it.

The immutable sandbox stops tricks with attributes. It bounds neither size nor time: sizes are bounded here and by the
worker's memory, time by whoever started the worker (app/workers).
"""

import json
import re
from collections.abc import Callable
from typing import Any

from jinja2 import filters
from jinja2.sandbox import ImmutableSandboxedEnvironment

from model.inspector.refusals import LimitHit

LENGTH = 1 << 20
"""Of what one operator or filter may make, in characters, items or bits."""
WIDTH = 10_000
"""Of an indentation, a centred line, a padded number."""

UNUSED_GLOBALS = ("lipsum", "cycler", "joiner")
"""Jinja's globals that no chat template needs and that make output out of nothing."""

_WIDE = re.compile(r"%[^a-zA-Z%]*(?:\d{5,}|\*)")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox with bounded products and powers, which are then not computed at compile time either."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            _check(_product_size(left, right), "a product")
        elif operator == "**":
            _check(_power_size(left, right), "a power")
        elif isinstance(left, str) and _WIDE.search(left):
            raise LimitHit("the template formats a text to a width over the limit")
        return super().call_binop(context, operator, left, right)


def _check(size: float, what: str, limit: int = LENGTH) -> None:
    if size > limit:
        raise LimitHit(f"the template asks for {what} over the limit of {limit:,}")


def _product_size(left: Any, right: Any) -> float:
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, (str, list, tuple)) and isinstance(times, int):
            return len(sequence) * max(times, 0)
    if isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length()
    return 0


def _power_size(base: Any, exponent: Any) -> float:
    if isinstance(base, int) and isinstance(exponent, int):
        return base.bit_length() * max(exponent, 0)
    return 0


def _bounded(filter_: Callable[..., Any], limits: dict[str, int], names: tuple[str, ...]) -> Callable[..., Any]:
    """A filter whose numeric arguments, `names` in their order behind the value, stay below their limits."""

    def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(names, args, strict=False)) | kwargs
        for name, limit in limits.items():
            size = given.get(name)
            if isinstance(size, str):
                size = len(size)
            if isinstance(size, int):
                _check(size, f"a filter with {name}", limit)
        return filter_(value, *args, **kwargs)

    return bounded


def format_bounded(value: str, *args: Any, **kwargs: Any) -> str:
    if _WIDE.search(str(value)):
        raise LimitHit("the template formats a text to a width over the limit")
    return filters.do_format(value, *args, **kwargs)


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """transformers' own filter: Jinja's would escape HTML."""
    if isinstance(indent, int):
        _check(indent, "a filter with indent", 100)
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


BOUNDED_FILTERS: dict[str, Callable[..., Any]] = {
    "tojson": to_json,
    "format": format_bounded,
    "center": _bounded(filters.do_center, {"width": WIDTH}, ("width",)),
    "indent": _bounded(filters.do_indent, {"width": WIDTH}, ("width", "first", "blank")),
    "batch": _bounded(filters.do_batch, {"linecount": WIDTH}, ("linecount", "fill_with")),
    "slice": _bounded(filters.sync_do_slice, {"slices": WIDTH}, ("slices", "fill_with")),
}
