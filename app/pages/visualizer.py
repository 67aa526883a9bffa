"""The loss mask visualizer (`/`): one word, two models, one mask switch. The whole state is in the address."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from pydantic import TypeAdapter
from starlette.responses import Response

from app.analyses import Analyses
from app.catalog import RecipeRuns
from app.charts.chips import Span, spans_of
from app.charts.figure import NAMES, SIDES, Figure
from app.charts.timelines import Timeline
from app.deps import (
    AblationDep,
    AnalysesDep,
    CatalogDep,
    EngineDep,
    ExamplesDep,
    OpeningsDep,
    SeedChartsDep,
    SettingsDep,
    TimelinesDep,
)
from app.engine import Engine
from app.figures import Choices, SeedCharts, State, choose, draw_figure
from app.lesson_path import with_part
from app.room import sites_for_others
from app.settings import Settings
from app.templating import is_partial, json_for_html, render, render_view
from app.tours.facts import Models
from app.tours.stage import Scene, can_switch, set_scene
from app.tours.steps import EXITS, RECIPE, TOUR, Exit, Step
from model.errors import check_known
from model.experiments.examples import Example
from model.explain.analysis import Analysis
from model.explain.cells import Inspection, inspect_mask
from model.masks.policies import RIGHT
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import render_prompt
from model.training.evaluation import Metrics

router = APIRouter(include_in_schema=False)

AS_JSON = TypeAdapter(Figure)
"""Four times as quick as `asdict`."""


@dataclass(frozen=True)
class Chip:
    example: Example
    address: str


@dataclass(frozen=True)
class View:
    """What is shown of a word."""

    figure: Figure
    drawn: Markup
    """The figure in JSON, as the page's script reads it."""
    analyses: dict[str, Analysis]
    metrics: dict[str, Metrics]
    seed: int
    spans: tuple[Span, ...]
    selected: int
    answer: str
    """What a right model generates, END_OF_TURN included."""
    other: Inspection
    """The word under `Choices.mask`."""


@dataclass(frozen=True)
class TourContext:
    scene: Scene
    guess: str | None
    steps: tuple[Step, ...]
    exits: tuple[Exit, ...]
    switches: dict[str, str]
    """The masks that can be looked at, if any."""
    sides: dict[str, str]
    count: int
    partial: bool
    """Whether htmx puts it into a page that is there."""


@dataclass(frozen=True)
class VisualizerContext:
    choices: Choices
    examples: tuple[Chip, ...]
    timeline: Timeline
    names: dict[str, str]
    site: str
    """For the handout: where others find this page, if they can."""
    streams: bool
    """Whether the page's script fetches what the models write (after htmx), or the page holds it complete."""


@router.api_route("/", methods=["GET", "HEAD"])
async def page(
    request: Request,
    state: Annotated[State, Query()],
    catalog: CatalogDep,
    ablation: AblationDep,
    examples: ExamplesDep,
    openings: OpeningsDep,
    timelines: TimelinesDep,
    seed_charts: SeedChartsDep,
    known: AnalysesDep,
    engine: EngineDep,
    settings: SettingsDep,
) -> Response:
    """The whole page, or to htmx the part of it that the form replaces."""
    if state.tour is not None:
        models = Models(catalog, ablation, openings[RECIPE].step)
        return await _tour(request, state, models, engine)
    streams = is_partial(request)
    if state.prompt is None and state.recipe is None:
        state = state.model_copy(update={"prompt": examples[0].word})
    choices, runs = choose(state, catalog, openings)
    offered = tuple(Chip(example, _address_of(example)) for example in examples)
    site, timeline = _site(request, settings), timelines(choices.recipe.slug).at(choices.step)
    context = VisualizerContext(choices, offered, timeline, NAMES, site, streams)
    view = _view(choices, state.position, runs, seed_charts, known, engine, writes=not streams)
    if not streams:
        return await render_view(request, "visualizer/page.html", context, view)
    response = await render_view(request, "visualizer/_view.html", context, view, refused=())
    response.headers["HX-Push-Url"] = with_part(choices.address, "/", request.query_params)
    return response


async def _tour(request: Request, state: State, models: Models, engine: Engine) -> Response:
    """A step of the tour; a number beyond the last step is moved to it."""
    number = min(max(state.tour or 1, 1), len(TOUR))
    check_known(state.policy, SIDES, "policy")
    scene = await engine.call(partial(set_scene, number, state.guess, state.policy, models))
    switches = {slug: NAMES[side] for slug, side in SIDES.items()} if can_switch(number, state.guess) else {}
    here = is_partial(request)
    context = TourContext(scene, state.guess, TOUR, EXITS, switches, SIDES, len(TOUR), here)
    return render(request, "visualizer/_tour.html" if here else "visualizer/_tour_page.html", context)


@router.get("/figure")
async def figure(
    state: Annotated[State, Query()],
    catalog: CatalogDep,
    openings: OpeningsDep,
    seed_charts: SeedChartsDep,
    known: AnalysesDep,
    engine: EngineDep,
) -> Response:
    """The figure at another step, for the page's script: all positions of both models, and what they write."""
    choices, runs = choose(state, catalog, openings)
    drawn, _ = await draw_figure(choices, runs, seed_charts, known, engine, writes=True)
    return Response(AS_JSON.dump_json(drawn), media_type="application/json", headers={"Cache-Control": "no-store"})


def _site(request: Request, settings: Settings) -> str:
    return next(iter(sites_for_others(request.url, settings.host)), str(request.base_url).rstrip("/"))


def _address_of(example: Example) -> str:
    return "/?" + urlencode({"prompt": example.word, "step": example.step})


async def _view(
    choices: Choices,
    position: int | None,
    runs: RecipeRuns,
    seed_charts: SeedCharts,
    known: Analyses,
    engine: Engine,
    *,
    writes: bool,
) -> View:
    recipe = choices.recipe
    drawn, analyses = await draw_figure(choices, runs, seed_charts, known, engine, writes=writes)
    shown = analyses[choices.side]
    wanted = shown.prompt_length - 1 if position is None else position
    metrics = {SIDES[policy]: loaded.run.metrics_at(choices.step) for policy, loaded in runs.by_policy.items()}
    return View(
        figure=drawn,
        drawn=json_for_html(AS_JSON.dump_json(drawn)),
        analyses=analyses,
        metrics=metrics,
        seed=runs.by_policy[RIGHT.slug].run.seed,
        spans=spans_of(shown),
        selected=min(max(wanted, 0), len(shown.positions) - 1),
        answer=recipe.task.answer(choices.prompt) + END_OF_TURN,
        other=inspect_mask(recipe, [render_prompt(recipe, choices.prompt)], choices.mask),
    )
