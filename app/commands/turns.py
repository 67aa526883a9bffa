"""`maskscope turns`: all answers or the last alone, where half of the conversations have one turn; trained anew."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from model.experiments.shipped import SEEDS
from model.experiments.turns import KEPT_TURNS, POLICIES, TurnsRuns, departures, learned_steps, measure_all, mixed_rows


def turns(
    check: Annotated[bool, typer.Option("--check", help="Train seed 0 again and compare; minutes.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Train all runs again and write the file.")] = False,
) -> None:
    """Show how many answers of each turn are right, trained on all answers or on the last alone.

    Example: maskscope turns --check
    """
    console = Console()
    made = _trained(SEEDS, console) if measure else None
    found = (lambda stated: departures(stated, _trained(SEEDS[:1], console))) if check else None
    counted = f"{len(POLICIES)} runs trained and"
    show_figures(KEPT_TURNS, _tables, console, made=made, departures=found, counted=counted)


def _trained(seeds: tuple[int, ...], console: Console) -> TurnsRuns:
    return tuple(track(measure_all(seeds), "training", len(POLICIES) * len(seeds), console=console))


def _tables(stated: TurnsRuns) -> Iterator[Table]:
    rows = []
    for row in mixed_rows(stated):
        learned = learned_steps(row.learned)
        rows.append([row.policy, *(f"{rate.value:.3f}" for rate in row.by_turn), learned, f"{row.targets:,.0f}"])
    title = f"unseen answers right and stopped, by turn, half of the conversations single: {len(SEEDS)} seeds"
    yield table_of(title, ["trained on", *map(str, range(1, len(rows[0]) - 2)), "95 % at step", "targets"], rows)
