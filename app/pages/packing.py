"""Packing (`/packing`): several conversations in one row, kept apart or not. The whole state is in the address."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog, LoadedRun, RecipeRuns
from app.charts.attention import AttentionPicture, draw_attention
from app.deps import CatalogDep, EngineDep
from app.engine import Engine
from app.templating import render
from model.errors import InvalidText, check_known
from model.experiments.packing import words
from model.experiments.packing.effects import LEAST_LEAK, DocumentChange, Effects, measure_documents, measure_effects
from model.experiments.packing.rows import (
    EXAMPLES,
    MOST_PACKED,
    PACKINGS,
    Filling,
    measure_filling,
    trace_sight,
)
from model.explain.cells import Inspection, inspect_mask
from model.intervals import Rate
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
    most: int
    row_tokens: int


@dataclass(frozen=True)
class Fill:
    """The same conversations padded and packed."""

    title: str
    padded: Filling
    packed: Filling
    sentence: str


@dataclass(frozen=True)
class EffectRow:
    """An effect as the table writes it."""

    slug: str
    title: str
    loss: str
    loss_difference: str
    gradient_difference: str


@dataclass(frozen=True)
class ModelEffects:
    step: int
    sentence: str
    rows: tuple[EffectRow, ...]


@dataclass(frozen=True)
class DocumentRow:
    """A conversation as the table writes it."""

    text: str
    row: int
    start: int
    logit_change: str
    loss_alone: str
    loss_packed: str


@dataclass(frozen=True)
class View:
    """What is shown of the conversations."""

    rows: int
    row: int
    pictures: tuple[AttentionPicture, ...]
    inspection: Inspection
    labels: str
    fills: tuple[Fill, ...]
    effects: tuple[ModelEffects, ...]
    documents: tuple[DocumentRow, ...]
    documents_said: str
    rounding: str


@dataclass(frozen=True)
class Trained:
    """One shipped run's last checkpoint, as it was measured."""

    name: str
    exact_match: Rate
    own_loss: str
    """In rows as it was trained on."""
    answer_loss: str
    """On conversations alone."""


@dataclass(frozen=True)
class Outcome:
    """What models trained in each way answer."""

    sentence: str
    title: str
    trained: tuple[Trained, ...]


@dataclass(frozen=True)
class PackingContext:
    choices: Choices
    view: View | None
    outcome: Outcome
    message: str | None
    """Why there is no view."""


@router.api_route("/packing", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep) -> Response:
    """The whole page."""
    offered = tuple(recipe for recipe in catalog.recipes() if recipe.slug in EXAMPLES)
    runs = catalog.compared(catalog.recipe(state.recipe, offered))
    choices, outcome = _choices(state, offered, runs), _outcome(catalog)
    try:
        conversations = render_text(choices.recipe, choices.words, most=choices.most)
    except InvalidText as error:
        return render(request, "packing/page.html", PackingContext(choices, None, outcome, error.message), 422)
    view = await _view(choices, conversations, runs.by_policy[RIGHT.slug], engine)
    return render(request, "packing/page.html", PackingContext(choices, view, outcome, None))


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
        most=MOST_PACKED,
        row_tokens=recipe.row_tokens,
    )


async def _view(choices: Choices, conversations: tuple[Rendered, ...], right: LoadedRun, engine: Engine) -> View:
    recipe, policy = choices.recipe, choices.policy
    seen = {slug: trace_sight(recipe, conversations, MASK_POLICIES[slug]) for slug in PACKINGS}
    rows = len(seen[policy.slug])
    row = min(max(choices.row, 1), rows)
    inspection = inspect_mask(recipe, conversations, policy)
    models = {step: right.model(step) for step in (choices.step, choices.steps[-1])}
    effects = [
        (step, await engine.call(partial(measure_effects, model, recipe, conversations)))
        for step, model in models.items()
    ]
    changes = await engine.call(partial(measure_documents, models[choices.step], recipe, conversations, policy))
    return View(
        rows=rows,
        row=row,
        pictures=tuple(
            draw_attention(seen[slug][row - 1], slug, title, words.sight_sentence(seen[slug][row - 1]))
            for slug, title in PACKINGS.items()
        ),
        inspection=inspection,
        labels=words.labels_sentence(inspection),
        fills=(
            _fill("these conversations", recipe, conversations),
            _fill("a training batch", recipe, training_conversations(recipe, SEED)),
        ),
        effects=tuple(_model_effects(step, measured) for step, measured in effects),
        documents=tuple(_document_row(change) for change in changes),
        documents_said=words.documents_sentence(changes),
        rounding=words.number(LEAST_LEAK),
    )


def _model_effects(step: int, effects: Effects) -> ModelEffects:
    rows = (
        EffectRow(
            effect.separation.slug,
            effect.separation.title,
            words.number(effect.loss),
            words.number(effect.loss_difference),
            words.number(effect.gradient_difference),
        )
        for effect in effects.packed
    )
    return ModelEffects(step, words.effects_sentence(step, effects), tuple(rows))


def _document_row(change: DocumentChange) -> DocumentRow:
    numbers = map(words.number, (change.logit_change, change.loss_alone, change.loss_packed))
    return DocumentRow(change.text, change.row + 1, change.start, *numbers)


def _fill(title: str, recipe: Recipe, conversations: tuple[Rendered, ...]) -> Fill:
    padded, packed = (measure_filling(recipe, conversations, MASK_POLICIES[p]) for p in (RIGHT.slug, "packed"))
    return Fill(title, padded, packed, words.filling_sentence(padded, packed))


def _outcome(catalog: Catalog) -> Outcome:
    measured = {slug: catalog.measured[OUTCOME_RECIPE, slug] for slug in TRAINED}
    trained = (
        Trained(
            TRAINED[slug],
            one.symptoms.exact_match,
            "none" if one.symptoms.own_loss is None else words.number(one.symptoms.own_loss),
            words.number(one.symptoms.answer_loss),
        )
        for slug, one in measured.items()
    )
    return Outcome(
        words.outcome_sentence(*measured.values()), catalog.recipe(OUTCOME_RECIPE).task.title, tuple(trained)
    )
