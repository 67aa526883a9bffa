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
from model.experiments.padding.accuracies import KEPT_PADDINGS, PaddedAccuracy, departures, measure_paddings
from model.experiments.padding.arms import PADDINGS, TRAINED_PADDINGS


def padding(
    check: Annotated[bool, typer.Option("--check", help="Measure again and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure again and write the file.")] = False,
) -> None:
    """Show the accuracy of every trained padding with every padding at inference.

    Example: maskscope padding --check
    """
    console = Console()
    measured: tuple[PaddedAccuracy, ...] = ()
    if check or measure:
        rows = measure_paddings(Settings().trained_folder)
        measured = tuple(track(rows, "measuring", len(TRAINED_PADDINGS) * len(PADDINGS), console=console))
    made = measured if measure else None
    found = partial(departures, measured=measured) if check else None
    show_figures(KEPT_PADDINGS, _tables, console, made=made, departures=found, counted=f"{len(measured)} accuracies")


def _tables(rows: Sequence[PaddedAccuracy]) -> Iterator[Table]:
    stated = {row.key: row for row in rows}
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
