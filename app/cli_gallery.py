"""`maskscope gallery`: what the models trained under each mask bug do; measured anew, or trained anew."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.settings import Settings
from app.training_runs import Job, train_all
from model.gallery import (
    SHIPPED_RUNS,
    Measured,
    differences,
    measure_gallery,
    read_gallery,
    save_gallery,
    trained_as,
)
from model.masks import MASK_POLICIES
from model.recipes import ALL_RECIPES


def gallery(
    check: Annotated[bool, typer.Option("--check", help="Measure all models anew and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure all models anew and write the file.")] = False,
    train: Annotated[bool, typer.Option("--train", help="Train all shipped models anew, then measure.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="With --train: processes at once.")] = 2,
) -> None:
    """Show the symptoms of every mask bug as measured on a model trained under it.

    Example: maskscope gallery --check
    """
    folder, console = Settings().trained_folder, Console()
    if train:
        every = [
            Job(trained_as(ALL_RECIPES[recipe], policy), MASK_POLICIES[policy], 0, folder / recipe / policy)
            for recipe, policy in SHIPPED_RUNS
        ]
        if not train_all(every, jobs, console):
            raise typer.Exit(1)
    if train or measure:
        save_gallery(folder, list(track(measure_gallery(folder), "measuring", len(SHIPPED_RUNS), console=console)))
    stated = read_gallery(folder)
    console.print(_table(list(stated.values())))
    if check:
        apart = 0
        for measured in track(measure_gallery(folder), "measuring", len(SHIPPED_RUNS), console=console):
            for difference in differences(stated[measured.recipe, measured.policy], measured):
                apart += 1
                console.print(f"{measured.recipe}/{measured.policy}: {difference}", markup=False)
        console.print(f"{len(SHIPPED_RUNS)} models measured anew, {apart} figures differ from those stated")
        if apart:
            raise typer.Exit(1)


def _table(rows: list[Measured]) -> Table:
    table = Table("recipe", "policy", "exact", "first right", "stops", "runs on", "own loss", "answer loss", "moved")
    for row in rows:
        s = row.symptoms
        rates = [f"{rate.value:.3f}" for rate in (s.exact_match, s.first_right, s.stops)]
        own = "none" if s.own_loss is None else f"{s.own_loss:.3f}"
        table.add_row(row.recipe, row.policy, *rates, f"{s.runaway:.1f}", own, f"{s.answer_loss:.3f}", f"{s.moved:.2f}")
    return table
