"""A chat template rendered as transformers renders it: same extensions, filters, globals and white space.

In: the template's source, messages as plain JSON values. Out: the text, and where its generation tags say that the
assistant speaks. Knows no tokens. Render untrusted templates in a worker process only: nothing here stops a loop.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.utils import Namespace

from model.inspector.bounds import BOUNDED_FILTERS, UNUSED_GLOBALS, BoundedEnvironment
from model.inspector.refusals import LimitHit, TemplateRefused

SOURCE_BYTES = 256 << 10
OUTPUT_CHARS = 4 << 20
PIECES = 4_096

Result = TypeVar("Result")

Message = dict[str, Any]
Spans = tuple[tuple[int, int], ...]

REASONING_FIELDS = ("reasoning_content", "thinking", "reasoning")
"""Under which names a message's thoughts come; transformers passes them on under the first two."""

HAS_GENERATION_TAGS = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")


MAY_TAG = re.compile(r"\{%[-+]?\s*generation\b")


class GenerationTags(Extension):
    """`{% generation %}`: what the assistant says, as spans of the output."""

    tags = {"generation"}  # noqa: RUF012, as Jinja declares it

    def __init__(self, environment: jinja2.Environment):
        super().__init__(environment)
        self.spans: list[tuple[int, int]] = []
        self.written = 0

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_keep"), [], [], body).set_lineno(line)

    def _keep(self, caller: Callable[[], str]) -> str:
        text = caller()
        self.spans.append((self.written, self.written + len(text)))
        return text


class TemplateDict:
    """`dict` without its attributes."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class TemplateNamespace(Namespace):
    """A namespace that takes no name with an underscore in front, as transformers' does not."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, args = args[0], args[1:]
        values = dict(*args, **kwargs)
        for name in values:
            _refuse_underscore(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)


def _refuse_underscore(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a namespace takes no name with an underscore in front: {name!r}")


class ChatTemplate:
    """A compiled template. `now` is what `strftime_now` tells, so that the same data gives the same text."""

    def __init__(self, source: str, now: datetime) -> None:
        """Raises TemplateRefused if it cannot be compiled, LimitHit if it is too large."""
        if len(source.encode(errors="replace")) > SOURCE_BYTES:
            raise LimitHit(f"the template is larger than {SOURCE_BYTES >> 10} KiB", param="template")
        self.source = source
        self.has_generation_tags = bool(HAS_GENERATION_TAGS.search(source))
        environment = BoundedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTags, loopcontrols]
        )
        for name in UNUSED_GLOBALS:
            environment.globals.pop(name)
        environment.filters.update(BOUNDED_FILTERS)
        environment.globals.update(
            raise_exception=_raise,
            strftime_now=now.strftime,
            dict=TemplateDict(),
            namespace=TemplateNamespace,
        )
        tags = environment.extensions[f"{GenerationTags.__module__}.{GenerationTags.__qualname__}"]
        assert isinstance(tags, GenerationTags)
        self._tags = tags
        self._compiled = _guarded(lambda: environment.from_string(source))

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        generation_prompt: bool = False,
    ) -> str:
        """The text of a conversation. Raises TemplateRefused, with the template's words, or LimitHit."""
        return self.render_tagged(messages, tools=tools, arguments=arguments, generation_prompt=generation_prompt)[0]

    def render_tagged(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        generation_prompt: bool = False,
    ) -> tuple[str, Spans]:
        """The text, and the spans of it that stand in generation tags."""
        values = {
            "messages": with_reasoning_names(messages),
            "tools": tools,
            "documents": None,
            "add_generation_prompt": generation_prompt,
            **(arguments or {}),
        }
        pieces = self._pieces if MAY_TAG.search(self.source) else self._groups
        text = _guarded(lambda: "".join(pieces(values)))
        return text, tuple(self._tags.spans)

    def _groups(self, values: dict[str, Any]) -> Iterator[str]:
        """Many pieces at once, where nobody asks how much is written."""
        self._tags.spans, written = [], 0
        compiled = self._compiled
        pieces = compiled.root_render_func(compiled.new_context(values))  # as `generate` does, a frame less a piece
        while group := list(islice(pieces, PIECES)):
            written += sum(map(len, group))
            if written > OUTPUT_CHARS:
                raise LimitHit(f"the template writes more than {OUTPUT_CHARS >> 20} MiB", param="template")
            yield from group

    def _pieces(self, values: dict[str, Any]) -> Iterator[str]:
        self._tags.spans, self._tags.written = [], 0
        for piece in self._compiled.generate(values):
            self._tags.written += len(piece)
            if self._tags.written > OUTPUT_CHARS:
                raise LimitHit(f"the template writes more than {OUTPUT_CHARS >> 20} MiB", param="template")
            yield piece


def with_reasoning_names(messages: Sequence[Message]) -> list[Message]:
    """Messages as transformers hands them on: no key that is null, thoughts under the names that templates read."""
    named = []
    for message in messages:
        given = dict(message)
        if None in given.values():
            given = {key: value for key, value in given.items() if value is not None}
        thoughts = next((given[field] for field in REASONING_FIELDS if field in given), None)
        if thoughts is not None:
            given = {"thinking": thoughts, **given, "reasoning_content": thoughts}
        named.append(given)
    return named


def _raise(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)


def _guarded(run: Callable[[], Result]) -> Result:
    """What a template does, with whatever it raises told as an error of the template's.

    A template is a program of somebody else's: any exception may come out of it, hence the broad `except`.
    """
    try:
        return run()
    except LimitHit:
        raise
    except (MemoryError, RecursionError) as error:
        what = "memory" if isinstance(error, MemoryError) else "depth"
        raise LimitHit(f"the template needs more {what} than it may have", param="template") from None
    except OverflowError as error:
        raise LimitHit(f"the template asks for a range or number over the limit: {error}", param="template") from None
    except jinja2.TemplateSyntaxError as error:
        raise TemplateRefused(f"line {error.lineno}: {error.message}", param="template") from None
    except jinja2.TemplateError as error:
        raise TemplateRefused(str(error.message or type(error).__name__), param="template") from None
    except Exception as error:
        raise TemplateRefused(f"{type(error).__name__}: {error}", param="template") from None
