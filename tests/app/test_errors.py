"""app/errors.py: one status for each error, one body for scripts, a fragment for htmx, a page for people."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from app.engine import EngineBusy
from app.errors import (
    RETRY_AFTER_SECONDS,
    STATUS,
    Overloaded,
    TooManyRequests,
    body_of,
    describe_validation,
    respond,
    respond_to_bug,
)
from app.races.followers import FollowersBusy
from model.errors import BrokenAblation, BrokenRun, InvalidText, MaskscopeError, OutOfRange, UnknownName


def request_for(path: str, headers: dict[str, str] | None = None) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": raw}
    return Request(scope | {"server": ("localhost", 80), "scheme": "http"})


def children(error: type[MaskscopeError]) -> Iterator[type[MaskscopeError]]:
    for child in error.__subclasses__():
        yield child
        yield from children(child)


def test_every_error_that_a_request_can_meet_has_a_status() -> None:
    ours = {error for error in children(MaskscopeError) if error.__module__.split(".")[0] in ("app", "model")}
    at_start = {BrokenRun, BrokenAblation}  # a broken file ends the start, before any request
    of_commands = {error for error in ours if error.__module__ == "app.workers.cluster"}
    assert ours - at_start - of_commands == set(STATUS)


def test_every_error_also_is_the_standard_one_it_refines() -> None:
    for error in STATUS:
        assert issubclass(error, (ArithmeticError, ValueError, LookupError, OSError, RuntimeError)), error


@pytest.mark.parametrize("error", STATUS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("path", ["/api/v1/analyze", "/api/nope"])
def test_scripts_are_answered_in_json(error: type[MaskscopeError], path: str) -> None:
    response = respond(request_for(path), error("what; allowed: that", param="prompt"))
    body = json.loads(response.body)
    assert response.status_code == STATUS[error]
    assert list(body) == ["error"]
    assert body["error"] == vars(body_of(error("what; allowed: that", param="prompt")))
    assert (body["error"]["message"], body["error"]["param"]) == ("what; allowed: that", "prompt")
    assert body["error"]["code"] == error.code
    assert ("retry-after" in response.headers) == (response.status_code in (429, 503))


@pytest.mark.parametrize("error", STATUS, ids=lambda error: error.__name__)
def test_standard_clients_are_answered_in_the_words_they_know(error: type[MaskscopeError]) -> None:
    response = respond(request_for("/v1/completions"), error("what; allowed: that", param="prompt"))
    told = json.loads(response.body)["error"]
    assert response.status_code == (400 if STATUS[error] == 422 else STATUS[error])
    assert (told["message"], told["param"], told["code"]) == ("what; allowed: that", "prompt", error.code)
    assert told["type"] in ("invalid_request_error", "rate_limit_error", "server_error")
    assert (told["type"] == "invalid_request_error") == (response.status_code < 500 and response.status_code != 429)


@pytest.mark.parametrize("error", STATUS, ids=lambda error: error.__name__)
def test_people_get_a_page_and_htmx_a_fragment(error: type[MaskscopeError]) -> None:
    page = respond(request_for("/"), error("<b>what</b>"))
    fragment = respond(request_for("/", {"hx-request-type": "partial"}), error("<b>what</b>"))
    assert page.status_code == fragment.status_code == STATUS[error]
    assert page.body.startswith(b"<!doctype html>")
    assert fragment.body.startswith(b'<p id="notice"')
    assert fragment.headers["hx-retarget"] == "#notice"
    assert "hx-retarget" not in page.headers
    for response in (page, fragment):
        assert b"&lt;b&gt;what&lt;/b&gt;" in response.body
        assert b"<b>what" not in response.body


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidText, "invalid_request"),
        (OutOfRange, "invalid_request"),
        (UnknownName, "not_found"),
        (EngineBusy, "overloaded"),
    ],
)
def test_the_kind_of_an_error_follows_its_status(error: type[MaskscopeError], kind: str) -> None:
    assert body_of(error("what")).type == kind


def test_whoever_shall_come_again_is_told_when() -> None:
    assert respond(request_for("/api/v1/races"), FollowersBusy("full")).headers["retry-after"] == "1"


@pytest.mark.anyio
async def test_whoever_finds_a_long_queue_is_told_to_come_back_later_than_who_finds_a_short_one(
    start_app: Any, gate: Any
) -> None:
    async with start_app(queue_size=10_000) as app:

        def told(error: MaskscopeError) -> int:
            request = request_for("/api/v1/analyze")
            request.scope["app"] = app
            return int(respond(request, error).headers["retry-after"])

        busy = EngineBusy("full"), Overloaded("full"), TooManyRequests("full")
        assert [told(error) for error in busy] == [1, 1, 1]
        waiting = [asyncio.create_task(app.state.engine.call(gate.wait)) for _ in range(500)]
        await asyncio.sleep(0)
        assert [told(error) for error in busy] == [11, 11, 11]
        waiting += [asyncio.create_task(app.state.engine.call(gate.wait)) for _ in range(9000)]
        await asyncio.sleep(0)
        assert [told(error) for error in busy] == [RETRY_AFTER_SECONDS[1]] * 3
        gate.open(len(waiting))
        await asyncio.gather(*waiting)
        assert told(busy[0]) == 1


@pytest.mark.anyio
async def test_a_full_queue_of_races_is_told_by_how_many_wait(start_app: Any, connect: Any) -> None:
    race = {"width": 8, "steps": 5000}
    for places in (1, 2):
        async with start_app(race_queue_size=2 * places) as app, connect(app) as client:
            for _ in range(1 + places):
                assert (await client.post("/api/v1/races", json=race)).status_code == 201
                await asyncio.sleep(0)
            refused = await client.post("/api/v1/races", json=race)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, str(1 + 20 * places))


@pytest.mark.parametrize(
    ("error", "sentence", "param"),
    [
        (
            {"type": "int_type", "loc": ("body", "step"), "msg": "Input should be a valid integer", "input": "é\u202e"},
            "step: Input should be a valid integer; given '\\xe9\\u202e'",
            "step",
        ),
        (
            {"type": "missing", "loc": ("query", "prompt"), "msg": "Field required", "input": {}},
            "prompt: Field required",
            "prompt",
        ),
        ({"type": "x", "loc": ("body",), "msg": "Not this", "input": [1]}, "request: Not this; given [1]", None),
        ({"type": "x", "loc": ("body", "a", 0, "b"), "msg": "No", "input": 1}, "a.0.b: No; given 1", "a.0.b"),
        (
            {"type": "json_invalid", "loc": ("body", 9), "msg": "", "input": {}, "ctx": {"error": "Expecting value"}},
            "The body is not JSON: Expecting value",
            None,
        ),
    ],
)
def test_a_field_that_does_not_fit_is_described_in_one_sentence(
    error: dict[str, object], sentence: str, param: str | None
) -> None:
    assert describe_validation(RequestValidationError([error])) == (sentence, param)


def test_what_was_given_is_repeated_up_to_sixty_characters() -> None:
    long = {"type": "x", "loc": ("body", "prompt"), "msg": "No", "input": "a" * 100_000}
    message, _ = describe_validation(RequestValidationError([long]))
    assert message == f"prompt: No; given '{'a' * 56}..."


def test_the_address_of_an_error_that_nobody_foresaw_is_logged_in_one_line_of_ascii(
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = "/a\nINFO: forged \u202e\x1b[2J" + "b" * 10_000
    assert respond_to_bug(request_for(path), RuntimeError("x")).status_code == 500
    (record,) = caplog.records
    said = record.getMessage()
    assert said.isascii()
    assert said.isprintable()
    assert said.startswith("unexpected error at '/a\\nINFO: forged \\u202e\\x1b[2Jbbb")
    assert len(said) < 100
