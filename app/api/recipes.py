"""/api/v1/recipes: what can be asked for, and how well each run did."""

from fastapi import APIRouter
from pydantic import Field

from app.api.schemas import ERRORS, Answer, MeanLoss, Rate, SeedRate, Slug
from app.catalog import Catalog, LoadedRun
from app.deps import AblationDep, CatalogDep
from model.experiments.ablation.seeds import seeds_at
from model.experiments.ablation.shipped import ShippedAblation
from model.text.chat_template import SegmentKind
from model.training.recipes import Recipe

router = APIRouter(prefix="/api/v1", tags=["v1"], responses=ERRORS)


class StepMetrics(Answer):
    step: int
    kept: bool = Field(description="Whether the weights of this step can be asked for.")
    exact_match: Rate
    token_accuracy: Rate
    stop_rate: Rate


class StepMetricsWithLoss(StepMetrics):
    loss: dict[SegmentKind, MeanLoss] = Field(description="By the segment of the target, trained on or not.")


class RunSummary(Answer):
    policy: str
    seed: int
    steps: int
    metrics: tuple[StepMetrics, ...]


class RunWithLoss(RunSummary):
    metrics: tuple[StepMetricsWithLoss, ...]


class SeedsAtStep(Answer):
    """What all seeds of a recipe's setting could do, each measured on the same words; from the ablation."""

    step: int
    masked: SeedRate
    unmasked: SeedRate
    ahead: int = Field(description="Seeds whose mask-on run has more words right than its mask-off run.")
    behind: int


class Limits(Answer):
    prompt_min_length: int
    prompt_max_length: int
    context_length: int


class RecipeSummary(Answer):
    slug: str
    title: str
    vocabulary: tuple[str, ...]
    parameters: int
    limits: Limits
    runs: tuple[RunSummary, ...]


class RecipeWithLoss(RecipeSummary):
    runs: tuple[RunWithLoss, ...]
    seeds: tuple[SeedsAtStep, ...] = Field(description="At each measured step; empty if a recipe has one seed alone.")


class RecipeList(Answer):
    recipes: list[RecipeSummary]


@router.get("/recipes")
async def recipes(catalog: CatalogDep) -> RecipeList:
    """What can be asked for, and how well each run did on unseen words, step by step."""
    return RecipeList(recipes=[RecipeSummary.model_validate(_of(catalog, recipe)) for recipe in catalog.recipes()])


@router.get("/recipes/{recipe}")
async def one(recipe: Slug, catalog: CatalogDep, ablation: AblationDep) -> RecipeWithLoss:
    """One of them: its losses by segment, and what all seeds could do, as well."""
    found = catalog.recipe(recipe)
    return RecipeWithLoss.model_validate(_of(catalog, found) | {"seeds": _seeds(ablation, found)})


def _of(catalog: Catalog, recipe: Recipe) -> dict[str, object]:
    loaded = [catalog.run(recipe, policy.slug) for policy in catalog.policies(recipe)]
    return {
        "slug": recipe.slug,
        "title": recipe.title,
        "vocabulary": recipe.tokenizer.tokens,
        "parameters": loaded[0].run.parameters,
        "limits": Limits(
            prompt_min_length=recipe.task.min_length,
            prompt_max_length=recipe.task.max_length,
            context_length=recipe.model.context_length,
        ),
        "runs": [vars(each.run) | {"metrics": _metrics(each)} for each in loaded],
    }


def _metrics(loaded: LoadedRun) -> list[dict[str, object]]:
    return [{"step": m.step, "kept": m.step in loaded.models, **vars(m.metrics)} for m in loaded.run.measurements]


def _seeds(ablation: ShippedAblation, recipe: Recipe) -> list[object]:
    own = [c.setting for c in ablation.findings.comparisons if c.setting.slug == recipe.slug]
    return [seeds_at(ablation.findings.ablation, each, step) for each in own for step in each.evaluated_steps()]
