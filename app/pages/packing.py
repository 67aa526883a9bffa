"""Packing (`/packing`): several conversations in one row, kept apart or not. The whole state is in the address."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import LoadedRun, RecipeRuns
from app.charts.attention import AttentionPicture, draw_attention
from app.deps import CatalogDep, EngineDep
from app.engine import Engine
from app.templating import render_view
from model.errors import check_known
from model.experiments.bugs.gallery import Measured
from model.experiments.packing import sentences
from model.experiments.packing.effects import LEAST_LEAK, DocumentChange, Effects, measure_documents, measure_effects
from model.experiments.packing.rows import (
    EXAMPLES,
    MOST_PACKED,
    PACKINGS,
    Filling,
    SeenRow,
    measure_filling,
    trace_sight,
)
from model.explain.cells import Inspection, inspect_mask
from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy
from model.text.chat_template import Rendered
from model.training.conversations import render_text
from model.training.loop import training_conversations
from model.training.recipes import Recipe

router = APIRouter(include_in_schema=False)

TRAINED = {RIGHT.slug: "Unpacked", **PACKINGS}
OUTCOME_RECIPE = "reverse"
"""The recipe whose models were also trained packed."""
SEED = 0


class State(BaseModel):
    """What the address says. Names must exist; a number is moved to the nearest that does."""

    recipe: str = "reverse"
    words: str | None = None
    policy: str = "packed"
    row: int = 1
    step: int | None = None


@dataclass(frozen=True)
class Choices:
    """What the form offers and what is chosen: there even when the conversations cannot be read."""

    recipes: tuple[Recipe, ...]
    recipe: Recipe
    words: str
    policies: dict[str, str]
    policy: MaskPolicy
    row: int
    steps: tuple[int, ...]
    step: int
    wanted_step: int | None
    """By the address; the nearest one that was kept is shown."""
    most: int = MOST_PACKED


@dataclass(frozen=True)
class Fill:
    """The same conversations padded and packed."""

    title: str
    padded: Filling
    packed: Filling
    sentence: str


@dataclass(frozen=True)
class View:
    """What is shown of the conversations."""

    rows: int
    row: int
    pictures: tuple[AttentionPicture, ...]
    inspection: Inspection
    labels: str
    fills: tuple[Fill, ...]
    effects: tuple[tuple[int, str, Effects], ...]
    """Of the model at each step, with what they say."""
    documents: tuple[DocumentChange, ...]
    documents_said: str


@dataclass(frozen=True)
class PackingContext:
    choices: Choices
    outcome_recipe: Recipe
    trained: dict[str, Measured]
    """Models trained in each way, by what that is called."""
    outcome: str
    rounding: float = LEAST_LEAK


@router.api_route("/packing", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep) -> Response:
    """The whole page."""
    offered = tuple(recipe for recipe in catalog.recipes() if recipe.slug in EXAMPLES)
    runs = catalog.compared(catalog.recipe(state.recipe, offered))
    choices = _choices(state, offered, runs)
    trained = {title: catalog.measured[OUTCOME_RECIPE, slug] for slug, title in TRAINED.items()}
    outcome = sentences.outcome_sentence(*trained.values())
    context = PackingContext(choices, catalog.recipe(OUTCOME_RECIPE), trained, outcome)
    return await render_view(request, "packing/page.html", context, _view(choices, runs.by_policy[RIGHT.slug], engine))


def _choices(state: State, offered: tuple[Recipe, ...], runs: RecipeRuns) -> Choices:
    recipe = runs.recipe
    check_known(state.policy, PACKINGS, "policy")
    return Choices(
        recipes=offered,
        recipe=recipe,
        words=EXAMPLES[recipe.slug] if state.words is None else state.words,
        policies=PACKINGS,
        policy=MASK_POLICIES[state.policy],
        row=state.row,
        steps=runs.steps(),
        step=runs.nearest_step(state.step),
        wanted_step=state.step,
    )


async def _view(choices: Choices, right: LoadedRun, engine: Engine) -> View:
    """Raises InvalidText if the conversations cannot be read."""
    recipe, policy = choices.recipe, choices.policy
    conversations = render_text(recipe, choices.words, most=choices.most)
    seen = {slug: trace_sight(recipe, conversations, MASK_POLICIES[slug]) for slug in PACKINGS}
    rows = len(seen[policy.slug])
    row = min(max(choices.row, 1), rows)
    inspection = inspect_mask(recipe, conversations, policy)
    models = {step: right.model(step) for step in (choices.step, choices.steps[-1])}
    effects = {
        step: await engine.call(partial(measure_effects, model, recipe, conversations))
        for step, model in models.items()
    }
    changes = await engine.call(partial(measure_documents, models[choices.step], recipe, conversations, policy))
    batch = training_conversations(recipe, SEED)
    return View(
        rows=rows,
        row=row,
        pictures=tuple(_picture(seen[slug][row - 1], slug) for slug in PACKINGS),
        inspection=inspection,
        labels=sentences.labels_sentence(inspection),
        fills=(_fill("these conversations", recipe, conversations), _fill("a training batch", recipe, batch)),
        effects=tuple((step, sentences.effects_sentence(step, found), found) for step, found in effects.items()),
        documents=changes,
        documents_said=sentences.documents_sentence(changes),
    )


def _picture(seen: SeenRow, slug: str) -> AttentionPicture:
    return draw_attention(seen, slug, PACKINGS[slug], sentences.sight_sentence(seen))


def _fill(title: str, recipe: Recipe, conversations: Sequence[Rendered]) -> Fill:
    padded, packed = (measure_filling(recipe, conversations, MASK_POLICIES[p]) for p in (RIGHT.slug, "packed"))
    return Fill(title, padded, packed, sentences.filling_sentence(padded, packed))
