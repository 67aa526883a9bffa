"""`maskscope bench`: model/experiments/benchmarks/ on the default recipe, and a load on a real server, in sections."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import Annotated

import typer

from app.catalog import load_catalog
from app.commands.options import JsonOption
from app.settings import Settings
from app.workers.crowd import Load
from app.workers.inspection_speed import ROWS, inspection_speed
from app.workers.load import RACE_RECIPE, RaceTime, is_loopback, load_school, load_server, race_against_plain_loops
from app.workers.loads import keep_loads
from app.workers.page_latencies import page_latencies
from app.workers.response_times import Promptness, Skipped, ending, look_for_commands
from app.workers.speeds import Ratio, keep_speeds
from app.workers.tallies import Answers
from model.experiments.benchmarks.inference import (
    Speedup,
    compare_batched_gradients,
    compare_decoding,
    compare_gradients,
)
from model.experiments.benchmarks.training import (
    GemmShare,
    Speed,
    compare_with_plain_loop,
    compare_with_trl,
    share_of_gemm,
)
from model.masks.policies import COMPARED_POLICIES, RIGHT
from model.network.gpt import GPT
from model.training.recipes import DEFAULT_RECIPE, RECIPES, Recipe

PLAIN_GOAL, TRL_GOAL = 1.3, 4.0
SCHOOL_SECONDS = 120.0


def training() -> Iterator[Speed | GemmShare | RaceTime | Promptness | Skipped]:
    for slug, goal in ((RACE_RECIPE, PLAIN_GOAL), (DEFAULT_RECIPE, None)):
        for policy in COMPARED_POLICIES:
            yield compare_with_plain_loop(RECIPES[slug], policy, goal)
        yield share_of_gemm(RECIPES[slug], RIGHT.slug)
    for lean in (False, True):
        against_trl = compare_with_trl(RECIPES[RACE_RECIPE], RIGHT.slug, TRL_GOAL, lean=lean)
        yield against_trl or Skipped(f"{RACE_RECIPE} against TRL", "pip install 'maskscope[trl]' brings it")
    yield race_against_plain_loops()
    yield look_for_commands()


Result = Speedup | Load | Speed | GemmShare | RaceTime | Promptness | Ratio | Answers | Skipped
SECTIONS: dict[str, Callable[[], Iterator[Result]]] = {
    "training": training,
    "gradients": lambda: chain(compare_gradients(*_default_model()), compare_batched_gradients(*_default_model())),
    "decoding": lambda: compare_decoding(*_default_model()),
    "server": load_server,
    "school": lambda: load_school(None, SCHOOL_SECONDS),
    "page": page_latencies,
    "ending": ending,
    "inspect": inspection_speed,
}


def _loopback(url: str | None) -> str | None:
    if url is not None and not is_loopback(url):
        raise typer.BadParameter(
            f"{url!r} is no address of this machine such as http://127.0.0.1:8000; clients ask from loopback"
        )
    return url


def bench(
    only: Annotated[list[str] | None, typer.Option(help=f"Of: {', '.join(SECTIONS)}; default: all.")] = None,
    training: Annotated[bool, typer.Option("--training", help="The same as --only training.")] = False,
    page: Annotated[bool, typer.Option("--page", help="The same as --only page.")] = False,
    inspect: Annotated[bool, typer.Option("--inspect", help="The same as --only inspect.")] = False,
    rows: Annotated[int, typer.Option(min=100, help="Of --inspect; its memory is that of ten times as many.")] = ROWS,
    measure: Annotated[
        bool, typer.Option("--measure", help="With --inspect or --school alone: keep the figures for the README.")
    ] = False,
    load: Annotated[bool, typer.Option("--load", help="The same as --only server --only school.")] = False,
    school: Annotated[bool, typer.Option("--school", help="The same as --only school.")] = False,
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="How long the school's streams last; followers stay at most 30 s.")
    ] = SCHOOL_SECONDS,
    url: Annotated[
        str | None,
        typer.Option(callback=_loopback, help="With --load or --school: measure a server that already runs there."),
    ] = None,
    before: Annotated[
        bool, typer.Option("--before", help="With --school --measure: the server at --url is the one before.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure training, per-position gradients, decoding, the server and the inspector, as ratios taken in one run.

    Decoding is compared with transformers, and the inspector runs on DeepSeek's tokenizer: the `bench` extra brings
    both. Training is compared with TRL and the inspector with two public linters if they are installed.
    """
    named = ["training"] * training + ["page"] * page + ["server"] * load + ["school"] * (load or school)
    only = named + ["inspect"] * inspect or only
    _check(only, measure=measure, before=before, url=url)
    results: list[Result] = []
    sections = SECTIONS | {
        "inspect": partial(inspection_speed, rows),
        "server": partial(load_server, url),
        "school": partial(load_school, url, seconds),
    }
    for name in only or SECTIONS:
        for result in sections[name]():
            results.append(result)
            if not as_json:
                typer.echo(result.line())
    if measure and only == ["inspect"]:
        keep_speeds([result for result in results if isinstance(result, Ratio)])
    elif measure:
        keep_loads([result for result in results if isinstance(result, Answers)], seconds, before=before)
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in results]))


def _check(only: list[str] | None, *, measure: bool, before: bool, url: str | None) -> None:
    unknown = set(only or ()) - set(SECTIONS)
    if unknown:
        raise typer.BadParameter(f"no section {', '.join(sorted(unknown))}")
    if measure and only not in (["inspect"], ["school"]):
        raise typer.BadParameter("--measure goes with --inspect alone or with --school alone")
    if before and not (measure and only == ["school"] and url):
        raise typer.BadParameter("--before goes with --school --measure --url")


def _default_model() -> tuple[Recipe, GPT]:
    recipe = RECIPES[DEFAULT_RECIPE]
    model, _ = load_catalog(Settings().trained_folder).model(recipe, RIGHT.slug, None)
    return recipe, model
