"""The API as its OpenAPI describes it: schemathesis asks every call what is allowed and what is not, in this process.

FUZZ_EXAMPLES is how many of each kind it makes up for each call, besides those that it derives; `make fuzz` has more.
"""

import os
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from app.main import create_app
from app.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import events, from_schema
    from schemathesis.python import asgi

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "4"))
SETTINGS = {
    "allowed_hosts": ("testserver",),
    "race_ready_seconds": 0,
    "max_votes": 10_000,
    "max_votes_per_client": 10_000,
    "race_queue_size": 1000,  # a full queue is answered 503, which is a fault to a fuzzer
    "race_timeout_seconds": 0.5,
}
CONFIG = {
    "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
    "continue-on-failure": True,
    "checks": {
        # What a schema cannot say (letters of a recipe, the length of its context) is refused with 400 and 422;
        # `schema_tells_what_is_invalid` sees to what it can.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "403", "404", "409", "422", "429", "503"]},
    },
}


@schemathesis.check
def schema_tells_what_is_invalid(_context: Any, response: Any, case: Any) -> None:
    """What is right by the schema is never refused as `invalid`, the code for what breaks it."""
    if case.meta is not None and case.meta.generation.mode.is_positive and response.status_code in (400, 422):
        error = response.json()["error"]
        assert error["code"] != "invalid", error["message"]


@pytest.fixture
def schema() -> Iterator[Any]:
    app = create_app(Settings(**SETTINGS))
    yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, config=SchemathesisConfig.from_dict(CONFIG))
    asgi.shutdown_lifespans()


@pytest.mark.filterwarnings("default")
def test_a_fuzzer_finds_no_answer_that_openapi_does_not_describe(schema: Any) -> None:
    failures, asked, errors = {}, set(), []
    for event in from_schema(schema).execute():
        if isinstance(event, (events.NonFatalError, events.FatalError)):
            errors.append(vars(event))
        if not isinstance(event, events.ScenarioFinished):
            continue
        asked.add(event.recorder.label)
        for check in (check for checks in event.recorder.checks.values() for check in checks):
            if check.failure_info is not None:
                failure, code = check.failure_info.failure, check.failure_info.code_sample
                failures.setdefault((event.recorder.label, check.name, failure.title), f"{failure.message}\n{code}")
    assert not errors
    assert not failures, "\n\n".join(f"{key}: {said}" for key, said in failures.items())
    assert {"POST /api/v1/generate", "GET /api/v1/races/{id}/events", "POST /v1/completions"} <= asked
