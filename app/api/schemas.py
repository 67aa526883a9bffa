"""The public JSON of /api/v1: every request bounded on both sides and closed to unknown fields, every answer typed."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from model.experiments.ablation.findings import Bound, Verdict
from model.masks.policies import RIGHT
from model.network.generation import FinishReason
from model.text.chat import SegmentKind

Slug = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(max_length=256)]
Step = Annotated[int, Field(ge=0, le=1_000_000)]


class Request(BaseModel):
    """A JSON body: numbers are numbers, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AnalyzeRequest(Request):
    """`policy` is the loss mask; `trained_with` the run whose weights are used, by default the one trained with it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"recipe": "reverse", "prompt": "hello", "policy": RIGHT.slug}]}
    )

    recipe: Slug
    prompt: Text = Field(description="The user's text, without template characters.")
    response: Text | None = Field(None, description="The assistant's text; default: the task's right answer.")
    policy: Slug
    trained_with: Slug | None = None
    step: Step | None = Field(None, description="One of the run's kept steps; default: its last.")
    top_k: Annotated[int, Field(ge=1, le=64)] = 5
    similarity: bool = Field(False, description="Also return the cosines of all pairs of positions' gradients.")


class AnalyzeQuery(AnalyzeRequest):
    """The same in a query, where everything is text."""

    model_config = ConfigDict(strict=False)


class GenerateRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"recipe": "reverse", "prompt": "hello", "policy": RIGHT.slug}]}
    )

    recipe: Slug
    policy: Slug = Field(description="The run whose weights are used.")
    prompt: Text
    step: Step | None = None
    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="Default: what fits into the model's context."
    )
    stream: bool = Field(False, description="Server-sent events: `token` each, then `done`, or `error`.")


class ContinueRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "What is 2+2?"}]})

    text: Text = Field(description="Plain text, without template characters.")
    templated: bool = Field(False, description="Take the text for a user's turn and put it in the template.")
    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="Default: 32, or what fits into the model's context."
    )
    stream: bool = Field(False, description="Server-sent events: `token` each, then `done`, or `error`.")


class Answer(BaseModel):
    """Reads the domain's dataclasses as they are."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Rate(Answer):
    value: float
    n: int
    low: float = Field(description="Lower end of the 95 % Wilson interval.")
    high: float


class MeanLoss(Answer):
    """-ln p of the targets in nats, mean over the tokens of one kind of segment in n held-out words, 95 % interval."""

    value: float
    n: int
    low: float
    high: float


class StepMetrics(Answer):
    step: int
    kept: bool = Field(description="Whether the weights of this step can be asked for.")
    exact_match: Rate
    token_accuracy: Rate
    stop_rate: Rate
    loss: dict[SegmentKind, MeanLoss] = Field(description="By the segment of the target, trained on or not.")


class RunSummary(Answer):
    policy: str
    seed: int
    steps: int
    metrics: list[StepMetrics]


class Limits(Answer):
    prompt_min_length: int
    prompt_max_length: int
    context_length: int


class RecipeSummary(Answer):
    slug: str
    title: str
    vocabulary: list[str]
    parameters: int
    limits: Limits
    runs: list[RunSummary]


class RecipeList(Answer):
    recipes: list[RecipeSummary]


class Prediction(Answer):
    token: str
    probability: float


class Gradient(Answer):
    logit_norm: float
    parameter_norm: float
    share: float
    input_norm: float


class Position(Answer):
    position: int
    input: str
    target: str
    supervised: bool
    loss: float = Field(description="-log p(target) in nats; enters the sequence's loss only if supervised.")
    target_probability: float
    gradient: Gradient
    predictions: list[Prediction]


class AnalyzeAnswer(Answer):
    recipe: str
    policy: str
    trained_with: str
    step: int
    tokens: list[str]
    token_ids: list[int]
    prompt_length: int
    sequence_length: int
    supervised_count: int
    ignored_count: int
    loss: float | None
    positions: list[Position]
    similarity: list[list[float]] | None = None


class GeneratedToken(Answer):
    token: str
    probability: float


class GenerateAnswer(Answer):
    prompt: str
    text: str = Field(description="The whole sequence, specials included.")
    completion: str = Field(description="What the model added, the stop included.")
    tokens: list[GeneratedToken]
    finish_reason: FinishReason
    step: int


class Interval(Answer):
    """An estimate with its 95 % interval, by a bootstrap over seeds."""

    value: float
    low: float
    high: float


class Arrival(Answer):
    """The first evaluated step at or above a threshold, of a seed's two runs; null: never within the budget."""

    seed: int
    masked: int | None
    unmasked: int | None


class SettingFinding(Answer):
    setting: str
    recipe: str
    conditions: str
    steps: int = Field(description="The budget of each run.")
    ignored_share: float = Field(description="Of all positions, those that the prompt-masked loss leaves out.")
    masked_steps: float = Field(description="Mean steps to 90 %; a run that never got there counts as the budget.")
    unmasked_steps: float
    ratio: Interval = Field(description="unmasked_steps / masked_steps.")
    bound: Bound = Field(description="What the ratio is of the true one, where runs of one side alone never arrived.")
    end: Interval = Field(description="Exact match at the end of the budget, masked less unmasked, mean over seeds.")
    verdict: Verdict
    sentences: list[str]
    arrivals: dict[str, list[Arrival]] = Field(description="By exact match: 0.5, 0.9, 0.99.")


class AblationFindings(Answer):
    commit: str
    policies: list[str]
    seeds: list[int]
    settings: list[SettingFinding]


class ErrorDetail(Answer):
    type: Literal["invalid_request", "not_found", "rate_limit", "overloaded", "server_error"]
    message: str
    param: str | None
    code: str


class ErrorAnswer(Answer):
    error: ErrorDetail


ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ErrorAnswer} for status in (404, 413, 422, 429, 503)}
"""What any call may be refused with."""
