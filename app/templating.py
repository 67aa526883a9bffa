"""The Jinja environment: autoescaping, strict about missing names, and `static_url()`. Knows no page."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from app.settings import ROOT
from model.text.tokenizer import PAD

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

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
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    html = ENVIRONMENT.get_template(template).render(values, request=request)
    # The same address answers whole pages and fragments; a cache must not serve one for the other.
    return HTMLResponse(html, status, {"Cache-Control": "no-store", "Vary": "HX-Request-Type"})


def percent(value: float, digits: int = 0) -> str:
    """0.934 -> `93 %`, with the space that typesetters put."""
    return f"{100 * value:.{digits}f} %"


def compact(value: float) -> str:
    """At most two significant digits in at most six characters: 19, 1.1, 0.14, 0.004, 6e-5; 0 only for exactly 0."""
    if value == 0:
        return "0"
    if abs(value) < 0.001:
        digits, exponent = f"{value:.0e}".split("e")
        text = f"{digits}e{int(exponent)}"
    else:
        decimals = next(d for limit, d in ((0.00995, 3), (0.995, 2), (9.95, 1), (math.inf, 0)) if abs(value) < limit)
        text = f"{value:.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def sign(token: str) -> str:
    return SIGNS.get(token, token)


def _nowhere(path: str, query: Mapping[str, str]) -> None:
    """No page is part of a lesson that nobody has named."""


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"static_url": static_url, "pages": (), "lesson_place": _nowhere}  # app/pages sets both
    environment.filters |= {"percent": percent, "compact": compact, "sign": sign}
    return environment


ENVIRONMENT = _environment()
