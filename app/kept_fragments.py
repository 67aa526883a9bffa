"""`{% kept key, ... %}...{% endkept %}` in a template: what is between is rendered once for each key, then kept.

For parts of a page that only few things decide, on a page that is drawn anew for each word. The key names all that the
part depends on. Kept by the application that answers, so that two of them in one process share nothing.
"""

from collections import OrderedDict
from collections.abc import Callable

from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from markupsafe import Markup

KEPT = 500
"""Fragments, of at most some 20 KB: the longest unused leaves first."""

Key = tuple[object, ...]


class KeptFragments(OrderedDict[Key, Markup]):
    """Of one application, on its `state.fragments`."""

    def get_or(self, key: Key, draw: Callable[[], str]) -> Markup:
        if key in self:
            self.move_to_end(key)
            return self[key]
        self[key] = drawn = Markup(draw())
        if len(self) > KEPT:
            self.popitem(last=False)
        return drawn


class KeptTag(Extension):
    tags = {"kept"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        place = nodes.Const(f"{parser.name}:{line}")
        key = parser.parse_tuple(with_condexpr=True)
        body = parser.parse_statements(("name:endkept",), drop_needle=True)
        call = self.call_method("_kept", [nodes.ContextReference(), place, key])
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _kept(self, context: Context, place: str, key: object, caller: Callable[[], str]) -> Markup:
        app = context["request"].scope.get("app")  # none where a connection's fault is answered
        return Markup(caller()) if app is None else app.state.fragments.get_or((place, key), caller)
