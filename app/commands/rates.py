"""`maskscope rates`: SFT at several learning rates, and the factors of P(prompt, answer); measured anew."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from app.settings import Settings
from model.experiments.dispatcher.factors import mean_factors
from model.experiments.dispatcher.rates import (
    KEPT_RATES,
    PRETRAINING_RATE,
    RATES,
    SKILLS,
    TRIED,
    Tried,
    departures,
    factors_by_model,
    measure_base_factors,
    measure_rates,
    skill_rate,
)
from model.experiments.shipped import SEEDS
from model.intervals import SeedRate
from model.training.pretraining import base_folder, load_base


def rates(
    check: Annotated[bool, typer.Option("--check", help="Measure and train one seed again and compare.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Train at every rate from the shipped bases.")] = False,
) -> None:
    """Show what SFT learns and what it keeps at each learning rate, from the same base.

    Example: maskscope rates --check
    """
    folder, console = Settings().trained_folder, Console()
    made = None
    if measure:
        bases = {seed: load_base(base_folder(folder, seed))[1] for seed in SEEDS}
        runs = tuple(track(measure_rates(bases), "training", len(SEEDS) * len(TRIED), console=console))
        made = Tried(tuple(measure_base_factors(bases)), runs)
    found = partial(departures, folder) if check else None
    counted = f"{len(SEEDS)} bases, 2 runs, and {len(RATES) - 1} trained and"
    show_figures(KEPT_RATES, _tables, console, made=made, departures=found, counted=counted)


def _tables(stated: Tried) -> Iterator[Table]:
    yield table_of(
        f"SFT, mask on, by its learning rate (pretraining's: {PRETRAINING_RATE:g}): mean, 95 % t interval over "
        "seeds, each seed",
        ["rate", *(skill.title for skill in SKILLS.values())],
        [[f"{rate:g}", *(_cell(skill_rate(stated, s, rate)) for s in SKILLS.values())] for rate in RATES],
    )
    means = [(name, mean_factors(found)) for name, _, found in factors_by_model(stated)]
    yield table_of(
        f"log P in nats, mean over unseen requests and {len(SEEDS)} seeds",
        ["model", "P(prompt)", "P(answer | prompt)", "P(both)"],
        [[name, f"{mean.prompt:.2f}", f"{mean.answer:.2f}", f"{mean.both:.2f}"] for name, mean in means],
    )


def _cell(rate: SeedRate) -> str:
    return f"{rate.value:.3f} ({rate.low:.2f}-{rate.high:.2f})\n{'; '.join(f'{seed:.2f}' for seed in rate.seeds)}"
