"""The public JSON of /api/v1/races. The bounds of a request are those of model/training/recipes.py."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.api.schemas import Answer, ErrorDetail, MeanLoss, Rate, Request, Slug, Text
from app.races.orders import RACE_WORDS, SEED_HIGH
from model.masks.policies import COMPARED_POLICIES
from model.text.chat import SegmentKind
from model.training.recipes import LIMITS, RECIPES, Variation


def _within(name: str) -> Any:
    lowest, highest = LIMITS[name]
    return Field(None, ge=lowest, le=highest, description="Default: the recipe's.")


class RaceRequest(Request):
    """A recipe, what to vary of it, and the policies that run against each other."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"recipe": "reverse4", "seed": 0}]})

    recipe: Slug = Field("reverse4", description=f"One of: {', '.join(RECIPES)}.")
    policies: tuple[Slug, ...] = Field(
        COMPARED_POLICIES,
        min_length=1,
        max_length=3,
        strict=False,
        description="One or both of the default, and one other of /api/v1/policies.",
    )
    seed: Annotated[int, Field(ge=0, le=SEED_HIGH)] = 0
    prompt: Text | None = Field(None, description="The word whose answer is shown; default: the task's example.")
    min_length: int | None = _within("min_length")
    max_length: int | None = _within("max_length")
    answer_length: int | None = _within("answer_length")
    layers: int | None = _within("layers")
    width: int | None = _within("width")
    learning_rate: float | None = _within("learning_rate")
    batch_size: int | None = _within("batch_size")
    steps: int | None = _within("steps")
    evaluate_every: int | None = _within("evaluate_every")
    evaluation_words: Annotated[int, Field(ge=1, le=1000)] = RACE_WORDS

    def variation(self) -> Variation:
        return Variation(**{name: getattr(self, name) for name in LIMITS})


class RaceSummary(Answer):
    id: str
    recipe: str
    status: Literal["queued", "running", "paused", "finished", "stopped", "failed"]
    place: int | None = Field(description="In the queue, 1 for the next to run; null if it does not wait.")


class RaceList(Answer):
    races: list[RaceSummary]


class RaceStarted(Answer):
    id: str
    address: str
    events: str
    page: str
    status: str
    place: int | None


class Evaluation(Answer):
    """One measurement of one policy's model; `seconds` is time since the start, measuring included, pauses not."""

    policy: str
    step: int
    seconds: float
    exact_match: Rate
    token_accuracy: Rate
    stop_rate: Rate
    loss: dict[SegmentKind, MeanLoss]
    completion: str


class RaceState(Answer):
    id: str
    status: str
    place: int | None
    settings: dict[str, Any]
    parameters: int
    followers: int
    last_event_id: int
    error: ErrorDetail | None
    results: dict[str, Any] = Field(description="As in the event `finished`: per policy, and who was first.")
    evaluations: list[Evaluation]
