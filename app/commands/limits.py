"""`maskscope limits`: what SFT makes of wrong answers and of two valid ones; trained and measured anew."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures
from model.experiments.limits import KEPT_LIMITS, OTHER_SHARES, SPREADS, Limits, departures, measure_limits
from model.experiments.shipped import SEEDS
from model.intervals import pooled


def limits(
    check: Annotated[bool, typer.Option("--check", help="Train all runs anew and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Train all runs anew and write the file.")] = False,
) -> None:
    """Show what becomes of a share of answers that are others than the reversal.

    Example: maskscope limits --check
    """
    console = Console()
    trained: Limits = ()
    if check or measure:
        runs = len(SPREADS) * len(OTHER_SHARES) * len(SEEDS)
        trained = tuple(track(measure_limits(), "training", runs, console=console))
    show_figures(
        KEPT_LIMITS,
        _tables,
        console,
        made=trained if measure else None,
        departures=(lambda stated: departures(stated, trained)) if check else None,
        counted=f"{len(trained)} runs trained and",
    )


def _tables(stated: Limits) -> Iterator[Table]:
    table = Table(box=box.SIMPLE_HEAD, title="words reversed, by where the other answers are and their share")
    for name in ("other answers", "share", "labeller", "greedy", "p(reversal)", "p(other)"):
        table.add_column(name, justify="left" if name == "other answers" else "right")
    for spread in SPREADS.values():
        for share in OTHER_SHARES:
            runs = [run for run in stated if (run.where, run.share) == (spread.slug, share)]
            means = [sum(getattr(run, name) for run in runs) / len(runs) for name in ("p_reversal", "p_other")]
            rates = [pooled([run.labeller for run in runs]), pooled([run.reversal for run in runs])]
            figures = [f"{rate.value:.3f}" for rate in rates] + [f"{mean:.3f}" for mean in means]
            table.add_row(spread.slug, f"{share:.0%}", *figures)
    yield table
