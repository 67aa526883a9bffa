"""`maskscope examples`: the words that `/` offers, found anew among held-out words."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.catalog import load_catalog
from app.commands.shipped_figures import show_figures, table_of
from app.settings import Settings
from model.experiments.ablation.shipped import load_ablation
from model.experiments.examples import KEPT_EXAMPLES, Example, departures, find_examples


def examples(
    check: Annotated[bool, typer.Option("--check", help="Find them anew and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Find them anew and write the file.")] = False,
) -> None:
    """Show the example words of the visualizer and what each of them tells.

    Example: maskscope examples --check
    """
    found: tuple[Example, ...] = ()
    if check or measure:
        folder = Settings().trained_folder
        catalog = load_catalog(folder)
        found = tuple(find_examples(catalog.shown(catalog.openings(load_ablation(folder)))))
    made = found if measure else None
    departed = partial(departures, found=found) if check else None
    show_figures(KEPT_EXAMPLES, _tables, Console(), made=made, departures=departed, counted=f"{len(found)} examples")


def _tables(stated: Sequence[Example]) -> Iterator[Table]:
    yield table_of(
        "example words of the visualizer",
        ["story", "recipe", "step", "word", "mask on writes", "mask off writes"],
        [[e.title, e.recipe, str(e.step), e.word, e.on, e.off] for e in stated],
    )
