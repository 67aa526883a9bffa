"""`maskscope prompts`: what the models predict inside the prompt, where no loss trained them; measured anew."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from app.settings import Settings
from model.experiments.prompts import KEPT_PROMPTS, PromptPredictions, departures, measure_prompts


def prompts(
    check: Annotated[bool, typer.Option("--check", help="Measure again and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure again and write the file.")] = False,
) -> None:
    """Show what each model would say next inside the prompt, letter by letter.

    Example: maskscope prompts --check
    """
    measured = tuple(measure_prompts(Settings().trained_folder)) if check or measure else ()
    made = measured if measure else None
    found = partial(departures, measured=measured) if check else None
    show_figures(
        KEPT_PROMPTS, _tables, Console(), made=made, departures=found, counted=f"the prompts of {len(measured)} models"
    )


def _tables(rows: Sequence[PromptPredictions]) -> Iterator[Table]:
    for row in rows:
        yield table_of(
            f"{row.recipe}, {row.policy}, step {row.steps}, seed {row.seed}: the top choice inside the prompt is",
            ["behind letter", "words", "the letter just before", "read already, or #", "what comes", "probability"],
            [
                [str(p.position), str(p.seen.n), *(f"{r.value:.3f}" for r in (p.before, p.seen, p.comes)),
                 f"{p.probability:.3f}"]
                for p in row.positions
            ],
        )  # fmt: skip
