"""`maskscope ablate`: options to a plan of runs, the plan to one file."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from app.commands.options import EngineOption
from app.settings import Settings
from app.workers.ablation import run_ablation
from app.workers.ablation_places import cluster_places
from app.workers.cluster import Engine, connected
from model.experiments.ablation.plan import cross, plan_of, shipped_plan
from model.experiments.ablation.runs import ABLATION_FILE, Plan
from model.experiments.ablation.shipped import keep_findings
from model.masks.policies import COMPARED_POLICIES, find_policy
from model.training.recipes import LIMITS, RECIPES, find_recipe

CORES = len(os.sched_getaffinity(0))
DEFAULT_SEEDS, EVALUATION_WORDS = 10, 250


def _each(name: str, words: str) -> Any:
    lowest, highest = LIMITS[name]
    return typer.Option(help=f"{words}; {lowest:g} to {highest:g}. May be given several times.")


def _one(words: str, most: int | None = None) -> Any:
    return typer.Option(min=1, max=most, help=words)


def ablate(
    recipes: Annotated[list[str] | None, typer.Argument(help=f"Of: {', '.join(RECIPES)}.")] = None,
    shipped: Annotated[bool, typer.Option("--shipped", help="Train what the page /ablation shows.")] = False,
    seeds: Annotated[int | None, _one(f"Runs of each setting and policy; default: {DEFAULT_SEEDS}.", 1000)] = None,
    policy: Annotated[list[str] | None, typer.Option(help=f"Default: {' and '.join(COMPARED_POLICIES)}.")] = None,
    width: Annotated[list[int] | None, _each("width", "Width of the model")] = None,
    layers: Annotated[list[int] | None, _each("layers", "Layers of the model")] = None,
    learning_rate: Annotated[list[float] | None, _each("learning_rate", "Learning rate")] = None,
    batch_size: Annotated[list[int] | None, _each("batch_size", "Words in a batch")] = None,
    steps: Annotated[list[int] | None, _each("steps", "Training steps, the budget")] = None,
    length: Annotated[list[int] | None, _each("min_length", "Letters of every word")] = None,
    min_length: Annotated[list[int] | None, _each("min_length", "Letters of the shortest word")] = None,
    max_length: Annotated[list[int] | None, _each("max_length", "Letters of the longest word")] = None,
    answer_length: Annotated[list[int] | None, _each("answer_length", "Letters of the answer that are asked")] = None,
    evaluate_every: Annotated[int | None, typer.Option(min=1, help="Steps between two measurements.")] = None,
    evaluation_words: Annotated[int | None, _one(f"Unseen words measured; default: {EVALUATION_WORDS}.")] = None,
    jobs: Annotated[int | None, _one("At once, each with one thread; default: all cores.", 1024)] = None,
    engine: EngineOption = "local",
    findings: Annotated[bool, typer.Option("--findings", help="Only find anew what shipped runs show.")] = False,
    into: Annotated[Path | None, typer.Option(help=f"The file; with --shipped by default {ABLATION_FILE}.")] = None,
) -> None:
    """Train recipes under loss masks with several seeds, in every combination of the values given, into one JSON file.

    Finished runs are kept beside the file, in FILE.parts: after a kill the same command goes on where it was.

    Example: maskscope ablate reverse4 --seeds 3 --width 16 --width 32 --into widths.json
    """
    if findings:
        keep_findings(Settings().trained_folder)
        return
    values: dict[str, Sequence[float] | None] = {
        **{"width": width, "layers": layers, "learning_rate": learning_rate, "batch_size": batch_size, "steps": steps},
        **{"min_length": min_length, "max_length": max_length, "answer_length": answer_length},
        "evaluate_every": [evaluate_every] if evaluate_every else None,
        "evaluation_words": [evaluation_words] if evaluation_words else None,
    }
    if shipped:
        if recipes or policy or seeds or length or any(values.values()):
            raise typer.BadParameter("--shipped takes --jobs, --engine and --into only")
        plan = shipped_plan()
    else:
        plan = _plan(recipes or (), policy or COMPARED_POLICIES, seeds or DEFAULT_SEEDS, length or (), values)
        if into is None:
            raise typer.BadParameter("--into is missing")
    folder = Settings().trained_folder
    if not _run(plan, into or folder / ABLATION_FILE, jobs, engine):
        raise typer.Exit(1)
    if into is None:
        keep_findings(folder)


def _run(plan: Plan, into: Path, jobs: int | None, engine: Engine) -> bool:
    console = Console(file=sys.stdout)
    if engine == "local":
        return run_ablation(plan, into, jobs or CORES, console)
    with connected() as cluster:
        return run_ablation(plan, into, jobs or cluster.cpus(), console, cluster_places(cluster))


def _plan(
    recipes: Sequence[str],
    policies: Sequence[str],
    seeds: int,
    lengths: Sequence[int],
    values: dict[str, Sequence[float] | None],
) -> Plan:
    if not recipes:
        raise typer.BadParameter("name recipes, or --shipped")
    if lengths and (values["min_length"] or values["max_length"]):
        raise typer.BadParameter("--length stands for --min-length and --max-length")
    if len(set(policies)) < len(policies):
        raise typer.BadParameter("each --policy may be given once")
    values["evaluation_words"] = values["evaluation_words"] or [EVALUATION_WORDS]
    of_each_length = [values | {"min_length": [n], "max_length": [n]} for n in lengths] or [values]
    variations = [variation for crossed in of_each_length for variation in cross(crossed)]
    named = [(find_recipe(recipe, RECIPES.values()).slug, variation) for recipe in recipes for variation in variations]
    return plan_of(named, [find_policy(slug).slug for slug in policies], seeds)
