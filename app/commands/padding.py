"""`maskscope padding`: what models trained with one padding answer when they are asked with another; measured anew."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from app.settings import Settings
from model.experiments.padding.accuracies import (
    KEPT_PADDINGS,
    Paddings,
    departures,
    measure_paddings,
    measure_right_pad_change,
)
from model.experiments.padding.arms import PADDINGS, TRAINED_PADDINGS


def padding(
    check: Annotated[bool, typer.Option("--check", help="Measure again and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure again and write the file.")] = False,
) -> None:
    """Show the accuracy of every trained padding with every padding at inference.

    Example: maskscope padding --check
    """
    console = Console()
    measured = Paddings(0.0, ())
    if check or measure:
        folder = Settings().trained_folder
        rows = measure_paddings(folder)
        counted = track(rows, "measuring", len(TRAINED_PADDINGS) * len(PADDINGS), console=console)
        measured = Paddings(measure_right_pad_change(folder), tuple(counted))
    made = measured if measure else None
    found = partial(departures, measured=measured) if check else None
    counted_as = f"{len(measured.rows)} accuracies"
    show_figures(KEPT_PADDINGS, _tables, console, made=made, departures=found, counted=counted_as)


def _tables(kept: Paddings) -> Iterator[Table]:
    stated = {row.key: row for row in kept.rows}
    for title, count in (("words that get pads", "with_pads"), ("words that need none", "without_pads")):
        rates = {key: getattr(row, count) for key, row in stated.items()}
        n = next(iter(rates.values())).n
        yield table_of(
            f"right, of {n} {title}: trained with (line), asked with (column); one run each",
            ["", *PADDINGS.values()],
            [
                [PADDINGS[trained], *(str(round(rates[trained, used].value * n)) for used in PADDINGS)]
                for trained in TRAINED_PADDINGS
            ],
        )
