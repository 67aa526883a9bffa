"""/api/v1/padding: two words padded on the right and left, what a model makes of them, and what models answer."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from app.api.schemas import ERRORS, Answer, Rate, Request, Slug, Text
from app.deps import CatalogDep, EngineDep
from model.errors import check_known
from model.experiments.padding.accuracies import complete_padded
from model.experiments.padding.arms import EXAMPLE_WORDS, PADDING_RECIPE, PADDINGS, TWO_BY_TWO
from model.experiments.padding.rows import padded_rows, padding_changes
from model.experiments.padding.shapes import SHAPES_SEED, batch_shapes
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


class LengthCount(Answer):
    letters: int
    right: int
    too_short: int
    too_long: int = Field(description="Longer than the right answer, whether it stopped or not.")
    wrong_letters: int = Field(description="As long as the right answer, and another one.")
    n: int


class PaddingAccuracy(Answer):
    """Of a model trained with one padding and asked with another: one training, so its intervals are Wilson's."""

    trained: str
    used: str
    seed: int
    steps: int
    exact_match: Rate = Field(description="Of all words.")
    with_pads: Rate = Field(description="Of the words that get pads: all but the longest.")
    without_pads: Rate = Field(description="Of the longest words, which no padding touches.")
    by_length: list[LengthCount]


class LeftPadding(Answer):
    """A cell of the 2 x 2: pads on the left, hidden from attention or not, positions corrected or not."""

    policy: str
    hidden: bool
    corrected: bool
    written: list[str] = Field(description="What the model writes behind each of the two words; greedy.")


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
    left: list[LeftPadding]
    accuracies: list[PaddingAccuracy]
    batches: list[BatchAnswer] = Field(description="The cells of one training batch.")


@router.get("")
async def read(query: Annotated[PaddingQuery, Query()], catalog: CatalogDep, engine: EngineDep) -> PaddingAnswer:
    """What padding does to two words and to models. The model was trained with pads on the right; its last step."""
    check_known(query.policy, PADDINGS, "policy")
    recipe = catalog.recipe(PADDING_RECIPE)
    conversations = render_prompts(recipe, (query.first, query.second), uneven=True)
    model, step = catalog.model(recipe, RIGHT.slug, None)
    rows = await engine.call(partial(padded_rows, model, recipe, conversations, MASK_POLICIES[query.policy]))
    changes = await engine.call(partial(padding_changes, model, recipe, conversations))
    words = (query.first, query.second)
    policies = [MASK_POLICIES[arm.policy] for arm in TWO_BY_TWO]
    written = await engine.call(lambda: [complete_padded(model, recipe, words, policy) for policy in policies])
    return PaddingAnswer(
        recipe=recipe.slug,
        policy=query.policy,
        step=step,
        rows=[PaddedRowAnswer.model_validate(row) for row in rows],
        changes=[PaddingChange(policy=p, padding=PADDINGS[p], logit_change=change) for p, change in changes.items()],
        left=[
            LeftPadding(policy=a.policy, hidden=a.hidden, corrected=a.corrected, written=texts)
            for a, texts in zip(TWO_BY_TWO, written, strict=True)
        ],
        accuracies=[PaddingAccuracy.model_validate(row) for row in catalog.paddings.values()],
        batches=[BatchAnswer.model_validate(shape) for shape in batch_shapes(recipe, SHAPES_SEED)],
    )
