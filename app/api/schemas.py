"""The public JSON of /api/v1: every request bounded on both sides and closed to unknown fields, every answer typed."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.json_schema import models_json_schema

Slug = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(max_length=256)]
Step = Annotated[int, Field(ge=0, le=1_000_000)]


def streamed_as(*names: str) -> dict[int | str, dict[str, Any]]:
    """For calls that may answer as server-sent events, of these names, beside their model: what one event is."""
    event: dict[str, Any] = {"type": "object", "description": "One event of the stream.", "required": ["data"]}
    event["properties"] = {"data": {"type": "string", "description": "JSON, or `[DONE]`." if not names else "JSON."}}
    if names:
        event["required"] = ["id", "event", "data"]
        event["properties"] |= {"id": {"type": "string"}, "event": {"type": "string", "enum": list(names)}}
    return {200: {"content": {"text/event-stream": {"schema": event}}}}


def whole(value: object) -> object:
    """A float without a fraction as the integer that it is, anything else as it was."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Request(BaseModel):
    """A JSON body: numbers are numbers, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        """To JSON 34.0 is an integer as 34 is."""
        return whole(value)


class Answer(BaseModel):
    """Reads the domain's dataclasses as they are. What writes one is built by its first call, not at each start."""

    model_config = ConfigDict(from_attributes=True, frozen=True, defer_build=True)


class Rate(Answer):
    """Of one model, with the 95 % Wilson interval of its n questions."""

    value: float
    n: int
    low: float = Field(description="Lower end of the 95 % Wilson interval.")
    high: float


class SeedRate(Answer):
    """Mean of one rate per seed, with a 95 % t interval over seeds, no narrower than one model's Wilson interval."""

    value: float
    low: float
    high: float
    seeds: list[float] = Field(description="The value of each.")
    questions: int = Field(description="Different ones: what several seeds were asked counts once.")


class MeanLoss(Answer):
    """-ln p of the targets in nats, mean over the tokens of one kind of segment in n unseen words, 95 % interval."""

    value: float
    n: int
    low: float
    high: float


class ErrorDetail(Answer):
    type: Literal["invalid_request", "not_found", "rate_limit", "overloaded", "server_error"]
    message: str
    param: str | None
    code: str


class ErrorAnswer(Answer):
    error: ErrorDetail


class V1ErrorDetail(Answer):
    type: Literal["invalid_request_error", "rate_limit_error", "server_error"]
    message: str
    param: str | None
    code: str


class V1ErrorAnswer(Answer):
    error: V1ErrorDetail


def _refused_as(answer: type[Answer], *statuses: int | str) -> dict[int | str, dict[str, Any]]:
    """Named, not given as models: FastAPI would build 250 validators at each start, and validates no refusal."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}}
    return {status: {"content": content} for status in statuses}


def refusal_schemas() -> dict[str, Any]:
    """What ERRORS and V1_ERRORS name, by name, for OpenAPI's components."""
    of_answers: list[tuple[type[BaseModel], Literal["serialization"]]] = [
        (ErrorAnswer, "serialization"),
        (V1ErrorAnswer, "serialization"),
    ]
    schemas: dict[str, Any] = models_json_schema(of_answers, ref_template="#/components/schemas/{model}")[1]["$defs"]
    return schemas


ERRORS = _refused_as(ErrorAnswer, 404, 413, 422, 429, 503)
"""What any call may be refused with."""

V1_ERRORS = _refused_as(V1ErrorAnswer, 400, 404, 413, 429, "4XX", 503)
"""The same of /v1, in the shape that standard clients know: a wrong body is told with 400 there, not 422."""
