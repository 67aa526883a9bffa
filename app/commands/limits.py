"""`maskscope limits`: what SFT makes of wrong answers and of two valid ones; trained and measured anew."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from model.experiments.limits import KEPT_LIMITS, OTHER_SHARES, SPREADS, Limits, departures, measure_limits, runs_at
from model.experiments.shipped import SEEDS
from model.intervals import rate_over_seeds


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
    made = trained if measure else None
    found = partial(departures, measured=trained) if check else None
    show_figures(KEPT_LIMITS, _tables, console, made=made, departures=found, counted=f"{len(trained)} runs trained and")


def _tables(stated: Limits) -> Iterator[Table]:
    rows = []
    for spread, share in product(SPREADS, OTHER_SHARES):
        runs = runs_at(stated, spread, share)
        rates = [rate_over_seeds([getattr(run, name) for run in runs]) for name in ("labeller", "reversal")]
        means = [sum(getattr(run, name) for run in runs) / len(runs) for name in ("p_reversal", "p_other")]
        rows.append([spread, f"{share:.0%}", *(f"{figure:.3f}" for figure in (*(r.value for r in rates), *means))])
    yield table_of(
        f"words reversed and stopped, by where the other answers are and their share: means of {len(SEEDS)} seeds",
        ["other answers", "share", "labeller", "greedy", "p(reversal)", "p(other)"],
        rows,
    )
