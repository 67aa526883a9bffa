"""/api/v1/packing: conversations packed into rows, and what that changes in a model in memory."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from app.api.schemas import ERRORS, Answer, Rate, Request, Slug, Step, Text
from app.deps import CatalogDep, EngineDep
from model.errors import check_known
from model.experiments.packing.effects import measure_documents, measure_effects
from model.experiments.packing.rows import (
    EXAMPLES,
    MOST_PACKED,
    PACKINGS,
    Filling,
    measure_filling,
)
from model.explain.cells import inspect_mask
from model.masks.policies import MASK_POLICIES, RIGHT
from model.text.chat_template import Rendered
from model.training.conversations import render_text
from model.training.loop import training_conversations
from model.training.recipes import Recipe

router = APIRouter(prefix="/api/v1/packing", tags=["packing"], responses=ERRORS)


LAYOUTS = {"padded": RIGHT.slug, "packed": "packed"}
"""The policies whose batches are compared."""


class PackingQuery(Request):
    model_config = ConfigDict(strict=False)

    recipe: Slug = "reverse"
    words: Text | None = Field(
        None, description="The users' texts, commas between; in a dialogue a space begins a turn. Default: an example."
    )
    policy: Slug = Field("packed", description="`packed` or `packed-naive`.")
    step: Step | None = Field(None, description="Of the prompt-masked run; default: its last.")


class PackedPosition(Answer):
    position: int
    place: int = Field(description="The position that the model is told.")
    document: int = Field(description="Which of the row's conversations, from 1; 0 for a pad.")
    input: str
    target: str | None = Field(description="null where ignored.")


class Fill(Answer):
    conversations: int
    rows: int
    columns: int
    real: int = Field(description="Cells that hold a token.")
    cells: int
    share: float


class Fills(Answer):
    padded: Fill
    packed: Fill


class PackingEffect(Answer):
    separation: str = Field(description="What is kept apart: `packed` both attention and positions.")
    loss: float
    loss_difference: float
    gradient_difference: float = Field(description="The largest over all weights.")
    gradient_change: float = Field(description="The length of the gradients' difference over that of the unpacked one.")


class Document(Answer):
    text: str
    row: int = Field(description="From 0.")
    start: int
    logit_change: float = Field(description="The largest, against the conversation alone.")
    loss_alone: float
    loss_packed: float


class PackingAnswer(Answer):
    recipe: str
    policy: str
    step: int
    rows: list[list[PackedPosition]]
    these: Fills
    training_batch: Fills
    loss: float = Field(description="Unpacked, in nats.")
    largest_gradient: float = Field(description="The largest entry of the unpacked gradient.")
    effects: list[PackingEffect]
    documents: list[Document]
    trained: dict[str, Rate] = Field(description="Exact match of the reverse models trained in each way.")


@router.get("")
async def packing(query: Annotated[PackingQuery, Query()], catalog: CatalogDep, engine: EngineDep) -> PackingAnswer:
    """Rows, their labels and filling; loss, gradient and logits of a training step, packed against unpacked."""
    recipe = catalog.recipe(query.recipe, [recipe for recipe in catalog.recipes() if recipe.slug in EXAMPLES])
    check_known(query.policy, PACKINGS, "policy")
    policy = MASK_POLICIES[query.policy]
    model, step = catalog.model(recipe, RIGHT.slug, query.step)
    text = EXAMPLES[recipe.slug] if query.words is None else query.words
    conversations = render_text(recipe, text, most=MOST_PACKED)
    effects = await engine.call(partial(measure_effects, model, recipe, conversations))
    return PackingAnswer.model_validate(
        {
            "recipe": recipe.slug,
            "policy": policy.slug,
            "step": step,
            "rows": inspect_mask(recipe, conversations, policy).rows,
            "these": _fills(recipe, conversations),
            "training_batch": _fills(recipe, training_conversations(recipe, 0)),
            "loss": effects.loss,
            "largest_gradient": effects.largest_gradient,
            "effects": [{**vars(effect), "separation": effect.separation.slug} for effect in effects.packed],
            "documents": await engine.call(partial(measure_documents, model, recipe, conversations, policy)),
            "trained": {p: catalog.measured["reverse", p].symptoms.exact_match for p in (RIGHT.slug, *PACKINGS)},
        }
    )


def _fills(recipe: Recipe, conversations: Sequence[Rendered]) -> dict[str, Filling]:
    return {name: measure_filling(recipe, conversations, MASK_POLICIES[slug]) for name, slug in LAYOUTS.items()}
