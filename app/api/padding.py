"""/api/v1/padding: two words padded four ways, what a model in memory makes of them, and what models answer."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from app.api.schemas import ERRORS, Answer, Rate, Request, Slug, Text
from app.deps import CatalogDep, EngineDep
from model.errors import check_known
from model.experiments.padding import (
    EXAMPLE_WORDS,
    PADDING_RECIPE,
    PADDINGS,
    SHAPES_SEED,
    batch_shapes,
    padded_rows,
    padding_changes,
)
from model.masks.policies import MASK_POLICIES, RIGHT
from model.training.conversations import render_prompts

router = APIRouter(prefix="/api/v1/padding", tags=["padding"], responses=ERRORS)


class PaddingQuery(Request):
    model_config = ConfigDict(strict=False)

    first: Text = EXAMPLE_WORDS[0]
    second: Text = EXAMPLE_WORDS[1]
    policy: Slug = Field("left-pad-unmasked", description=f"One of: {', '.join(PADDINGS)}.")


class PaddedRowAnswer(Answer):
    tokens: list[str]
    real: list[bool] = Field(description="False at pads.")
    sees: list[list[int]] = Field(description="For each position those that it can attend to.")
    weights: list[list[list[list[float]]]] = Field(description="Layer, head, position, position attended to.")
    logit_change: float = Field(description="Largest difference of a logit from what it is without padding.")


class PaddingChange(Answer):
    policy: str
    padding: str
    logit_change: float


class PaddingAccuracy(Answer):
    """Of a model trained with one padding and asked with another."""

    trained: str
    used: str
    steps: int
    exact_match: Rate


class BatchAnswer(Answer):
    title: str
    cells: int
    tokens: int
    wasted: float = Field(description="Share of cells that hold no token.")


class PaddingAnswer(Answer):
    recipe: str
    policy: str
    step: int
    rows: list[PaddedRowAnswer] = Field(description="The words under the policy asked for.")
    changes: list[PaddingChange] = Field(description="Of the words under every padding.")
    accuracies: list[PaddingAccuracy]
    batches: list[BatchAnswer] = Field(description="The cells of one training batch.")


@router.get("")
async def read(query: Annotated[PaddingQuery, Query()], catalog: CatalogDep, engine: EngineDep) -> PaddingAnswer:
    """What padding does to two words and to models; the model is that trained right-padded, at its last step."""
    check_known(query.policy, PADDINGS, "policy")
    recipe = catalog.recipe(PADDING_RECIPE)
    conversations = render_prompts(recipe, (query.first, query.second), uneven=True)
    model, step = catalog.model(recipe, RIGHT.slug, None)
    rows = await engine.call(partial(padded_rows, model, recipe, conversations, MASK_POLICIES[query.policy]))
    changes = await engine.call(partial(padding_changes, model, recipe, conversations))
    return PaddingAnswer(
        recipe=recipe.slug,
        policy=query.policy,
        step=step,
        rows=[PaddedRowAnswer.model_validate(row) for row in rows],
        changes=[PaddingChange(policy=p, padding=PADDINGS[p], logit_change=change) for p, change in changes.items()],
        accuracies=[PaddingAccuracy.model_validate(row) for row in catalog.paddings.values()],
        batches=[BatchAnswer.model_validate(shape) for shape in batch_shapes(recipe, SHAPES_SEED)],
    )
