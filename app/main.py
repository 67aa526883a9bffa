"""create_app(settings): lifespan, middleware, routers; nothing else."""

import gc
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.datastructures import State
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Scope

from app import errors
from app.analyses import Analyses
from app.api import API
from app.api.schemas import refusal_schemas
from app.catalog import Catalog, load_catalog
from app.deps import refuse_long, refuse_repeats, take_turn
from app.engine import Engine
from app.figures import draw_seeds_of, draw_training
from app.forwarding import Forwarding
from app.kept_answers import KeptAnswers
from app.kept_fragments import KeptFragments
from app.methods import MethodsMiddleware, methods_of
from app.metrics import Metrics, MetricsMiddleware
from app.pages import PAGES
from app.races.sessions import Races
from app.room import ShortAddresses
from app.security import Guard, SecurityHeaders, is_always_answered
from app.settings import Settings
from app.static_files import AddressedFiles, icon
from app.templating import PURPOSE
from app.turns import Turns
from app.votes.sessions import Votes
from app.work_turns import WorkTurns
from app.workers.inspections import Inspections
from app.workers.loads import kept_loads
from app.workers.speeds import kept_speeds
from app.workers.surveyed_templates import KEPT_SURVEY
from model.claims.evidence import Evidence, gather
from model.experiments.ablation.shipped import ShippedAblation, load_ablation
from model.experiments.examples import KEPT_EXAMPLES, Example

if TYPE_CHECKING:
    from httpx import AsyncClient


@dataclass(frozen=True)
class Shipped:
    """What is read from the folder of trained runs, once."""

    catalog: Catalog
    ablation: ShippedAblation
    evidence: Evidence
    examples: tuple[Example, ...]


def load_shipped(folder: Path) -> Shipped:
    """Raises BrokenRun or BrokenAblation for a file that is missing, unreadable or altered; names it."""
    KEPT_SURVEY.read(folder)  # the README alone shows these three; a folder that lacks one is not what was shipped
    kept_speeds(folder)
    kept_loads(folder)
    examples = KEPT_EXAMPLES.read(folder)
    catalog, ablation = load_catalog(folder), load_ablation(folder)
    return Shipped(catalog, ablation, gather(folder, ablation.findings.comparisons), examples)


class Application(FastAPI):
    """FastAPI's, whose OpenAPI holds what the calls' refusals name."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document["components"]["schemas"] |= refusal_schemas()
        return document


def create_app(
    settings: Settings | None = None, shipped: Shipped | None = None, keeper: "AsyncClient | None" = None
) -> FastAPI:
    """The application. It answers nothing before all that ships is read; a broken file stops its start.

    `shipped` is what `load_shipped` read, for a caller who has to say what is broken; read at the start otherwise.
    `keeper`: of the process that keeps races and votes, if this one does not; the application closes it.
    """
    settings = settings or Settings()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        _remember(app.state, shipped or load_shipped(settings.trained_folder), settings)
        metrics.follow(app.state.engine, app.state.races)
        gc.freeze()  # what was read stays: the collector need not walk through it again and again, 20 ms at a time
        yield
        gc.unfreeze()
        await app.state.races.close()
        await app.state.inspections.close()
        app.state.engine.close()
        if keeper is not None:
            await keeper.aclose()

    app = Application(
        title="Maskscope",
        version="1",
        summary=PURPOSE,
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings, app.state.metrics, app.state.fragments = settings, metrics, KeptFragments()
    errors.install(app)
    app.mount("/static", AddressedFiles(), name="static")  # first: a page names a dozen, and each would try all routes
    pages = tuple(page.router for page in PAGES)
    for router in (*API, *pages):
        first = [Depends(take_turn)] if router in pages else []
        app.include_router(router, dependencies=[*first, Depends(refuse_long), Depends(refuse_repeats)])
    app.add_route("/favicon.ico", icon, include_in_schema=False)
    _wrap(app, settings, metrics, (*API, *pages), keeper)
    return app


def _remember(state: State, read: Shipped, settings: Settings) -> None:
    """The long-lived objects, where deps.py finds them."""
    state.catalog, state.ablation = read.catalog, read.ablation
    state.evidence, state.examples = read.evidence, read.examples
    state.openings = cache(partial(read.catalog.openings, read.ablation))
    state.timelines = cache(partial(draw_training, read.catalog, read.ablation))
    state.seed_charts = cache(partial(draw_seeds_of, read.catalog, read.ablation))
    state.engine = Engine(settings.queue_size, settings.queue_timeout_seconds)
    state.analyses = Analyses(state.engine)
    state.races = Races(settings)
    state.votes = Votes(settings, time.monotonic)
    state.short_addresses, state.turns = ShortAddresses(), Turns()
    state.inspections = Inspections(settings, state.turns)


def _wrap(
    app: FastAPI, settings: Settings, metrics: Metrics, routers: Iterable[APIRouter], keeper: "AsyncClient | None"
) -> None:
    """What stands before the routes, innermost first."""
    large = dict.fromkeys(("/inspect", "/api/v1/inspect"), settings.inspection_body_limit_bytes)

    def at_once(scope: Scope) -> bool:
        """Pages and what they load, who must be answered, and what takes long in a process of its own."""
        is_call = scope["path"].startswith(("/api/", "/v1/"))
        return not is_call or is_always_answered(scope) or scope["path"] in large

    app.add_middleware(WorkTurns, most=settings.max_worked_on, at_once=at_once)
    app.add_middleware(GZipMiddleware, compresslevel=6)  # leaves event streams alone
    app.add_middleware(KeptAnswers, limit_bytes=settings.kept_answers_bytes, listens_on=settings.host)
    app.add_middleware(MethodsMiddleware, methods=methods_of(routers))
    if keeper is not None:
        app.add_middleware(Forwarding, keeper=keeper)
    app.add_middleware(Guard, settings=settings, body_limits=large)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
