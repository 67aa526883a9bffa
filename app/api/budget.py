"""/api/v1/budget: how much of a recipe's text each policy trains on, and where the loss is; and of any lengths."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from app.api.schemas import ERRORS, Answer, Request, Slug
from app.deps import CatalogDep
from model.explain.budgets import LESSON_LENGTHS, MOST_ROWS, MOST_TOKENS, MOST_TURNS, LengthBudget, recipe_budget
from model.masks.policies import UNMASKED
from model.text.chat_template import SegmentKind

router = APIRouter(prefix="/api/v1/budget", tags=["masks"], responses=ERRORS)


class PolicyShare(Answer):
    policy: str
    positions: int = Field(description="Tokens that could be predicted.")
    supervised: int
    share: float = Field(description="More than 1 where pads are trained too.")


class SegmentShare(Answer):
    kind: SegmentKind
    tokens: int
    token_share: float
    mean_loss: float = Field(description="Nats per token, of the mask-off model at its last step, unseen words.")
    loss_share: float = Field(description="Of the summed loss if every token is trained.")


class BudgetAnswer(Answer):
    recipe: str
    conversations: int
    step: int
    policies: list[PolicyShare]
    segments: list[SegmentShare]


class LengthsQuery(Request):
    model_config = ConfigDict(strict=False)

    prompt_tokens: int = Field(
        LESSON_LENGTHS.prompt_tokens, ge=1, le=MOST_TOKENS, description="Of each turn's prompt, with the template's."
    )
    response_tokens: int = Field(
        LESSON_LENGTHS.response_tokens, ge=1, le=MOST_TOKENS, description="Of each turn's response, with its stop."
    )
    turns: int = Field(LESSON_LENGTHS.turns, ge=1, le=MOST_TURNS)
    batch: int = Field(LESSON_LENGTHS.batch, ge=1, le=MOST_ROWS, description="Conversations.")


class LengthsAnswer(Answer):
    prompt_tokens: int
    response_tokens: int
    turns: int
    batch: int
    positions: int = Field(description="Of one conversation: tokens that could be predicted.")
    supervised: int = Field(description="Of one conversation, under the right mask.")
    share: float = Field(description="Supervised, of the positions.")
    ignored: float = Field(description="The rest, as a share.")
    batch_positions: int
    batch_supervised: int


@router.get("/lengths")
async def lengths(query: Annotated[LengthsQuery, Query()]) -> LengthsAnswer:
    """Counted for conversations of which only the lengths are given; without any, the lesson's example."""
    budget = LengthBudget(**query.model_dump())
    return LengthsAnswer(
        **query.model_dump(),
        positions=budget.positions,
        supervised=budget.supervised,
        share=budget.share,
        ignored=budget.ignored,
        batch_positions=budget.batch * budget.positions,
        batch_supervised=budget.batch * budget.supervised,
    )


@router.get("")
async def read(catalog: CatalogDep, recipe: Annotated[Slug, Query()] = "reverse") -> BudgetAnswer:
    """Counted from the first batch of the recipe's training."""
    chosen = catalog.recipe(recipe, catalog.mask_recipes())
    budget = recipe_budget(chosen, catalog.run(chosen, UNMASKED.slug).run)
    return BudgetAnswer(
        recipe=chosen.slug,
        conversations=budget.conversations,
        step=budget.steps,
        policies=[
            PolicyShare(policy=slug, positions=b.positions, supervised=b.supervised, share=b.share)
            for slug, b in budget.policies.items()
        ],
        segments=[SegmentShare.model_validate(segment) for segment in budget.segments],
    )
