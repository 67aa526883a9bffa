"""Options that several commands take."""

from typing import Annotated

import typer

from app.workers.cluster import Engine
from model.masks.policies import MASK_POLICIES
from model.training.recipes import ALL_RECIPES, Recipe, find_recipe

RecipeOption = Annotated[str, typer.Option("--recipe", help=f"One of: {', '.join(ALL_RECIPES)}.")]
PolicyOption = Annotated[str, typer.Option("--policy", help=f"The loss mask, one of: {', '.join(MASK_POLICIES)}.")]
StepOption = Annotated[int | None, typer.Option("--step", min=0, help="A kept step; default: the last.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
EngineOption = Annotated[
    Engine,
    typer.Option("--engine", help="Where the work is done; ray: on the cluster at RAY_ADDRESS, or a new one here."),
]


def chosen_recipe(slug: str) -> Recipe:
    """Raises UnknownName."""
    return find_recipe(slug, ALL_RECIPES.values())
