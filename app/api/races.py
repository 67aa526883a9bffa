"""/api/v1/races: start a race, follow it, command it, take its result away. Parse, call the domain, answer."""

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal, get_args

import fastapi
from fastapi import APIRouter, Depends, Header, Query
from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from app.api.schemas import ERRORS, Answer, ErrorDetail, MeanLoss, Rate, Request, Slug, Text, streamed_as
from app.deps import PlaceDep, RacesDep, SettingsDep
from app.races.orders import RACE_WORDS, SEED_HIGH, order_race
from app.races.owners import TOKEN_LIMIT
from app.races.sessions import Command, Race, Races
from app.races.standings import results_of
from app.shares import asking
from model.errors import OutOfRange
from model.masks.policies import COMPARED_POLICIES
from model.text.chat_template import SegmentKind
from model.training.recipes import LIMITS, RECIPES, Variation

COLUMNS = (
    *("policy", "step", "seconds", "exact_match", "low", "high", "n", "token_accuracy", "stop_rate"),
    *("loss_user", "loss_template", "loss_assistant"),
)
EventId = Annotated[int, Field(ge=0, le=10_000_000)]
EVENTS = ("started", "step", "evaluated", "paused", "resumed", "finished", "failed")

OwnerToken = Annotated[
    str, Query(max_length=TOKEN_LIMIT, description="As the race's start was answered, or the teacher's of this server.")
]

router = APIRouter(prefix="/api/v1/races", tags=["races"], responses={**ERRORS, 409: ERRORS[404]})


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
    """`owner` is told here only: whoever has it may command the race. `address`, `events` and `page` are for all."""

    id: str
    owner: str
    address: str
    owner_address: str
    events: str
    page: str
    owner_page: str
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


@router.post("", status_code=201)
async def start(body: RaceRequest, response: Response, races: RacesDep, settings: SettingsDep) -> RaceStarted:
    """Start a race, or queue it if others are running. The answer alone has the token of its `owner`."""
    order = order_race(body.recipe, body.policies, body.seed, body.prompt, body.variation(), settings.race_max_cost)
    race = races.start(order)
    address = f"/api/v1/races/{race.id}"
    response.headers["Location"] = address
    response.headers["Cache-Control"] = "no-store"
    page, owned = f"/race/{race.id}", f"?owner={race.owner.token}"
    return RaceStarted(
        id=race.id,
        owner=race.owner.token,
        address=address,
        owner_address=address + owned,
        events=f"{address}/events",
        page=page,
        owner_page=page + owned,
        **_state(race, races),
    )


@router.get("")
async def list_races(races: RacesDep) -> RaceList:
    """The races in memory, the newest first."""
    return RaceList(
        races=[
            RaceSummary(id=race.id, recipe=race.order.recipe_slug, **_state(race, races))
            for race in races.newest_first()
        ]
    )


@router.get("/{id}")
async def read(id: str, races: RacesDep) -> RaceState:
    """How a race stands, with all its measurements so far."""
    return _read(races.find(id), races)


@router.get(
    "/{id}/events",
    response_class=Response,
    responses={**streamed_as(*EVENTS), 204: {"description": "All of it has been told."}},
)
async def events(
    id: str,
    races: RacesDep,
    settings: SettingsDep,
    place: PlaceDep,
    after: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    last_event_id: Annotated[EventId | SkipJsonSchema[None], Header()] = None,
) -> Response:
    """Server-sent events from the first on, or after an id: `started`, `step`, `evaluated`, `paused`, `resumed`, and
    as the last `finished` or `failed`. Whoever has had that one is answered 204, and a browser asks no more."""
    race, told = races.find(id), after if last_event_id is None else last_event_id
    known = len(race.log.events)
    if told > known:
        raise OutOfRange(f"Event {told} has not happened yet: the last one is {known}", param="after")
    if race.log.closed and told == known:
        return Response(status_code=204)
    follower = races.followers.admit(asking.get(), race.log.wake)
    place.change(partial(races.followers.leave, follower))
    return _RaceStream(
        races.follow(race, told, follower),
        ping=15,
        send_timeout=settings.send_timeout_seconds,
        shutdown_grace_period=settings.last_event_seconds,
    )


def _commanded(request: fastapi.Request) -> Command:
    """The last word of the address."""
    return next(command for command in get_args(Command) if request.url.path.endswith(f"/{command}"))


@router.post("/{id}/pause", responses={403: ERRORS[404]})
@router.post("/{id}/resume", responses={403: ERRORS[404]})
@router.post("/{id}/step", responses={403: ERRORS[404]})
async def command(
    id: str, command: Annotated[Command, Depends(_commanded)], races: RacesDep, owner: OwnerToken = ""
) -> RaceState:
    """`pause`, `resume`, or, while it pauses, `step`: one optimizer step of each model. 403 but for its owner."""
    race = races.find(id)
    race.owner.check(owner)
    race.command(command)
    return _read(race, races)


@router.post("/{id}/stop", responses={403: ERRORS[404]})
async def stop(id: str, races: RacesDep, owner: OwnerToken = "") -> RaceState:
    """Stop a race that waits or runs, and keep what it has measured. 403 but for its owner."""
    race = races.find(id)
    race.owner.check(owner)
    races.stop(race)
    return _read(race, races)


@router.delete("/{id}", status_code=204, responses={403: ERRORS[404]})
async def forget(id: str, races: RacesDep, owner: OwnerToken = "") -> None:
    """Stop a race and forget it: from now on its address is 404. 403 but for its owner."""
    race = races.find(id)
    race.owner.check(owner)
    races.forget(race)


@router.get("/{id}/result.json")
async def result_json(id: str, races: RacesDep) -> Response:
    """Everything but the events, as a file."""
    race = races.find(id)
    return JSONResponse(_read(race, races).model_dump(), headers=_as_file(race, "json"))


@router.get("/{id}/result.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def result_csv(id: str, races: RacesDep) -> Response:
    """The measurements, a line each, as a file."""
    race = races.find(id)
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *_lines(race)])
    return Response(text.getvalue(), media_type="text/csv", headers=_as_file(race, "csv"))


def _lines(race: Race) -> Iterator[tuple[str | float, ...]]:
    """The values of COLUMNS."""
    for policy, standing in race.standings.items():
        for e in standing.evaluations:
            exact, loss = e["exact_match"], e["loss"]
            yield (
                *(policy, e["step"], round(e["seconds"], 4)),
                *(exact["value"], exact["low"], exact["high"], exact["n"]),
                *(e["token_accuracy"]["value"], e["stop_rate"]["value"]),
                *(round(loss[kind]["value"], 6) for kind in ("user", "template", "assistant")),
            )


class _RaceStream(EventSourceResponse):
    """Ends in silence for a reader that stalls, as a computer does that falls asleep: it comes back by itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


def _as_file(race: Race, extension: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="race-{race.id}.{extension}"'}


def _state(race: Race, races: Races) -> dict[str, Any]:
    return {"status": race.status, "place": races.place_of(race)}


def _read(race: Race, races: Races) -> RaceState:
    return RaceState(
        id=race.id,
        settings=race.order.settings(),
        parameters=race.order.recipe.model.parameter_count(),
        followers=race.followers,
        last_event_id=len(race.log.events),
        error=None if race.failure is None else ErrorDetail.model_validate(race.failure.body()),
        results=results_of(race.standings),
        evaluations=[Evaluation(**e) for standing in race.standings.values() for e in standing.evaluations],
        **_state(race, races),
    )
