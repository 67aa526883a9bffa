"""The Jinja environment: autoescaping, strict about missing names, and `static_url()`. Knows no page."""

import hashlib
import os
from collections.abc import Awaitable, Mapping
from dataclasses import fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from app import kept_fragments
from app.kept_fragments import KeptTag
from app.menu import Menu
from app.settings import ROOT
from model.errors import InvalidText, MaskscopeError
from model.inspector.owners import PART_WORDS
from model.text.tokenizer import PAD
from model.writing import compact, number, percent, scientific

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PURPOSE = "Which tokens a model is trained on, what each does to the gradient, and what becomes of the model."
"""What all pages are for: told to search engines, and of the API."""

STATIC_FOLDER = ROOT / "static"

SIGNS = {PAD: "∅", " ": "␣", "\n": "↵"}
"""How pages write tokens that cannot be seen, or not in one column; every other stands for itself."""


@cache
def static_url(path: str) -> str:
    """The address of a static file, with a part of its content's hash so that a changed file is fetched anew."""
    digest = hashlib.sha256((STATIC_FOLDER / path).read_bytes()).hexdigest()
    return f"/static/{path}?v={digest[:12]}"


def is_partial(request: Request) -> bool:
    """True if htmx asks for a fragment, not for a whole page (as it does to restore history)."""
    return request.headers.get("hx-request-type") == "partial"


def render(request: Request, template: str, context: "DataclassInstance", status: int = 200) -> Response:
    """A template filled with a context's fields."""
    return _respond(request, template, _fields_of(context), status)


async def render_view(
    request: Request,
    template: str,
    context: "DataclassInstance",
    view: Awaitable[object],
    refused: tuple[type[MaskscopeError], ...] = (InvalidText,),
) -> Response:
    """The same with `view`, what is shown of a text; if that is refused, without it, and `message` says why."""
    try:
        shown, status = {"view": await request.app.state.turns.after(view), "message": None}, 200
    except refused as error:
        shown, status = {"view": None, "message": error.message}, 422
    return _respond(request, template, _fields_of(context) | shown, status)


def _fields_of(context: "DataclassInstance") -> dict[str, object]:
    return {field.name: getattr(context, field.name) for field in fields(context)}


def _respond(request: Request, template: str, values: dict[str, object], status: int) -> Response:
    html = ENVIRONMENT.get_template(template).render(values, request=request)
    # The same address answers whole pages and fragments; a cache must not serve one for the other.
    return HTMLResponse(html, status, {"Cache-Control": "no-store", "Vary": "HX-Request-Type"})


def sign(token: str) -> str:
    return SIGNS.get(token, token)


def json_for_html(json: bytes) -> Markup:
    """JSON for an attribute in single quotes or a script; four times as quick as Jinja's `tojson` of a Python value."""
    text = json.decode()
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


class CompiledTemplates(FileSystemBytecodeCache):
    """Kept where Python keeps this module's, and found only by the code that compiled them. A server only reads."""

    def __init__(self, folder: Path = Path(__file__).parent / "__pycache__", writes: bool = False):
        code = [path.read_bytes() for path in (Path(__file__), Path(kept_fragments.__file__))]
        digest = hashlib.sha256(b"".join((version("jinja2").encode(), *code))).hexdigest()
        super().__init__(str(folder), f"%s.{digest[:12]}.jinja")
        self._writes = writes

    def dump_bytecode(self, bucket: Bucket) -> None:
        if self._writes:
            super().dump_bytecode(bucket)


def compile_all() -> None:
    """What the first visitors would wait for, 0.1 s a page. `.ci/install` calls it."""
    kept = CompiledTemplates(writes=True)
    os.makedirs(kept.directory, exist_ok=True)
    environment = _environment(kept)
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def _nowhere(path: str, query: Mapping[str, str]) -> None:
    """No page is part of a lesson that nobody has named."""


def _environment(kept: CompiledTemplates) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        bytecode_cache=kept,
        autoescape=True,
        extensions=[KeptTag],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # it would look at the file of each part of each page, each time
    )
    environment.globals |= {"static_url": static_url, "purpose": PURPOSE, "part_words": PART_WORDS}
    environment.globals |= {"menu": Menu(), "lesson_place": _nowhere}  # app/pages sets these
    environment.filters |= {
        "percent": percent,
        "compact": compact,
        "number": number,
        "sign": sign,
        "scientific": scientific,
    }
    return environment


ENVIRONMENT = _environment(CompiledTemplates())
