"""Padding (`/padding`): two words in one batch, padded right and left, and what a model makes of it. State: address."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog
from app.charts.padding import PaddingPanel, draw_panels, marked, prompt_cells
from app.deps import CatalogDep, EngineDep
from app.engine import Engine
from app.templating import render_view
from model.errors import check_known
from model.experiments.bugs.gallery import Measured
from model.experiments.padding.accuracies import PaddedAccuracy, asked_batch, complete_padded
from model.experiments.padding.arms import EXAMPLE_WORDS, PADDING_RECIPE, PADDINGS, TRAINED_PADDINGS, TWO_BY_TWO
from model.experiments.padding.rows import LOGIT_ROUNDING, PaddedRow, padded_rows, padding_changes
from model.experiments.padding.sentences import (
    attention_sentence,
    changes_sentence,
    headline,
    interaction_sentence,
    mistakes_sentence,
    trained_sentence,
    two_by_two_sentence,
)
from model.experiments.padding.shapes import SHAPES_SEED, BatchShape, batch_shapes
from model.explain.cells import Inspection, inspect_mask
from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy
from model.network.gpt import GPT
from model.text.tokenizer import ASSISTANT_START, END_OF_TURN
from model.training.conversations import render_prompts
from model.training.recipes import ALL_RECIPES, Recipe

router = APIRouter(include_in_schema=False)


class State(BaseModel):
    """What the address says. The padding must exist; numbers are moved to the nearest that do."""

    first: str = EXAMPLE_WORDS[0]
    second: str = EXAMPLE_WORDS[1]
    policy: str = "left-pad-unmasked"
    row: int = 1
    position: int | None = None
    layer: int = 1


@dataclass(frozen=True)
class Choices:
    recipe: Recipe
    words: tuple[str, str]
    paddings: dict[str, str]
    policy: MaskPolicy
    row: int
    layer: int


@dataclass(frozen=True)
class View:
    """What is shown of the words."""

    panels: tuple[PaddingPanel, ...]
    """The 2 x 2, with the row that is looked at."""
    inspection: Inspection
    shown: PaddedRow
    position: int
    changes: Mapping[str, float]
    """By padding, the largest change of a logit."""
    why: str


@dataclass(frozen=True)
class PaddingContext:
    choices: Choices
    measured: Mapping[tuple[str, str], PaddedAccuracy]
    """By the padding a model was trained with, and the one it is asked with."""
    bare: Measured
    panels: tuple[PaddingPanel, ...]
    """The 2 x 2, without a word."""
    headline: str
    sentence: str
    causes: tuple[str, ...]
    """What each repair does, and what goes wrong without it."""
    trained_sentence: str
    trained: tuple[str, ...]
    shapes: tuple[BatchShape, ...]
    seed: int = SHAPES_SEED
    rounding: float = LOGIT_ROUNDING


@router.api_route("/padding", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep) -> Response:
    """The whole page."""
    choices = _choices(state)
    view = _view(choices, state.position, catalog, engine)
    return await render_view(request, "padding/page.html", _context(choices, catalog), view)


def _choices(state: State) -> Choices:
    check_known(state.policy, PADDINGS, "policy")
    recipe = ALL_RECIPES[PADDING_RECIPE]
    return Choices(
        recipe=recipe,
        words=(state.first, state.second),
        paddings=PADDINGS,
        policy=MASK_POLICIES[state.policy],
        row=min(max(state.row, 1), 2),
        layer=min(max(state.layer, 1), recipe.model.layers),
    )


def _context(choices: Choices, catalog: Catalog) -> PaddingContext:
    bare = catalog.measured[PADDING_RECIPE, "left-pad-unmasked"]
    return PaddingContext(
        choices,
        catalog.paddings,
        bare,
        draw_panels(TWO_BY_TWO, catalog.paddings, RIGHT.slug),
        headline(catalog.paddings),
        two_by_two_sentence(catalog.paddings),
        (interaction_sentence(catalog.paddings), mistakes_sentence(catalog.paddings)),
        trained_sentence(catalog.paddings),
        TRAINED_PADDINGS,
        batch_shapes(choices.recipe, SHAPES_SEED),
    )


async def _view(choices: Choices, position: int | None, catalog: Catalog, engine: Engine) -> View:
    """Raises InvalidText if the words cannot be read or are of one length."""
    recipe, policy = choices.recipe, choices.policy
    conversations = render_prompts(recipe, choices.words, uneven=True)
    model, _ = catalog.model(recipe, RIGHT.slug, None)
    rows = await engine.call(partial(padded_rows, model, recipe, conversations, policy))
    changes = await engine.call(partial(padding_changes, model, recipe, conversations))
    shown = rows[choices.row - 1]
    wanted = shown.tokens.index(ASSISTANT_START) if position is None else position
    at = min(shown.positions(), key=lambda t: abs(t - wanted))
    why = changes_sentence(changes)
    if shown.seen_pads(at):
        why = f"{why} {attention_sentence(shown, choices.layer - 1, at)}"
    drawn = draw_panels(TWO_BY_TWO, catalog.paddings, RIGHT.slug)
    panels = await engine.call(partial(_answered, choices, model, drawn))
    return View(panels, inspect_mask(recipe, conversations, policy), shown, at, changes, why)


def _answered(choices: Choices, model: GPT, panels: tuple[PaddingPanel, ...]) -> tuple[PaddingPanel, ...]:
    """Each panel with the row that is looked at: how it is asked, and what the model writes."""
    recipe, words, row = choices.recipe, choices.words, choices.row - 1
    right = recipe.task.answer(words[row]) + END_OF_TURN
    answered = []
    for panel in panels:
        policy = MASK_POLICIES[panel.arm.policy]
        cells = prompt_cells(asked_batch(recipe, words, policy), row, recipe.tokenizer.tokens)
        written = complete_padded(model, recipe, words, policy)[row]
        answered.append(replace(panel, cells=cells, written=marked(written, right)))
    return tuple(answered)
