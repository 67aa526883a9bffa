"""What ships: every run under model/trained/, by recipe and policy, and the recipe it is trained by."""

from model.experiments.bugs.gallery import GALLERY_RUNS
from model.masks.policies import COMPARED_POLICIES, RIGHT, UNMASKED
from model.training.recipes import SUM_RECIPES, Recipe

SEEDS = (0, 1, 2)
"""Of the bases, and of every experiment that says how far seeds lie apart."""

SHIPPED_RUNS: tuple[tuple[str, str], ...] = (
    *GALLERY_RUNS,
    *((recipe, RIGHT.slug) for recipe in SUM_RECIPES),
    ("answers", UNMASKED.slug),
)
"""(recipe, policy) of every run that is shipped."""


def trained_as(recipe: Recipe, policy: str) -> Recipe:
    """Runs under other policies than the compared ones keep their last checkpoint only."""
    return recipe if policy in COMPARED_POLICIES else recipe.keeping_the_last_checkpoint()
