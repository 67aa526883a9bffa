"""`maskscope controls`: what else could make a trace help, beside `maskscope reasoning`; trained and measured anew."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from app.settings import Settings
from model.experiments.reasoning.controls import (
    CONTROLS,
    KEPT_CONTROLS,
    PAIR,
    ControlRuns,
    control_rows,
    departures,
    measure_again,
    measure_controls,
)
from model.experiments.reasoning.traces import KEPT_REASONING


def controls(
    check: Annotated[bool, typer.Option("--check", help="Train seed 0 of each arm again; minutes.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Train every arm again and write the file.")] = False,
) -> None:
    """Show a trace with as few targets as the answers at once, and answers after a filler as long as the trace.

    Example: maskscope controls --check
    """
    console = Console()
    made = (
        tuple(track(measure_controls(), "training", len(KEPT_CONTROLS.expected), console=console)) if measure else None
    )
    again = (lambda: track(measure_again(), "training", len(CONTROLS), console=console)) if check else None
    found = (lambda stated: departures(stated, again())) if again else None
    show_figures(
        KEPT_CONTROLS, _tables, console, made=made, departures=found, counted=f"{len(CONTROLS)} runs trained and"
    )


def _tables(stated: ControlRuns) -> Iterator[Table]:
    rows = [
        [row.title, f"{row.steps:,}", f"{row.targets:,.0f}", f"{row.positions:.1f}", f"{row.right.value:.3f}"]
        for row in control_rows(stated, KEPT_REASONING.read(Settings().trained_folder))
    ]
    title = f"unseen sums of {PAIR.sums.most} {PAIR.title}, right and stopped: means over seeds"
    yield table_of(title, ["", "steps", "targets", "positions", "right"], rows)
