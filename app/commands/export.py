"""`maskscope export`: a run as a folder that transformers loads."""

from pathlib import Path
from typing import Annotated

import typer

from app.catalog import load_catalog
from app.commands.options import StepOption, chosen_recipe
from app.settings import Settings
from model.masks.policies import MASK_POLICIES
from model.network.export import export_run
from model.training.recipes import ALL_RECIPES


def export(
    recipe: Annotated[str, typer.Argument(help=f"One of: {', '.join(ALL_RECIPES)}.")],
    policy: Annotated[str, typer.Argument(help=f"One of: {', '.join(MASK_POLICIES)}.")],
    folder: Annotated[Path, typer.Argument(help="Made if missing; its files of the same names are replaced.")],
    step: StepOption = None,
) -> None:
    """Write a run as a folder that transformers' GPT2LMHeadModel and AutoTokenizer load.

    Example: maskscope export reverse prompt-masked exported
    """
    chosen = chosen_recipe(recipe)
    model, _ = load_catalog(Settings().trained_folder).model(chosen, policy, step)
    for path in export_run(model, chosen.tokenizer, folder):
        typer.echo(path)
