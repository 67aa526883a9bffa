"""`maskscope gallery`: what the models trained under each mask bug do; measured anew, or trained anew."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures
from app.settings import Settings
from app.workers.training import Job, train_all
from model.experiments.bugs.gallery import GALLERY_RUNS, KEPT_GALLERY, Measured, departures, measure_gallery
from model.experiments.shipped import trained_as
from model.masks.policies import MASK_POLICIES
from model.training.recipes import MASK_RECIPES, find_recipe


def gallery(
    recipe: Annotated[str | None, typer.Option(help="Only the models of one recipe; not with --measure.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Measure the models again and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure all models again and write the file.")] = False,
    train: Annotated[bool, typer.Option("--train", help="Train all these models again, then measure.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="With --train: processes at once.")] = 2,
) -> None:
    """Show the symptoms of every mask bug as measured on a model trained under it.

    Example: maskscope gallery --check
    """
    if recipe and (measure or train):
        raise typer.BadParameter("the file holds every recipe: --measure and --train take no --recipe")
    asked = [find_recipe(recipe, MASK_RECIPES.values()).slug] if recipe else list(MASK_RECIPES)
    runs = [run for run in GALLERY_RUNS if run[0] in asked]
    folder, console = Settings().trained_folder, Console()
    if train:
        every = [
            Job(trained_as(MASK_RECIPES[slug], policy), MASK_POLICIES[policy], 0, folder / slug / policy)
            for slug, policy in runs
        ]
        if not train_all(every, jobs, console):
            raise typer.Exit(1)

    def measured() -> Iterable[Measured]:
        return track(measure_gallery(folder, runs), "measuring", len(runs), console=console)

    show_figures(
        KEPT_GALLERY,
        partial(_shown, runs=runs),
        console,
        made=tuple(measured()) if train or measure else None,
        departures=(lambda stated: departures(stated, measured())) if check else None,
        counted=f"{len(runs)} models",
        told="{} measured anew, figures that differ from those stated: {}",
    )


def _shown(stated: Iterable[Measured], runs: Iterable[tuple[str, str]]) -> Iterator[Table | str]:
    by_key = {row.key: row for row in stated}
    rows = [by_key[run] for run in runs]
    yield _table(rows)
    prompts = {row.symptoms.exact_match.n for row in rows}
    yield f"Rates are of {' or '.join(map(str, sorted(prompts)))} unseen prompts; too long: mean extra tokens."


def _table(rows: Sequence[Measured]) -> Table:
    """Fits 80 columns; where there are fewer, a name goes on in the next line."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for name in ("recipe", "policy"):
        table.add_column(name, overflow="fold")
    for name in ("exact", "first\nright", "stops", "too\nlong", "own\nloss", "answer\nloss", "moved"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        s = row.symptoms
        rates = [f"{rate.value:.3f}" for rate in (s.exact_match, s.first_right, s.stops)]
        own = "none" if s.own_loss is None else f"{s.own_loss:.3f}"
        table.add_row(row.recipe, row.policy, *rates, f"{s.runaway:.1f}", own, f"{s.answer_loss:.3f}", f"{s.moved:.2f}")
    return table
