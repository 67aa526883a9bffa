"""`maskscope reasoning`: sums answered at once or with a trace, by number of terms; measured anew, or trained anew."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.departures import report
from app.settings import Settings
from app.workers.training import jobs_of, train_all
from model.experiments.reasoning import (
    COMPARISONS,
    SEEDS,
    Reasoning,
    departures,
    measure_runs,
    read_reasoning,
    save_reasoning,
    shipped_folders,
    terms_rows,
)


def reasoning(
    check: Annotated[bool, typer.Option("--check", help="Measure the shipped models anew and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Train further seeds too, and measure.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="With --measure: processes at once.")] = 2,
) -> None:
    """Show how many sums are right by number of terms, with and without a trace.

    Example: maskscope reasoning --check
    """
    folder, console = Settings().trained_folder, Console()
    if measure:
        with tempfile.TemporaryDirectory() as scratch:
            others = [
                replace(job, folder=Path(scratch) / f"{job.recipe.slug}-{seed}")
                for seed in SEEDS[1:]
                for comparison in COMPARISONS.values()
                for recipe in comparison.recipes
                for job in jobs_of(recipe.slug, None, seed, folder)
            ]
            if not train_all(others, jobs, console):
                raise typer.Exit(1)
            every = [*shipped_folders(folder), *(job.folder for job in others)]
            save_reasoning(folder, list(track(measure_runs(every), "measuring", len(every), console=console)))
    stated = read_reasoning(folder)
    for comparison in COMPARISONS.values():
        console.print(_table(stated, comparison.slug))
    if check:
        folders = shipped_folders(folder)
        again = list(track(measure_runs(folders), "measuring", len(folders), console=console))
        report(departures(stated, again), f"{len(again)} runs", console)


def _table(stated: Reasoning, slug: str) -> Table:
    comparison = COMPARISONS[slug]
    table = Table(box=box.SIMPLE_HEAD, title=f"{comparison.title}: held-out sums right, by number of terms")
    table.add_column("")
    for terms in comparison.terms():
        table.add_column(str(terms), justify="right")
    rows = terms_rows(comparison, stated)
    for i, recipe in enumerate(comparison.recipes):
        table.add_row(recipe.slug, *(f"{row.rates[i].value:.3f}" for row in rows))
        table.add_row("  forward passes", *(f"{row.passes[i]:.1f}" for row in rows))
    return table
