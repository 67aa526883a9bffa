"""/api/v1/recipes: what can be asked for, and how well each run did."""

from fastapi import APIRouter
from pydantic import Field

from app.api.schemas import ERRORS, Answer, MeanLoss, Rate
from app.catalog import Catalog, LoadedRun
from app.deps import CatalogDep
from model.text.chat_template import SegmentKind
from model.training.recipes import Recipe

router = APIRouter(prefix="/api/v1", tags=["v1"], responses=ERRORS)


class StepMetrics(Answer):
    step: int
    kept: bool = Field(description="Whether the weights of this step can be asked for.")
    exact_match: Rate
    token_accuracy: Rate
    stop_rate: Rate
    loss: dict[SegmentKind, MeanLoss] = Field(description="By the segment of the target, trained on or not.")


class RunSummary(Answer):
    policy: str
    seed: int
    steps: int
    metrics: list[StepMetrics]


class Limits(Answer):
    prompt_min_length: int
    prompt_max_length: int
    context_length: int


class RecipeSummary(Answer):
    slug: str
    title: str
    vocabulary: list[str]
    parameters: int
    limits: Limits
    runs: list[RunSummary]


class RecipeList(Answer):
    recipes: list[RecipeSummary]


@router.get("/recipes")
async def recipes(catalog: CatalogDep) -> RecipeList:
    """What can be asked for, and how well each run did on held-out words, step by step."""
    return RecipeList(recipes=[_summary(catalog, recipe) for recipe in catalog.recipes()])


def _summary(catalog: Catalog, recipe: Recipe) -> RecipeSummary:
    loaded = [catalog.run(recipe, policy.slug) for policy in catalog.policies(recipe)]
    return RecipeSummary(
        slug=recipe.slug,
        title=recipe.title,
        vocabulary=list(recipe.tokenizer.tokens),
        parameters=loaded[0].run.parameters,
        limits=Limits(
            prompt_min_length=recipe.task.min_length,
            prompt_max_length=recipe.task.max_length,
            context_length=recipe.model.context_length,
        ),
        runs=[_run(each) for each in loaded],
    )


def _run(loaded: LoadedRun) -> RunSummary:
    metrics = [{"step": m.step, "kept": m.step in loaded.models, **vars(m.metrics)} for m in loaded.run.measurements]
    return RunSummary.model_validate({**vars(loaded.run), "metrics": metrics})
