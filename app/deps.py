"""What handlers ask for, as annotated aliases: the long-lived objects that the lifespan put on `app.state`.

And what stands before each of them: a parameter that an address has twice is refused, and one longer than any may be.
"""

from collections.abc import Callable
from typing import Annotated, Any, get_origin

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.analyses import Analyses
from app.catalog import Catalog
from app.charts.seeds import SeedChart
from app.charts.timelines import Timeline
from app.engine import Engine
from app.metrics import Metrics
from app.races.sessions import Races
from app.room import ShortAddresses
from app.settings import Settings
from app.shares import Place
from app.votes.sessions import Votes
from app.workers.inspections import Inspections
from model.claims.evidence import Evidence
from model.experiments.ablation.seeds import SeedsAtStep
from model.experiments.ablation.shipped import ShippedAblation
from model.experiments.examples import Example

PARAMETER_CHARACTERS = 4000
"""Of each value in an address; most may be far shorter. What is not bounded further is repeated on a page."""


async def take_turn(request: Request) -> None:
    """Before a page."""
    await request.app.state.turns.take()


async def refuse_long(request: Request) -> None:
    """Raises RequestValidationError for a parameter longer than PARAMETER_CHARACTERS, whatever the route reads."""
    for name, value in request.query_params.multi_items():
        if len(name) + len(value) > PARAMETER_CHARACTERS:
            said = f"a parameter has at most {PARAMETER_CHARACTERS} characters, this one {len(name) + len(value)}"
            raise RequestValidationError(
                [{"type": "string_too_long", "loc": ("query", name), "msg": said, "input": value}]
            )


async def refuse_repeats(request: Request) -> None:
    """Of a parameter that is no list FastAPI would keep the last value and say nothing of the others.

    Raises:
        RequestValidationError: one is given more than once.
    """
    given = request.query_params
    if len(given.multi_items()) == len(given):
        return
    for name, kind in query_parameters(request.scope["route"]):
        values = given.getlist(name)
        if len(values) > 1 and get_origin(kind) is not list:
            advice = ", with commas between the words" if name == "words" else ""
            said = f"the address has this {len(values)} times, but only one can be used; write it once{advice}"
            raise RequestValidationError(
                [{"type": "given_twice", "loc": ("query", name), "msg": said, "input": values}]
            )


def query_parameters(route: APIRoute) -> list[tuple[str, object]]:
    """(name, type) of each that the route reads, those of a model one by one."""
    named: list[tuple[str, object]] = []
    for field in route.dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            named += [(name, inner.annotation) for name, inner in kind.model_fields.items()]
        else:
            named.append((field.alias, kind))
    return named


def _kept(name: str) -> Any:
    """A dependency on what `app.state` keeps under a name."""

    async def read(request: Request) -> Any:  # a plain function would be called in a thread of the pool
        return getattr(request.app.state, name)

    return Depends(read)


async def _openings(request: Request) -> Any:
    """Asked when the first page needs them: an ablation of other settings serves every page but the visualizer."""
    return request.app.state.openings()


async def _place(request: Request) -> Any:
    """The one that the request holds among those in flight."""
    return request.state.place


PlaceDep = Annotated[Place, Depends(_place)]
SettingsDep = Annotated[Settings, _kept("settings")]
CatalogDep = Annotated[Catalog, _kept("catalog")]
AnalysesDep = Annotated[Analyses, _kept("analyses")]
AblationDep = Annotated[ShippedAblation, _kept("ablation")]
EvidenceDep = Annotated[Evidence, _kept("evidence")]
OpeningsDep = Annotated[dict[str, SeedsAtStep], Depends(_openings)]
TimelinesDep = Annotated[Callable[[str], Timeline], _kept("timelines")]
"""By recipe, drawn once."""
SeedChartsDep = Annotated[Callable[[str, str, int], SeedChart], _kept("seed_charts")]
ExamplesDep = Annotated[tuple[Example, ...], _kept("examples")]
EngineDep = Annotated[Engine, _kept("engine")]
RacesDep = Annotated[Races, _kept("races")]
ShortAddressesDep = Annotated[ShortAddresses, _kept("short_addresses")]
VotesDep = Annotated[Votes, _kept("votes")]
InspectionsDep = Annotated[Inspections, _kept("inspections")]
MetricsDep = Annotated[Metrics, _kept("metrics")]
