"""`maskscope reasoning`: sums answered at once or with a trace, by number of terms; measured anew, or trained anew."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from app.settings import Settings
from app.workers.training import jobs_of, train_all
from model.experiments.reasoning.traces import (
    KEPT_REASONING,
    TRACE_PAIRS,
    TRACE_RECIPES,
    Reasoning,
    departures,
    measure_runs,
    shipped_folders,
    terms_rows,
)
from model.experiments.shipped import SEEDS


def reasoning(
    check: Annotated[bool, typer.Option("--check", help="Measure the shipped models again and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Train further seeds too, and measure.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="With --measure: processes at once.")] = 2,
) -> None:
    """Show how many sums are right by number of terms, with and without a trace.

    Example: maskscope reasoning --check
    """
    folder, console = Settings().trained_folder, Console()
    shipped = shipped_folders(folder)
    made = _over_seeds(folder, jobs, console) if measure else None
    found = (lambda stated: departures(stated, _measured(shipped, console))) if check else None
    show_figures(KEPT_REASONING, _tables, console, made=made, departures=found, counted=f"{len(shipped)} runs")


def _over_seeds(folder: Path, at_once: int, console: Console) -> Reasoning:
    """Of the shipped runs, and of the same trained from the other seeds."""
    with tempfile.TemporaryDirectory() as scratch:
        others = [
            replace(job, folder=Path(scratch) / f"{job.recipe.slug}-{seed}")
            for seed in SEEDS[1:]
            for recipe in TRACE_RECIPES
            for job in jobs_of(recipe.slug, None, seed, folder)
        ]
        if not train_all(others, at_once, console):
            raise typer.Exit(1)
        return _measured([*shipped_folders(folder), *(job.folder for job in others)], console)


def _measured(folders: Sequence[Path], console: Console) -> Reasoning:
    return tuple(track(measure_runs(folders), "measuring", len(folders), console=console))


def _tables(stated: Reasoning) -> Iterator[Table]:
    for pair in TRACE_PAIRS.values():
        rows = []
        by_terms = terms_rows(pair, stated)
        for i, recipe in enumerate(pair.recipes):
            rows.append([recipe.slug, *(f"{row.rates[i].value:.3f}" for row in by_terms)])
            rows.append(["  forward passes", *(f"{row.passes[i]:.1f}" for row in by_terms)])
        title = f"{pair.title}: unseen sums right and stopped, by number of terms: means of {len(SEEDS)} seeds"
        yield table_of(title, ["", *map(str, pair.terms())], rows)
