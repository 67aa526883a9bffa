"""Padding (`/padding`): two words in one batch, padded right and left, and what a model makes of it. State: address."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog
from app.deps import CatalogDep, EngineDep
from app.engine import Engine
from app.templating import render_view
from model.errors import check_known
from model.experiments.bugs.gallery import Measured
from model.experiments.padding import (
    EXAMPLE_WORDS,
    LOGIT_ROUNDING,
    PADDING_RECIPE,
    PADDINGS,
    SHAPES_SEED,
    BatchShape,
    PaddedAccuracy,
    PaddedRow,
    accuracy_sentence,
    attention_sentence,
    batch_shapes,
    changes_sentence,
    padded_rows,
    padding_changes,
)
from model.explain.cells import Inspection, inspect_mask
from model.masks.policies import MASK_POLICIES, RIGHT, MaskPolicy
from model.text.tokenizer import ASSISTANT_START
from model.training.conversations import render_prompts
from model.training.recipes import ALL_RECIPES, Recipe

router = APIRouter(include_in_schema=False)


class State(BaseModel):
    """What the address says. The padding must exist; numbers are moved to the nearest that do."""

    first: str = EXAMPLE_WORDS[0]
    second: str = EXAMPLE_WORDS[1]
    policy: str = "left-pad-unmasked"
    row: int = 2
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
    sentence: str
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
    sentence, shapes = accuracy_sentence(catalog.paddings), batch_shapes(choices.recipe, SHAPES_SEED)
    return PaddingContext(choices, catalog.paddings, bare, sentence, shapes)


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
    if policy.slug == "left-pad-unmasked":
        why = f"{why} {attention_sentence(shown, choices.layer - 1, at)}"
    return View(inspect_mask(recipe, conversations, policy), shown, at, changes, why)
