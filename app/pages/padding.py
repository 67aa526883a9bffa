"""Padding (`/padding`): two words in one batch, padded right and left, and what a model makes of it. State: address."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog
from app.deps import CatalogDep, EngineDep
from app.engine import Engine
from app.templating import compact, percent, render
from model.errors import InvalidText, check_known
from model.experiments.bugs.gallery import Measured
from model.experiments.padding import (
    EXAMPLE_WORDS,
    PADDING_RECIPE,
    PADDINGS,
    ROUNDING,
    SHAPES_SEED,
    BatchShape,
    PaddedAccuracy,
    PaddedRow,
    batch_shapes,
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
    layers: int


@dataclass(frozen=True)
class Head:
    """What one head of the layer shown takes from where, for the position shown."""

    weights: tuple[float, ...]
    on_pads: float


@dataclass(frozen=True)
class View:
    """What is shown of the words."""

    inspection: Inspection
    shown: PaddedRow
    positions: tuple[int, ...]
    """The real ones of the row."""
    position: int
    heads: tuple[Head, ...]
    seen_pads: int
    changes: tuple[tuple[str, str, float, bool], ...]
    """Policy, padding, the largest change of a logit, and whether that is more than rounding."""
    why: str


@dataclass(frozen=True)
class PaddingContext:
    choices: Choices
    accuracies: tuple[tuple[str, tuple[PaddedAccuracy, ...]], ...]
    """The padding a model was trained with, and what it answers with each."""
    bare: Measured
    sentence: str
    shapes: tuple[BatchShape, ...]
    seed: int
    view: View | None = None
    message: str | None = None
    """Why there is no view."""


@router.api_route("/padding", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep) -> Response:
    """The whole page."""
    choices = _choices(state)
    context = _context(choices, catalog)
    try:
        view = await _view(choices, state.position, catalog, engine)
    except InvalidText as error:
        return render(request, "padding/page.html", replace(context, message=error.message), 422)
    return render(request, "padding/page.html", replace(context, view=view))


def _choices(state: State) -> Choices:
    check_known(state.policy, PADDINGS, "policy")
    recipe = ALL_RECIPES[PADDING_RECIPE]
    layers = recipe.model.layers
    return Choices(
        recipe=recipe,
        words=(state.first, state.second),
        paddings=PADDINGS,
        policy=MASK_POLICIES[state.policy],
        row=min(max(state.row, 1), 2),
        layer=min(max(state.layer, 1), layers),
        layers=layers,
    )


def _context(choices: Choices, catalog: Catalog) -> PaddingContext:
    measured = catalog.paddings
    return PaddingContext(
        choices=choices,
        accuracies=tuple((title, tuple(measured[a, b] for b in PADDINGS)) for a, title in PADDINGS.items()),
        bare=catalog.measured[PADDING_RECIPE, "left-pad-unmasked"],
        sentence=_sentence(measured),
        shapes=batch_shapes(choices.recipe, SHAPES_SEED),
        seed=SHAPES_SEED,
    )


def _sentence(measured: Mapping[tuple[str, str], PaddedAccuracy]) -> str:
    """What the accuracies say of the right model and of those trained with a left padding."""

    def told(trained: str, used: str) -> str:
        return percent(measured[trained, used].exact_match.value, 1)

    right, left, bare = RIGHT.slug, "left-pad", "left-pad-unmasked"
    return (
        f"Trained right-padded, the model answers {told(right, right)} of unseen words right. Asked left-padded it "
        f"answers {told(right, left)} with pads hidden and positions corrected, {told(right, bare)} with neither. "
        f"Trained with bare left padding it answers {told(bare, bare)} asked the same way, "
        f"{told(bare, right)} right-padded."
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
    layer = choices.layer - 1
    heads = tuple(
        Head(shown.weights[layer][head][at], shown.on_pads(layer, head, at)) for head in range(recipe.model.heads)
    )
    return View(
        inspection=inspect_mask(recipe, conversations, policy),
        shown=shown,
        positions=shown.positions(),
        position=at,
        heads=heads,
        seen_pads=shown.seen_pads(at),
        changes=tuple((slug, title, changes[slug], changes[slug] > ROUNDING) for slug, title in PADDINGS.items()),
        why=_why(changes, heads, choices),
    )


def _why(changes: Mapping[str, float], heads: tuple[Head, ...], choices: Choices) -> str:
    """Whether it is the pads' being seen or the shifted positions that changes the logits."""
    hidden, bare = changes["left-pad-no-positions"], changes["left-pad-unmasked"]
    said = (
        f"Hiding the pads alone leaves a difference of {compact(hidden)} where bare padding has {compact(bare)}; "
        f"correcting the positions too leaves {compact(changes['left-pad'])}."
    )
    if choices.policy.slug != "left-pad-unmasked":
        return said
    most = percent(max(head.on_pads for head in heads), 1)
    return f"{said} At the position above, no head of this layer spends more than {most} of its attention on pads."
