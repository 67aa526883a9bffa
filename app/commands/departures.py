"""What `--check` tells: each figure that departs from what is shipped, a count, and exit code 1 if there is one."""

from collections.abc import Sequence

import typer
from rich.console import Console


def report(departures: Sequence[str], measured: str, console: Console) -> None:
    """`measured` names what was measured anew: `3 bases and 3 runs`."""
    for line in departures:
        console.print(line, markup=False)
    console.print(f"{measured} measured anew, {len(departures)} differ from those stated")
    if departures:
        raise typer.Exit(1)
