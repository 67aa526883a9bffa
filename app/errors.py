"""One table: error -> status. Renders every failure: JSON under /api and /v1, a fragment for htmx, a page elsewhere.

Routers raise; only this module builds error bodies. Nothing of a traceback leaves the server.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.engine import EngineBusy, EngineFailed, EngineStopped
from app.races.followers import FollowersBusy
from app.races.owners import NotTheOwner
from app.races.sessions import RaceFailed, RacesBusy, WrongState
from app.templating import is_partial, render
from app.votes.sessions import NotTheTeacher, VoteClosed, VotesBusy
from app.workers.inspections import InspectionsBusy
from model.errors import Diverged, InvalidText, MaskscopeError, OutOfRange, UnknownName
from model.inspector.refusals import LimitHit, TemplateRefused, UnreadableInput

log = logging.getLogger(__name__)


class HostNotAllowed(MaskscopeError, PermissionError):
    """The request names this server by a name it does not go by."""

    code = "host_not_allowed"


class CrossOrigin(MaskscopeError, PermissionError):
    """Another site's page tried to change or compute something here."""

    code = "cross_origin"


class BodyTooLarge(MaskscopeError, ValueError):
    code = "body_too_large"


class BodyTooSlow(MaskscopeError, TimeoutError):
    code = "body_too_slow"


class TooManyRequests(MaskscopeError, ConnectionError):
    """One client has too many requests in flight."""

    code = "too_many_requests"


class Overloaded(MaskscopeError, ConnectionError):
    """The server has too many requests in flight."""

    code = "overloaded"


class NotHttp(MaskscopeError, ValueError):
    """Bytes that are no HTTP request, or none that can be read in one way only."""

    code = "not_http"


class HeadersTooLarge(MaskscopeError, ValueError):
    code = "headers_too_large"


class HeadersTooSlow(MaskscopeError, TimeoutError):
    code = "headers_too_slow"


class ConnectionsBusy(MaskscopeError, ConnectionError):
    """No place for one more connection, or for one more of an address."""

    code = "overloaded"


class KeeperGone(MaskscopeError, ConnectionError):
    """The process or machine that keeps races and votes does not answer. Trying again later helps."""

    code = "keeper_gone"


STATUS: dict[type[MaskscopeError], int] = {
    InvalidText: 422,
    OutOfRange: 422,
    Diverged: 422,
    TemplateRefused: 422,
    LimitHit: 422,
    UnreadableInput: 422,
    UnknownName: 404,
    HostNotAllowed: 400,
    CrossOrigin: 403,
    BodyTooLarge: 413,
    BodyTooSlow: 408,
    NotHttp: 400,
    HeadersTooLarge: 431,
    HeadersTooSlow: 408,
    ConnectionsBusy: 503,
    TooManyRequests: 429,
    EngineBusy: 503,
    EngineStopped: 503,
    EngineFailed: 503,
    Overloaded: 503,
    WrongState: 409,
    RacesBusy: 503,
    FollowersBusy: 503,
    RaceFailed: 503,
    NotTheOwner: 403,
    NotTheTeacher: 403,
    VoteClosed: 409,
    VotesBusy: 503,
    InspectionsBusy: 503,
    KeeperGone: 503,
}

TYPES = {404: "not_found", 405: "not_found", 429: "rate_limit", 500: "server_error", 503: "overloaded"}
"""The coarse kind of an error by status; `invalid_request` for all others."""

HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}

V1_TYPES = {429: "rate_limit_error", 500: "server_error", 503: "server_error"}
"""The same under /v1, in the words of the API that standard clients speak; `invalid_request_error` for all others."""

UNREADABLE_BODY = "There was an error parsing the body"
"""FastAPI's words, with status 400, for a body at which the JSON parser gave up."""

RETRY_AFTER_SECONDS = (1, 60)
"""At least and at most, with 429 and 503."""

JOBS_A_SECOND, INSPECTION_SECONDS, RACE_SECONDS = 50.0, 1.0, 20.0
"""What one core does of the engine's calls, and how long the others take, roughly and rather too long."""


def _engine_seconds(state: State) -> float:
    return float(state.engine.load) / JOBS_A_SECOND


WAITS: dict[type[MaskscopeError], Callable[[State], float]] = {
    EngineBusy: _engine_seconds,
    Overloaded: _engine_seconds,
    TooManyRequests: _engine_seconds,
    InspectionsBusy: lambda state: state.inspections.load * INSPECTION_SECONDS,
    RacesBusy: lambda state: len(state.races.waiting()) * RACE_SECONDS,
}
"""In how many seconds what waits now has had its turn: whoever comes back sooner finds it full again."""


@dataclass(frozen=True)
class ErrorBody:
    """What every client is told: what went wrong, which field, and a stable code."""

    type: str
    message: str
    param: str | None
    code: str


@dataclass(frozen=True)
class ErrorContext:
    """For error.html and its fragment."""

    status: int
    message: str


def install(app: FastAPI) -> None:
    """Let the application answer every error it raises through this module; security.py sees to what nobody foresaw."""
    app.add_exception_handler(MaskscopeError, _from_ours)
    app.add_exception_handler(RequestValidationError, _from_validation)
    app.add_exception_handler(HTTPException, _from_http)


def respond(request: Request, error: MaskscopeError) -> Response:
    """The answer to an error of ours, wherever it was caught."""
    response = _render(request, STATUS[type(error)], error.message, error.param, error.code)
    waits, app = WAITS.get(type(error)), request.scope.get("app")  # none where there was no request to route
    if waits is not None and app is not None:
        least, most = RETRY_AFTER_SECONDS
        response.headers["Retry-After"] = str(min(most, least + int(waits(app.state))))
    return response


def respond_to_bug(request: Request, error: Exception) -> Response:
    """The answer to an error that nobody foresaw. It is logged, and tells nothing."""
    log.error("unexpected error at %s", _excerpt(request.scope["path"]), exc_info=error)
    return _render(request, 500, "Unexpected error; the server's log has it", None, "unexpected")


def body_of(error: MaskscopeError) -> ErrorBody:
    """The public description of an error, for an event in a stream that has already begun."""
    return ErrorBody(_type_of(STATUS[type(error)]), error.message, error.param, error.code)


def v1_body_of(error: MaskscopeError) -> ErrorBody:
    """The same in a stream under /v1."""
    return _v1_body(STATUS[type(error)], error.message, error.param, error.code)


def describe_validation(error: RequestValidationError) -> tuple[str, str | None]:
    """A sentence for the first invalid field, saying what was given, and the field's name."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    param = _excerpt(".".join(place))[1:-1] or None
    if first["type"] == "json_invalid":
        return f"The body is not JSON: {first['ctx']['error']}", None
    given = "" if first["type"] == "missing" else f"; given {_excerpt(first['input'])}"
    return f"{param or 'request'}: {first['msg']}{given}", param


async def _from_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, MaskscopeError)
    return respond(request, error)


async def _from_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    message, param = describe_validation(error)
    if request.url.path.startswith("/v1/") and error.errors()[0]["type"] == "extra_forbidden":
        message = f"{param} is not supported here"
    return _render(request, 422, message, param, "invalid")


async def _from_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.detail == UNREADABLE_BODY:
        message = "The body is not JSON: not in UTF-8, nested too deeply, or with a number too long"
        return _render(request, 422, message, None, "invalid")
    response = _render(request, error.status_code, error.detail, None, HTTP_CODES.get(error.status_code, "invalid"))
    response.headers.update(error.headers or {})
    return response


def _render(request: Request, status: int, message: str, param: str | None, code: str) -> Response:
    if request.url.path.startswith("/v1/"):
        status = 400 if status == 422 else status
        response: Response = JSONResponse({"error": vars(_v1_body(status, message, param, code))}, status)
    elif request.url.path.startswith("/api/"):
        body = ErrorBody(_type_of(status), message, param, code)
        response = JSONResponse({"error": vars(body)}, status)
    elif is_partial(request):
        response = render(request, "shared/_notice.html", ErrorContext(status, message), status)
        response.headers.update({"HX-Retarget": "#notice", "HX-Reswap": "outerHTML", "HX-Push-Url": "false"})
    else:
        response = render(request, "error.html", ErrorContext(status, message), status)
    if status in (429, 503):
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS[0])
    return response


def _v1_body(status: int, message: str, param: str | None, code: str) -> ErrorBody:
    return ErrorBody(V1_TYPES.get(status, "invalid_request_error"), message, param, code)


def _type_of(status: int) -> str:
    return TYPES.get(status, "invalid_request")


def _excerpt(value: object) -> str:
    """At most 60 characters of what was given, in ASCII, whatever it was."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
