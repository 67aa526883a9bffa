"""`maskscope dispatcher`: what SFT adds to the base, over seeds and over how many sums it saw; measured anew."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from app.settings import Settings
from model.experiments.dispatcher.arms import (
    ARMS,
    KEPT_DISPATCHED,
    SHARES,
    Arm,
    Dispatched,
    departures,
    measure_arms,
    measure_bases,
)
from model.experiments.shipped import SEEDS
from model.training.pretraining import base_folder, load_base


def dispatcher(
    check: Annotated[bool, typer.Option("--check", help="Measure the shipped models again and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Train all arms from the shipped bases, measure.")] = False,
) -> None:
    """Show how often each arm answers sums that SFT never saw: the base, SFT from it, SFT from random weights.

    Example: maskscope dispatcher --check
    """
    folder, console = Settings().trained_folder, Console()
    made = None
    if measure:
        bases = {seed: load_base(base_folder(folder, seed)) for seed in SEEDS}
        runs = measure_arms({seed: model for seed, (_, model) in bases.items()})
        arms = tuple(track(runs, "training", len(SEEDS) * len(SHARES) * len(ARMS), console=console))
        made = Dispatched(tuple(measure_bases(bases)), arms)
    found = partial(departures, folder) if check else None
    counted = f"{len(SEEDS)} bases and {len(ARMS)} runs"
    show_figures(KEPT_DISPATCHED, _tables, console, made=made, departures=found, counted=counted)


def _tables(stated: Dispatched) -> Iterator[Table]:
    def cell(arm: Arm, share: float, rate: str) -> str:
        told = stated.rate(arm.slug, rate, share)
        return f"{told.value:.3f} ({told.low:.2f}-{told.high:.2f})\n{'; '.join(f'{seed:.2f}' for seed in told.seeds)}"

    for rate, name in (("right", "right"), ("exact", "right and stopped")):
        yield table_of(
            f"unseen sums {name}, by the share of sums that SFT saw: mean, 95 % t interval over seeds, each seed",
            ["", *(f"{share:.0%}" for share in SHARES)],
            [[arm.title, *(cell(arm, share, rate) for share in SHARES)] for arm in ARMS.values()],
        )
