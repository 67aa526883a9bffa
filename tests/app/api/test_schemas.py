"""/api/v1: what is refused and in which words, and the document that says so."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.training.recipes import ALL_RECIPES

pytestmark = pytest.mark.anyio

HELLO = {"recipe": "reverse", "prompt": "hello", "policy": "prompt-masked"}
JSON_TYPE = {"content-type": "application/json"}


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error a response carries, after a look at its shape."""
    assert 400 <= response.status_code < 500, (response.status_code, response.text[:500])
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert list(error) == ["type", "message", "param", "code"]
    assert error["type"] in {"invalid_request", "not_found", "rate_limit", "overloaded"}
    assert error["message"]
    assert "Traceback" not in response.text
    return error


# What is refused, and in which words.

BOTH = ("analyze", "generate")


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    ("changes", "status", "param", "message"),
    [
        ({"recipe": "nope"}, 404, "recipe", f"There is no recipe 'nope'. Choose one of: {', '.join(ALL_RECIPES)}"),
        (
            {"step": 7},
            422,
            "step",
            "Step 7 was not kept. Choose one of: 0, 100, 200, 300, 400, 500, 600, 700, 800, "
            "900, 1000, 1100, 1200, 1300, 1500, 1750, 2000, 2500, 3000",
        ),
        ({"prompt": ""}, 422, "prompt", "Write 1 to 10 characters; you wrote 0"),
        ({"prompt": "abcdefghijk"}, 422, "prompt", "Write 1 to 10 characters; you wrote 11"),
        ({"prompt": "Hello"}, 422, "prompt", "Use letters a to z only: the 1st character is H"),
        ({"prompt": "a<b"}, 422, "prompt", "Use letters a to z only: the 2nd character is <"),
        ({"prompt": "a\0"}, 422, "prompt", "Use letters a to z only: the 2nd character is U+0000"),
        (
            {"prompt": "\u202eab"},
            422,
            "prompt",
            "Use letters a to z only: the 1st character is U+202E (right-to-left override)",
        ),
        ({"prompt": "😀"}, 422, "prompt", "Use letters a to z only: the 1st character is U+1F600 (grinning face)"),
        (
            {"prompt": "\uff41"},
            422,
            "prompt",
            "Use letters a to z only: the 1st character is U+FF41 (fullwidth latin small letter a)",
        ),
        ({"recipe": "reverse4"}, 422, "prompt", "Write exactly 4 characters; you wrote 5"),
    ],
)
async def test_what_the_domain_refuses_is_said_in_its_words(
    client: httpx.AsyncClient, path: str, changes: dict[str, Any], status: int, param: str, message: str
) -> None:
    response = await client.post(f"/api/v1/{path}", json=HELLO | changes)
    error = error_of(response)
    assert (response.status_code, error["param"], error["message"]) == (status, param, message)
    assert error["type"] == ("not_found" if status == 404 else "invalid_request")


@pytest.mark.parametrize(
    ("path", "changes", "status", "param", "allowed"),
    [
        ("analyze", {"policy": "nope"}, 404, "policy", "prompt-masked, unmasked"),
        ("generate", {"policy": "nope"}, 404, "policy", "prompt-masked, unmasked"),
        ("analyze", {"trained_with": "nope"}, 404, "trained_with", "prompt-masked, unmasked"),
        ("analyze", {"response": "NO"}, 422, "response", "letters a to z"),
        ("analyze", {"response": "a" * 26}, 422, "response", "25 characters"),
        ("analyze", {"top_k": 31}, 422, "top_k", "1 to 30"),
        ("analyze", {"top_k": 0}, 422, "top_k", "greater than or equal to 1"),
        ("analyze", {"top_k": 65}, 422, "top_k", "less than or equal to 64"),
        ("generate", {"max_new_tokens": 0}, 422, "max_new_tokens", "greater than or equal to 1"),
        ("generate", {"max_new_tokens": 4097}, 422, "max_new_tokens", "less than or equal to 4096"),
    ],
)
async def test_a_field_of_one_call_is_bounded_on_both_sides(
    client: httpx.AsyncClient, path: str, changes: dict[str, Any], status: int, param: str, allowed: str
) -> None:
    response = await client.post(f"/api/v1/{path}", json=HELLO | changes)
    error = error_of(response)
    assert (response.status_code, error["param"]) == (status, param)
    assert allowed in error["message"]


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    ("changes", "param", "given"),
    [
        ({"step": -1}, "step", "-1"),
        ({"step": 2**63}, "step", "9223372036854775808"),
        ({"step": 10**4000}, "step", "1000000000"),
        ({"step": 2.5}, "step", "2.5"),
        ({"step": "last"}, "step", "'last'"),
        ({"step": [1]}, "step", "[1]"),
        ({"step": float("nan")}, "step", "nan"),
        ({"step": float("inf")}, "step", "inf"),
        ({"step": float("-inf")}, "step", "-inf"),
        ({"prompt": None}, "prompt", "None"),
        ({"prompt": 5}, "prompt", "5"),
        ({"prompt": {"a": 1}}, "prompt", "{'a': 1}"),
        ({"prompt": "a" * 257}, "prompt", "'aaaa"),
        ({"prompt": "\ud800"}, "prompt", "'\\ud800'"),
        ({"recipe": "\udfff\ud800"}, "recipe", "'\\udfff\\ud800'"),
        ({"recipe": ""}, "recipe", "''"),
        ({"recipe": "r" * 65}, "recipe", "'rrrr"),
        ({"recipe": None}, "recipe", "None"),
        ({"policy": False}, "policy", "False"),
        ({"temperature": 0.5}, "temperature", "0.5"),
        ({"Prompt": "hello"}, "Prompt", "'hello'"),
    ],
)
async def test_what_does_not_fit_the_schema_is_named_and_repeated(
    client: httpx.AsyncClient, path: str, changes: dict[str, Any], param: str, given: str
) -> None:
    response = await client.post(f"/api/v1/{path}", content=json.dumps(HELLO | changes), headers=JSON_TYPE)
    error = error_of(response)
    assert (response.status_code, error["param"]) == (422, param)
    assert given in error["message"]
    assert len(error["message"]) < 200


@pytest.mark.parametrize("missing", ["recipe", "prompt", "policy"])
@pytest.mark.parametrize("path", BOTH)
async def test_a_missing_field_is_named(client: httpx.AsyncClient, path: str, missing: str) -> None:
    body = {name: value for name, value in HELLO.items() if name != missing}
    error = error_of(await client.post(f"/api/v1/{path}", json=body))
    assert (error["param"], error["message"]) == (missing, f"{missing}: Field required")


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("analyze", {"top_k": True}),
        ("analyze", {"top_k": "3"}),
        ("analyze", {"step": False}),
        ("analyze", {"similarity": 1}),
        ("analyze", {"similarity": "yes"}),
        ("generate", {"max_new_tokens": True}),
        ("generate", {"stream": "true"}),
        ("generate", {"stream": 0}),
    ],
)
async def test_a_body_is_taken_at_its_types_as_the_schema_states_them(
    client: httpx.AsyncClient, path: str, changes: dict[str, Any]
) -> None:
    error = error_of(await client.post(f"/api/v1/{path}", json=HELLO | changes))
    assert error["param"] == next(iter(changes))


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize("name", ["k" * 50_000, "\u202e", "<img src=x onerror=alert(1)>", "\ud800"])
async def test_the_name_of_an_unknown_field_is_repeated_short_and_in_ascii(
    client: httpx.AsyncClient, path: str, name: str
) -> None:
    response = await client.post(f"/api/v1/{path}", content=json.dumps(HELLO | {name: 1}), headers=JSON_TYPE)
    assert error_of(response)["type"] == "invalid_request"
    assert response.content.isascii()
    assert len(response.content) < 600


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'"hello"',
        b"3",
        b'{"recipe"',
        b'{"recipe": "reverse",}',
        b'{"recipe": "\xff\xfe"}',
        b"\xff\xff\xff\xff",
        b'\xef\xbb\xbf{"recipe": "reverse"}',
        b'{"recipe": "\\ud800"}',
        b"[" * 60_000,
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"recipe": ' + b"9" * 60_000 + b"}",
        b"\0" * 1000,
        b"recipe=reverse&prompt=hello",
    ],
    ids=lambda body: ascii(body[:24]),
)
async def test_a_body_that_is_no_request_is_refused(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    response = await client.post(f"/api/v1/{path}", content=body, headers=JSON_TYPE)
    assert error_of(response)["type"] == "invalid_request"
    assert len(response.content) < 600


@pytest.mark.parametrize("body", [b'{"recipe": "\xff\xfe"}', b"[" * 60_000, b'{"step": ' + b"9" * 5000 + b"}"])
async def test_a_body_that_cannot_be_parsed_is_refused_with_the_reason(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/api/v1/analyze", content=body, headers=JSON_TYPE)
    assert "not JSON" in error_of(response)["message"]
    assert response.status_code == 422


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/", "é", ""]
)
async def test_only_json_is_read_as_json(client: httpx.AsyncClient, path: str, content_type: str) -> None:
    headers = {"content-type": content_type.encode()}
    response = await client.post(f"/api/v1/{path}", content=json.dumps(HELLO), headers=headers)
    assert error_of(response)["type"] == "invalid_request"
    assert response.status_code in (415, 422)


@pytest.mark.parametrize("path", BOTH)
async def test_a_megabyte_is_refused(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(f"/api/v1/{path}", json=HELLO | {"prompt": "a" * 1_000_000})
    assert response.status_code == 413
    assert error_of(response)["message"] == "The body is too large: 65536 bytes at most"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("recipe=reverse&policy=unmasked", "prompt"),
        ("recipe=reverse&prompt=hello&policy=unmasked&step=2.5", "step"),
        ("recipe=reverse&prompt=hello&policy=unmasked&step=" + "9" * 5000, "step"),
        ("recipe=reverse&prompt=hello&policy=unmasked&top_k=true", "top_k"),
        ("recipe=reverse&prompt=hello&policy=unmasked&similarity=2", "similarity"),
        ("recipe=reverse&prompt=hello&policy=unmasked&more=1", "more"),
        ("recipe=reverse&policy=unmasked&prompt=" + "a" * 60_000, "prompt"),
        ("recipe=reverse&policy=unmasked&prompt=%00", "prompt"),
        ("recipe=reverse&policy=unmasked&prompt=%ff%fe", "prompt"),
        ("recipe=reverse&policy=unmasked&prompt=%3Cimg%20onerror%3Dx%3E", "prompt"),
        ("&" * 50_000, "recipe"),
    ],
    ids=lambda value: value[-24:],
)
async def test_a_link_is_refused_as_a_script_is(client: httpx.AsyncClient, query: str, param: str) -> None:
    response = await client.get(f"/api/v1/analyze?{query}")
    assert error_of(response)["param"] == param
    assert len(response.content) < 600


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/generate", 405),
        ("DELETE", "/api/v1/recipes", 405),
        ("PATCH", "/api/v1/analyze", 405),
        ("GET", "/api/v1/nope", 404),
        ("GET", "/api/v2/recipes", 404),
        ("GET", "/api/v1/<script>alert(1)</script>", 404),
    ],
)
async def test_an_address_that_does_not_exist_is_told_in_json(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert error_of(response)["type"] == "not_found"


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
ALMOST_A_REQUEST = st.fixed_dictionaries(
    {},
    optional={
        "recipe": st.sampled_from(["reverse", "reverse4"]) | ANY_JSON,
        "prompt": st.text("abcz<>#", max_size=11) | ANY_JSON,
        "policy": st.sampled_from(["prompt-masked", "unmasked"]) | ANY_JSON,
        "response": st.text("abcz", max_size=30) | ANY_JSON,
        "trained_with": st.sampled_from(["prompt-masked", "unmasked"]) | ANY_JSON,
        "step": st.sampled_from([0, 500, 1000]) | ANY_JSON,
        "top_k": st.integers(-1, 70) | ANY_JSON,
        "max_new_tokens": st.integers(-1, 40) | ANY_JSON,
        "similarity": st.booleans() | ANY_JSON,
        "stream": st.booleans() | ANY_JSON,
    },
)


@pytest.mark.parametrize("path", BOTH)
@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=ANY_JSON | ALMOST_A_REQUEST)
async def test_whatever_is_posted_is_answered_or_refused(client: httpx.AsyncClient, path: str, body: Any) -> None:
    response = await client.post(f"/api/v1/{path}", content=json.dumps(body), headers=JSON_TYPE)
    if response.status_code != 200:
        error_of(response)
    elif response.headers["content-type"] == "application/json":
        json.loads(response.text, parse_constant=pytest.fail)


# The document.


async def test_openapi_describes_the_calls_and_every_reference_leads_somewhere(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {path: sorted(calls) for path, calls in document["paths"].items()} == {
        "/v1/models": ["get"],
        "/v1/models/{name}": ["get"],
        "/v1/completions": ["post"],
        "/v1/chat/completions": ["post"],
        "/api/v1/recipes": ["get"],
        "/api/v1/recipes/{recipe}": ["get"],
        "/api/v1/analyze": ["get", "post"],
        "/api/v1/generate": ["post"],
        "/api/v1/continue": ["post"],
        "/api/v1/races": ["get", "post"],
        "/api/v1/races/{id}": ["delete", "get"],
        "/api/v1/races/{id}/events": ["get"],
        "/api/v1/races/{id}/pause": ["post"],
        "/api/v1/races/{id}/resume": ["post"],
        "/api/v1/races/{id}/step": ["post"],
        "/api/v1/races/{id}/stop": ["post"],
        "/api/v1/races/{id}/result.json": ["get"],
        "/api/v1/races/{id}/result.csv": ["get"],
        "/api/v1/ablation": ["get"],
        "/api/v1/ablation.csv": ["get"],
        "/api/v1/ablation/findings": ["get"],
        "/api/v1/ablation/charts/{chart}.svg": ["get"],
        "/api/v1/gallery": ["get"],
        "/api/v1/mask": ["get", "post"],
        "/api/v1/policies": ["get"],
        "/api/v1/packing": ["get"],
        "/api/v1/budget": ["get"],
        "/api/v1/budget/lengths": ["get"],
        "/api/v1/limits": ["get"],
        "/api/v1/padding": ["get"],
        "/api/v1/dispatcher": ["get"],
        "/api/v1/dispatcher/mass": ["get"],
        "/api/v1/dispatcher/rates": ["get"],
        "/api/v1/dispatcher/factors": ["get"],
        "/api/v1/reasoning": ["get"],
        "/api/v1/turns": ["get"],
        "/api/v1/claims": ["get"],
        "/api/v1/inspect": ["post"],
        "/api/v1/inspect/rules": ["get"],
        "/api/v1/votes": ["post"],
        "/api/v1/votes/{code}": ["get"],
        "/api/v1/votes/{code}/answers": ["post"],
        "/api/v1/votes/{code}/{command}": ["post"],
    }
    schemas = document["components"]["schemas"]
    references = {value for key, value in _leaves(document) if key == "$ref"}
    assert references == {f"#/components/schemas/{name}" for name in schemas}


async def test_openapi_states_the_error_body_for_every_refusal(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    for path, calls in document["paths"].items():
        schema, invalid = ("V1ErrorAnswer", "400") if path.startswith("/v1/") else ("ErrorAnswer", "422")
        for call in calls.values():
            refusals = {status: answer for status, answer in call["responses"].items() if status[0] != "2"}
            assert {"404", "413", invalid, "429", "503"} <= set(refusals)
            for answer in refusals.values():
                assert answer["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{schema}"}


async def test_openapi_bounds_every_number_and_text_of_a_request(client: httpx.AsyncClient) -> None:
    schemas = (await client.get("/api/v1/openapi.json")).json()["components"]["schemas"]
    bodies = ("AnalyzeRequest", "GenerateRequest", "RaceRequest", "MaskRequest", "MessageRequest", "ChatRequest")
    for name in bodies:
        assert schemas[name]["additionalProperties"] is False
        for field, schema in schemas[name]["properties"].items():
            kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type", "null") != "null"]
            for kind in kinds:
                if kind["type"] in ("integer", "number"):
                    assert {"minimum", "maximum"} <= set(kind), field
                elif kind["type"] == "string":
                    assert "maxLength" in kind, field


async def test_the_examples_of_openapi_work(client: httpx.AsyncClient) -> None:
    schemas = (await client.get("/api/v1/openapi.json")).json()["components"]["schemas"]
    for path, name in (("analyze", "AnalyzeRequest"), ("generate", "GenerateRequest"), ("mask", "MaskRequest")):
        assert schemas[name]["examples"]
        for example in schemas[name]["examples"]:
            assert (await client.post(f"/api/v1/{path}", json=example)).status_code == 200


def _leaves(value: Any, key: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in _leaves(item, name)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item, key)]
    return [(key, value)]
