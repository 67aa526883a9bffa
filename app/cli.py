"""The `maskscope` command. Parses, calls, prints; `--json` where a script would want it; exit code 1 for an error."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich import box
from rich.console import Console
from rich.table import Table

from app.catalog import load_catalog
from app.commands import bench as benchmarks
from app.commands.ablate import ablate
from app.commands.claims import claims
from app.commands.dispatcher import dispatcher
from app.commands.gallery import gallery
from app.commands.limits import limits
from app.commands.mask import mask
from app.commands.padding import padding
from app.commands.reasoning import reasoning
from app.main import create_app
from app.settings import Settings
from app.workers.training import TRAINABLE, event_lines, jobs_of, train_all
from model.errors import MaskscopeError
from model.experiments.ablation.shipped import load_ablation
from model.explain.analysis import Analysis
from model.explain.analysis import analyze as analyze_prompt
from model.masks.policies import MASK_POLICIES, RIGHT, find_policy
from model.network.export import export_run
from model.network.generation import generate as generate_completions
from model.training.conversations import prompt_ids
from model.training.recipes import ALL_RECIPES, DEFAULT_RECIPE, Recipe, find_recipe

app = typer.Typer(
    name="maskscope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="See which tokens a model is trained on, what each does to the gradient, and what becomes of the model.",
)

RecipeOption = Annotated[str, typer.Option("--recipe", help=f"One of: {', '.join(ALL_RECIPES)}.")]
PolicyOption = Annotated[str, typer.Option("--policy", help=f"The loss mask, one of: {', '.join(MASK_POLICIES)}.")]
StepOption = Annotated[int | None, typer.Option("--step", min=0, help="A kept step; default: the last.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def errors_in_one_line(command: Callable[..., None]) -> Callable[..., None]:
    """What a user can cause ends as one line on stderr and exit code 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except MaskscopeError as error:
            place = f"{error.param}: " if error.param else ""
            typer.echo(f"maskscope: {place}{error.message}", err=True)
            raise typer.Exit(1) from error
        except ValidationError as error:
            first = error.errors()[0]
            typer.echo(f"maskscope: {'.'.join(map(str, first['loc']))}: {first['msg']}", err=True)
            raise typer.Exit(1) from error
        except SettingsError as error:
            typer.echo(f"maskscope: {error}", err=True)
            raise typer.Exit(1) from error
        except OSError as error:
            typer.echo(f"maskscope: {error.filename}: {error.strerror}", err=True)
            raise typer.Exit(1) from error

    return wrapped


@app.command()
@errors_in_one_line
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default 127.0.0.1, this machine only.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default 8000; 0 takes a free one.")] = None,
) -> None:
    """Serve the pages and the JSON API.

    Everything else is set by the environment: MASKSCOPE_ALLOWED_HOSTS='["class.example"]', MASKSCOPE_QUEUE_SIZE, ...

    Example: maskscope serve --port 8080
    """
    given = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
    settings = Settings.model_validate(Settings().model_dump() | given)
    load_catalog(settings.trained_folder)  # a broken run ends the command here, in one line
    load_ablation(settings.trained_folder)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http="h11",
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_seconds,
    )


@app.command()
@errors_in_one_line
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


@app.command()
@errors_in_one_line
def generate(
    prompt: Annotated[str, typer.Argument(help="The user's text, for example: hello")],
    recipe: RecipeOption = DEFAULT_RECIPE,
    policy: PolicyOption = RIGHT.slug,
    step: StepOption = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Default: what fits the context.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Let a trained model answer.

    Example: maskscope generate hello --policy unmasked --step 1000
    """
    chosen = _recipe(recipe)
    model, at_step = load_catalog(Settings().trained_folder).model(chosen, policy, step)
    ids = prompt_ids(chosen, prompt)
    (completion,) = generate_completions(
        model, [ids], stop_id=chosen.tokenizer.end_of_turn_id, max_new_tokens=max_new_tokens
    )
    text = chosen.tokenizer.decode(completion.token_ids)
    answer = {
        "prompt": prompt,
        "text": chosen.tokenizer.decode(ids) + text,
        "completion": text,
        "finish_reason": completion.finish_reason,
        "step": at_step,
    }
    typer.echo(json.dumps(answer) if as_json else answer["text"])


@app.command()
@errors_in_one_line
def analyze(
    prompt: Annotated[str, typer.Argument(help="The user's text, for example: hello")],
    recipe: RecipeOption = DEFAULT_RECIPE,
    policy: PolicyOption = RIGHT.slug,
    trained_with: Annotated[
        str | None, typer.Option(help="The run whose weights are used; default: --policy's.")
    ] = None,
    response: Annotated[str | None, typer.Option(help="The assistant's text; default: the right answer.")] = None,
    step: StepOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each position is trained on and what it does to the gradient.

    Example: maskscope analyze hello --policy unmasked
    """
    chosen, mask = _recipe(recipe), find_policy(policy)
    model, at_step = load_catalog(Settings().trained_folder).model(chosen, trained_with or policy, step)
    analysis = analyze_prompt(chosen, model, mask, prompt, response)
    if as_json:
        typer.echo(json.dumps({"step": at_step, **asdict(analysis)}))
    else:
        Console().print(_table(analysis, at_step))


@app.command()
@errors_in_one_line
def export(
    recipe: Annotated[str, typer.Argument(help=f"One of: {', '.join(ALL_RECIPES)}.")],
    policy: Annotated[str, typer.Argument(help=f"One of: {', '.join(MASK_POLICIES)}.")],
    folder: Annotated[Path, typer.Argument(help="Made if missing; its files of the same names are replaced.")],
    step: StepOption = None,
) -> None:
    """Write a run as a folder that transformers' GPT2LMHeadModel and AutoTokenizer load.

    Example: maskscope export reverse prompt-masked exported
    """
    chosen = _recipe(recipe)
    model, _ = load_catalog(Settings().trained_folder).model(chosen, policy, step)
    for path in export_run(model, chosen.tokenizer, folder):
        typer.echo(path)


@app.command()
@errors_in_one_line
def bench(
    only: Annotated[list[str] | None, typer.Option(help=f"Of: {', '.join(benchmarks.SECTIONS)}; default: all.")] = None,
    training: Annotated[bool, typer.Option("--training", help="The same as --only training.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure training, per-position gradients, decoding and the server, as ratios taken in one run.

    Decoding is compared with transformers: needs the `bench` extra. Training is compared with TRL if that is installed.
    """
    only = ["training"] if training else only
    unknown = set(only or ()) - set(benchmarks.SECTIONS)
    if unknown:
        raise typer.BadParameter(f"no section {', '.join(sorted(unknown))}")
    results = []
    for name in only or benchmarks.SECTIONS:
        for result in benchmarks.SECTIONS[name]():
            results.append(result)
            if not as_json:
                typer.echo(result.line())
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in results]))


for command in (ablate, claims, dispatcher, gallery, limits, mask, padding, reasoning):
    app.command()(errors_in_one_line(command))


def _recipe(slug: str) -> Recipe:
    return find_recipe(slug, ALL_RECIPES.values())


def _table(analysis: Analysis, step: int) -> Table:
    loss = "nothing is supervised" if analysis.loss is None else f"loss {analysis.loss:.4f} nats"
    count = f"{analysis.supervised_count} of {len(analysis.positions)} positions trained"
    title = f"{''.join(analysis.tokens)}   step {step}   {count}   {loss}"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for column in ("t", "x", "y", "mask", "-ln p", "p(y)", "logit", "param", "share", "input", "top 3"):
        table.add_column(column, justify="left" if column in ("mask", "top 3") else "right", no_wrap=True)
    for p in analysis.positions:
        g = p.gradient
        top = " ".join(f"{prediction.token} {prediction.probability:.2f}" for prediction in p.predictions[:3])
        numbers = (p.loss, p.target_probability, g.logit_norm, g.parameter_norm, g.share, g.input_norm)
        mark = "trained" if p.supervised else "ignored"
        table.add_row(str(p.position), p.input, p.target, mark, *(f"{number:.3f}" for number in numbers), top)
    return table


if __name__ == "__main__":
    sys.exit(app())
