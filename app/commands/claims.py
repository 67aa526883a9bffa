"""`maskscope claims`: the ledger of what the lesson states, judged by what was measured; all of it measured anew."""

from typing import Annotated, get_args

import typer
from rich.console import Console

from app.settings import Settings
from app.workers.processes import run_command
from model.claims.claim import Figure, Word
from model.claims.evidence import gather
from model.claims.ledger import CLAIMS, Entry, ledger
from model.experiments.shipped import SEEDS

MEASURING_AGAIN = tuple(
    (name, "--check")
    for name in ("gallery", "padding", "prompts", "dispatcher", "rates", "reasoning", "limits", "turns", "controls")
)
"""From the shipped weights; runs whose weights are not shipped are trained anew: the short ones of `limits`, and one
seed of `rates`, `turns` and `controls`."""
TRAINING_AGAIN = (
    *(("train", "worksheet", "--seed", str(seed)) for seed in SEEDS),
    ("gallery", "--train"),
    ("padding", "--measure"),
    ("prompts", "--measure"),
    ("ablate", "--shipped"),
    ("train", "answers", "answers-scratch", "sums-direct", "sums-thought", "numbers-direct", "numbers-thought"),
    ("dispatcher", "--measure"),
    ("rates", "--measure"),
    ("reasoning", "--measure"),
    ("limits", "--measure"),
    ("turns", "--measure"),
    ("controls", "--measure"),
)


def claims(
    check: Annotated[bool, typer.Option("--check", help="Measure all figures again and compare; minutes.")] = False,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train everything from scratch; hours.")] = False,
) -> None:
    """Show every claim of the lesson with its verdict and the figures that it rests on.

    Example: maskscope claims --check
    """
    console = Console()
    failed = []
    for command in (*(TRAINING_AGAIN if retrain else ()), *(MEASURING_AGAIN if check else ())):
        console.rule(f"maskscope {' '.join(command)}", align="left")
        if not run_command(*command):
            failed.append(command)
            if retrain:
                break
    entries = list(ledger(gather(Settings().trained_folder)))
    for entry in entries:
        _print(entry, console)
    count = {word: sum(entry.judgement.word == word for entry in entries) for word in get_args(Word)}
    console.print(
        f"{len(CLAIMS)} claims: {count['holds']} hold, {count['holds when']} hold under conditions, "
        f"{count['does not hold here']} do not hold here, {count['not settled here']} are not settled here"
    )
    for command in failed:
        console.print(f"failed: maskscope {' '.join(command)}", markup=False)
    if failed:
        raise typer.Exit(1)


def _print(entry: Entry, console: Console) -> None:
    console.print(f"\n[bold]{entry.claim.slug}[/bold]: {entry.claim.says}", highlight=False)
    console.print(f"  {entry.judgement.word}: {entry.judgement.sentence}", markup=False, highlight=False)
    for figure in entry.figures:
        console.print(f"    {_line(figure)}", markup=False, highlight=False)


def _line(figure: Figure) -> str:
    n = "" if figure.n is None else f", n {figure.n:,}"
    interval = f" ({figure.spans} {figure.interval()})" if figure.low is not None else ""
    seeds = f", seeds {figure.by_seed()}" if figure.seeds else ""
    return f"{figure.label}: {figure}{interval}{seeds}{n}; {figure.conditions}"
