"""`maskscope gallery`: what the models trained under each mask bug do; measured anew, or trained anew."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.settings import Settings
from app.workers.training import Job, train_all
from model.experiments.bugs.gallery import (
    GALLERY_RUNS,
    Measured,
    differences,
    measure_gallery,
    read_gallery,
    save_gallery,
)
from model.experiments.shipped import trained_as
from model.masks.policies import MASK_POLICIES
from model.training.recipes import MASK_RECIPES, find_recipe


def gallery(
    recipe: Annotated[str | None, typer.Option(help="Only the models of one recipe; not with --measure.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Measure the models anew and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure all models anew and write the file.")] = False,
    train: Annotated[bool, typer.Option("--train", help="Train all these models anew, then measure.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="With --train: processes at once.")] = 2,
) -> None:
    """Show the symptoms of every mask bug as measured on a model trained under it.

    Example: maskscope gallery --check
    """
    if recipe and (measure or train):
        raise typer.BadParameter("the file holds every recipe: --measure and --train take no --recipe")
    asked = [find_recipe(recipe, MASK_RECIPES.values()).slug] if recipe else list(MASK_RECIPES)
    runs = [run for run in GALLERY_RUNS if run[0] in asked]
    folder, console = Settings().trained_folder, Console()
    if train:
        every = [
            Job(trained_as(MASK_RECIPES[slug], policy), MASK_POLICIES[policy], 0, folder / slug / policy)
            for slug, policy in runs
        ]
        if not train_all(every, jobs, console):
            raise typer.Exit(1)
    if train or measure:
        save_gallery(folder, list(track(measure_gallery(folder), "measuring", len(runs), console=console)))
    stated = read_gallery(folder)
    console.print(_table([stated[run] for run in runs]))
    prompts = {stated[run].symptoms.exact_match.n for run in runs}
    console.print(f"Rates are of {' or '.join(map(str, sorted(prompts)))} held-out prompts; runs on: tokens too many.")
    if check and _check(folder, stated, runs, console):
        raise typer.Exit(1)


def _check(folder: Path, stated: dict[tuple[str, str], Measured], runs: list[tuple[str, str]], console: Console) -> int:
    """How many figures differ, each in a line of its own."""
    apart = 0
    for measured in track(measure_gallery(folder, runs), "measuring", len(runs), console=console):
        for difference in differences(stated[measured.recipe, measured.policy], measured):
            apart += 1
            console.print(f"{measured.recipe}/{measured.policy}: {difference}", markup=False)
    console.print(f"{len(runs)} models measured anew, figures that differ from those stated: {apart}")
    return apart


def _table(rows: list[Measured]) -> Table:
    """Fits 80 columns; where there are fewer, a name goes on in the next line."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for name in ("recipe", "policy"):
        table.add_column(name, overflow="fold")
    for name in ("exact", "first\nright", "stops", "runs\non", "own\nloss", "answer\nloss", "moved"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        s = row.symptoms
        rates = [f"{rate.value:.3f}" for rate in (s.exact_match, s.first_right, s.stops)]
        own = "none" if s.own_loss is None else f"{s.own_loss:.3f}"
        table.add_row(row.recipe, row.policy, *rates, f"{s.runaway:.1f}", own, f"{s.answer_loss:.3f}", f"{s.moved:.2f}")
    return table
