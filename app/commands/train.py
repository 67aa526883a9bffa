"""`maskscope train`: recipes under loss masks, side by side, into the folders that `serve` reads."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.settings import Settings
from app.workers.training import TRAINABLE, event_lines, jobs_of, train_all


def train(
    recipes: Annotated[list[str] | None, typer.Argument(help=f"Of: {', '.join(TRAINABLE)}; default: all.")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="A loss mask; default: those that are compared.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Draws the first weights and all words.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Runs at once, each a process with one thread.")] = 2,
    into: Annotated[Path | None, typer.Option(help="With one run: its folder, instead of model/trained/...")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With one run: print its events as JSON lines.")] = False,
) -> None:
    """Train recipes from scratch under loss masks, and keep the runs where `serve` finds them.

    Example: maskscope train reverse4 --policy prompt-masked --policy unmasked
    """
    trained = Settings().trained_folder
    chosen = [job for slug in recipes or TRAINABLE for job in jobs_of(slug, policy, seed, trained)]
    if (into or as_json) and len(chosen) != 1:
        raise typer.BadParameter("--into and --json take exactly one recipe and one policy")
    if into:
        chosen = [replace(job, folder=into) for job in chosen]
    if as_json:
        for line in event_lines(chosen[0]):
            print(line, flush=True)
    elif not train_all(chosen, jobs, Console()):
        raise typer.Exit(1)
