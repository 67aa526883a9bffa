"""`maskscope limits`: what SFT makes of wrong answers and of two valid ones; trained and measured anew."""

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.departures import report
from app.settings import Settings
from model.experiments.limits import (
    SEEDS,
    SHARES,
    SPREADS,
    Limits,
    departures,
    measure_limits,
    read_limits,
    save_limits,
)
from model.intervals import pooled


def limits(
    check: Annotated[bool, typer.Option("--check", help="Train all runs anew and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Train all runs anew and write the file.")] = False,
) -> None:
    """Show what becomes of a share of answers that are others than the reversal.

    Example: maskscope limits --check
    """
    folder, console = Settings().trained_folder, Console()
    trained = []
    if check or measure:
        runs = len(SPREADS) * len(SHARES) * len(SEEDS)
        trained = list(track(measure_limits(), "training", runs, console=console))
    if measure:
        save_limits(folder, trained)
    stated = read_limits(folder)
    console.print(_table(stated))
    if check:
        report(departures(stated, trained), f"{len(trained)} runs trained and", console)


def _table(stated: Limits) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="words reversed, by where the other answers are and their share")
    for name in ("other answers", "share", "labeller", "greedy", "p(reversal)", "p(other)"):
        table.add_column(name, justify="left" if name == "other answers" else "right")
    for spread in SPREADS.values():
        for share in SHARES:
            runs = [run for run in stated if (run.where, run.share) == (spread.slug, share)]
            means = [sum(getattr(run, name) for run in runs) / len(runs) for name in ("p_reversal", "p_other")]
            rates = [pooled([run.labeller for run in runs]), pooled([run.reversal for run in runs])]
            figures = [f"{rate.value:.3f}" for rate in rates] + [f"{mean:.3f}" for mean in means]
            table.add_row(spread.slug, f"{share:.0%}", *figures)
    return table
