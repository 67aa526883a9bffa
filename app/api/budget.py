"""/api/v1/budget: how much of a recipe's text each policy trains on, and where the loss is."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from app.api.schemas import ERRORS, Answer, Slug
from app.deps import CatalogDep
from model.explain.budgets import recipe_budget
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
    mean_loss: float = Field(description="Nats per token, of the mask-off model at its last step, held-out words.")
    loss_share: float = Field(description="Of the summed loss if every token is trained.")


class BudgetAnswer(Answer):
    recipe: str
    conversations: int
    step: int
    policies: list[PolicyShare]
    segments: list[SegmentShare]


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
