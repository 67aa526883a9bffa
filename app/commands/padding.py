"""`maskscope padding`: what models trained with one padding answer when they are asked with another; measured anew."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from app.settings import Settings
from model.experiments.padding import KEPT_PADDINGS, PADDINGS, PaddedAccuracy, departures, measure_paddings


def padding(
    check: Annotated[bool, typer.Option("--check", help="Measure anew and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure anew and write the file.")] = False,
) -> None:
    """Show the accuracy of every trained padding with every padding at inference.

    Example: maskscope padding --check
    """
    console = Console()
    measured: tuple[PaddedAccuracy, ...] = ()
    if check or measure:
        rows = measure_paddings(Settings().trained_folder)
        measured = tuple(track(rows, "measuring", len(PADDINGS) ** 2, console=console))
    made = measured if measure else None
    found = partial(departures, measured=measured) if check else None
    show_figures(KEPT_PADDINGS, _tables, console, made=made, departures=found, counted=f"{len(measured)} accuracies")


def _tables(rows: Sequence[PaddedAccuracy]) -> Iterator[Table]:
    stated = {row.key: row.exact_match.value for row in rows}
    yield table_of(
        "exact match: trained with (line), asked with (column)",
        ["", *PADDINGS.values()],
        [[title, *(f"{stated[trained, used]:.3f}" for used in PADDINGS)] for trained, title in PADDINGS.items()],
    )
