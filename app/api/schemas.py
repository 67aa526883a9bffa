"""The public JSON of /api/v1: every request bounded on both sides and closed to unknown fields, every answer typed."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Slug = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(max_length=256)]
Step = Annotated[int, Field(ge=0, le=1_000_000)]


class Request(BaseModel):
    """A JSON body: numbers are numbers, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Answer(BaseModel):
    """Reads the domain's dataclasses as they are."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


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


ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorAnswer} for status in (404, 413, 422, 429, 503)}
"""What any call may be refused with."""

V1_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": V1ErrorAnswer} for status in (400, 404, 413, 429, "4XX", 503)
}
"""The same of /v1, in the shape that standard clients know: a wrong body is told with 400 there, not 422."""
