"""`maskscope limits`: what SFT makes of wrong answers and of two valid ones; trained and measured anew.

`--measure` writes the weights of those models, too, that `/limits` lets one ask.
"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from app.settings import Settings
from model.experiments.limits import KEPT_LIMITS, LIMIT_RUNS, Limits, departures, limits_rows, measure_limits
from model.experiments.shipped import SEEDS

PROBABILITIES = ("p(reversal)", "p(copy)", "p(mixture)")


def limits(
    check: Annotated[bool, typer.Option("--check", help="Train all runs again and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Train all runs again and write the file.")] = False,
) -> None:
    """Show what becomes of a share of answers that are others than the reversal.

    Example: maskscope limits --check
    """
    console = Console()
    trained: Limits = ()
    if check or measure:
        folder = Settings().trained_folder if measure else None
        trained = tuple(track(measure_limits(folder), "training", len(LIMIT_RUNS), console=console))
    made = trained if measure else None
    found = partial(departures, measured=trained) if check else None
    show_figures(KEPT_LIMITS, _tables, console, made=made, departures=found, counted=f"{len(trained)} runs trained and")


def _tables(stated: Limits) -> Iterator[Table]:
    rows = []
    for row in limits_rows(stated):
        rates = (row.labeller, row.reversal, row.other, row.mixed, row.stopped)
        means = (row.p_reversal, row.p_other, row.p_mixed)
        told = [f"{rate.value:.3f}" if rate else "not counted" for rate in rates]
        told += [f"{sum(values) / len(values):.3f}" if values else "not counted" for values in means]
        rows.append([row.spread.slug, f"{row.share:.0%}", *told])
    yield table_of(
        f"answers by where the other answer is and its share of the labels: means of {len(SEEDS)} seeds",
        ["other answers", "share", "labels", "reversed", "copied", "mixed", "stopped", *PROBABILITIES],
        rows,
    )
