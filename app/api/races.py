"""/api/v1/races: start a race, follow it, command it, take its result away. Parse, call the domain, answer."""

import csv
import io
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from app.api.race_schemas import Evaluation, RaceList, RaceRequest, RaceStarted, RaceState, RaceSummary
from app.api.schemas import ERRORS, ErrorDetail
from app.deps import RacesDep, SettingsDep
from app.races.orders import order_race
from app.races.sessions import Command, Race, Races
from app.races.standings import results_of
from model.errors import OutOfRange

COLUMNS = (
    *("policy", "step", "seconds", "exact_match", "low", "high", "n", "token_accuracy", "stop_rate"),
    *("loss_user", "loss_template", "loss_assistant"),
)

router = APIRouter(prefix="/api/v1/races", tags=["races"], responses={**ERRORS, 409: ERRORS[404]})


@router.post("", status_code=201)
async def start(body: RaceRequest, response: Response, races: RacesDep, settings: SettingsDep) -> RaceStarted:
    """Start a race, or queue it if others are running."""
    order = order_race(body.recipe, body.policies, body.seed, body.prompt, body.variation(), settings.race_max_cost)
    race = races.start(order)
    address = f"/api/v1/races/{race.id}"
    response.headers["Location"] = address
    return RaceStarted(
        id=race.id, address=address, events=f"{address}/events", page=f"/race/{race.id}", **_state(race, races)
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


@router.get("/{id}/events")
async def events(
    id: str,
    races: RacesDep,
    settings: SettingsDep,
    after: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=10_000_000)] = None,
) -> Response:
    """Server-sent events from the first on, or after an id: `started`, `step`, `evaluated`, `paused`, `resumed`, and
    as the last `finished` or `failed`. Whoever has had that one is answered 204, and a browser asks no more."""
    race, told = races.find(id), after if last_event_id is None else last_event_id
    known = len(race.log.events)
    if told > known:
        raise OutOfRange(f"event {told} has not happened; allowed: 0 to {known}", param="after")
    if race.log.closed and told == known:
        return Response(status_code=204)
    return _RaceStream(races.follow(race, told), ping=15, send_timeout=settings.stream_timeout_seconds)


@router.post("/{id}/{command}")
async def command(id: str, command: Command, races: RacesDep) -> RaceState:
    """`pause`, `resume`, or, while it pauses, `step`: one optimizer step of each model."""
    race = races.find(id)
    race.command(command)
    return _read(race, races)


@router.delete("/{id}", status_code=204)
async def stop(id: str, races: RacesDep) -> None:
    """Stop a race that waits or runs; forget one that has ended."""
    races.stop(races.find(id))


@router.get("/{id}/result.json")
async def result_json(id: str, races: RacesDep) -> Response:
    """Everything but the events, as a file."""
    race = races.find(id)
    return JSONResponse(_read(race, races).model_dump(), headers=_as_file(race, "json"))


@router.get("/{id}/result.csv")
async def result_csv(id: str, races: RacesDep) -> Response:
    """The measurements, a line each, as a file."""
    race = races.find(id)
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for policy, standing in race.standings.items():
        for e in standing.evaluations:
            exact, loss = e["exact_match"], e["loss"]
            table.writerow(
                (
                    *(policy, e["step"], round(e["seconds"], 4)),
                    *(exact["value"], exact["low"], exact["high"], exact["n"]),
                    *(e["token_accuracy"]["value"], e["stop_rate"]["value"]),
                    *(round(loss[kind]["value"], 6) for kind in ("user", "template", "assistant")),
                )
            )
    return Response(text.getvalue(), media_type="text/csv", headers=_as_file(race, "csv"))


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
