"""Figures that ship: shown, made anew first (`--measure`), then compared with what is measured anew (`--check`).

In: what a command knows of its figures. Out: tables; each figure that departs in a line, a count, and exit code 1 if
there is one.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import typer
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from app.settings import Settings
from model.kept import KeptFile

Kept = TypeVar("Kept")
Key = TypeVar("Key")


def show_figures(
    file: KeptFile[Kept, Key],
    tables: Callable[[Kept], Iterable[RenderableType]],
    console: Console,
    *,
    made: Kept | None,
    departures: Callable[[Kept], Iterable[str]] | None,
    counted: str,
    told: str = "{} measured anew, {} differ from those stated",
) -> None:
    """`made` is written first, `departures` are looked for last: None if not asked for.

    `counted` names what is measured anew: `3 bases and 3 runs`.
    """
    folder = Settings().trained_folder
    if made is not None:
        file.save(folder, made)
    stated = file.read(folder)
    for table in tables(stated):
        console.print(table)
    if departures is None:
        return
    found = 0
    for line in departures(stated):
        console.print(line, markup=False)
        found += 1
    console.print(told.format(counted, found))
    if found:
        raise typer.Exit(1)


def table_of(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """The first column names the lines, the others are figures."""
    table = Table(box=box.SIMPLE_HEAD, title=title)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    return table
