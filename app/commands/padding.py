"""`maskscope padding`: what models trained with one padding answer when they are asked with another; measured anew."""

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.departures import report
from app.settings import Settings
from model.experiments.padding import (
    PADDING_RECIPE,
    PADDINGS,
    TOLERANCE,
    PaddedAccuracy,
    measure_paddings,
    read_paddings,
    save_paddings,
)
from model.training.checkpoints import load_model, read_run


def padding(
    check: Annotated[bool, typer.Option("--check", help="Measure anew and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure anew and write the file.")] = False,
) -> None:
    """Show the accuracy of every trained padding with every padding at inference.

    Example: maskscope padding --check
    """
    folder, console = Settings().trained_folder, Console()
    measured: list[PaddedAccuracy] = []
    if check or measure:
        models = {}
        for policy in PADDINGS:
            run = read_run(folder / PADDING_RECIPE / policy)
            models[policy] = run.steps, load_model(folder / PADDING_RECIPE / policy, run, run.checkpoints[-1])
        measured = list(track(measure_paddings(models), "measuring", len(PADDINGS) ** 2, console=console))
    if measure:
        save_paddings(folder, measured)
    stated = read_paddings(folder)
    console.print(_table(stated))
    if check:
        apart = [
            f"{row.trained} asked with {row.used}: stated {there:.3f}, measured {row.exact_match.value:.3f}"
            for row in measured
            if abs((there := stated[row.trained, row.used].exact_match.value) - row.exact_match.value) > TOLERANCE
        ]
        report(apart, f"{len(measured)} accuracies", console)


def _table(stated: dict[tuple[str, str], PaddedAccuracy]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="exact match: trained with (line), asked with (column)")
    table.add_column("")
    for title in PADDINGS.values():
        table.add_column(title, justify="right")
    for trained, title in PADDINGS.items():
        table.add_row(title, *(f"{stated[trained, used].exact_match.value:.3f}" for used in PADDINGS))
    return table
