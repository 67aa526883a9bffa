"""The `maskscope` command. Parses, calls, prints; `--json` where a script would want it; exit code 1 for an error."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.catalog import load_catalog
from app.commands.ablate import ablate
from app.commands.analyze import analyze
from app.commands.bench import bench
from app.commands.claims import claims
from app.commands.controls import controls
from app.commands.dispatcher import dispatcher
from app.commands.examples import examples
from app.commands.export import export
from app.commands.gallery import gallery
from app.commands.generate import generate
from app.commands.inspect import inspect
from app.commands.limits import limits
from app.commands.mask import mask
from app.commands.padding import padding
from app.commands.prompts import prompts
from app.commands.rates import rates
from app.commands.reasoning import reasoning
from app.commands.survey import survey
from app.commands.template import template
from app.commands.tokenizer import tokenizer
from app.commands.train import train
from app.commands.turns import turns
from app.main import create_app
from app.serving import server
from app.settings import Settings
from model.errors import MaskscopeError
from model.experiments.ablation.shipped import load_ablation

app = typer.Typer(
    name="maskscope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="See which tokens a model is trained on, what each does to the gradient, and what becomes of the model.",
)


def errors_in_one_line(command: Callable[..., None]) -> Callable[..., None]:
    """What a user can cause ends as one line on stderr and exit code 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (MaskscopeError, ValidationError, SettingsError, OSError) as error:
            typer.echo(f"maskscope: {_in_one_line(error)}", err=True)
            raise typer.Exit(1) from error

    return wrapped


def _in_one_line(error: Exception) -> str:
    match error:
        case MaskscopeError():
            named = error.param is None or error.param in error.message.lower()
            return error.message if named else f"{error.param}: {error.message}"
        case ValidationError():
            first = error.errors()[0]
            return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        case OSError():
            return f"{error.filename}: {error.strerror}"
        case _:
            return str(error)


@app.command()
@errors_in_one_line
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default 127.0.0.1, this machine only.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default 8000; 0 takes a free one.")] = None,
    tokenizers: Annotated[
        Path | None, typer.Option(help="A folder of tokenizer folders, for the page `/inspect`.", exists=True)
    ] = None,
) -> None:
    """Serve the pages and the JSON API.

    Everything else is set by the environment: MASKSCOPE_ALLOWED_HOSTS='["class.example"]', MASKSCOPE_QUEUE_SIZE, ...

    Example: maskscope serve --port 8080
    """
    asked = {"host": host, "port": port, "tokenizers_folder": tokenizers}
    given = {name: value for name, value in asked.items() if value is not None}
    settings = Settings.model_validate(Settings().model_dump() | given)
    load_catalog(settings.trained_folder)  # a broken run ends the command here, in one line
    load_ablation(settings.trained_folder)
    server.serve(create_app(settings), settings)


for command in (
    *(train, generate, analyze, export, bench, ablate, claims, controls, dispatcher, examples, gallery, limits, mask),
    *(padding, prompts, rates, reasoning, turns),
    *(inspect, template, survey, tokenizer),
):
    app.command()(errors_in_one_line(command))


if __name__ == "__main__":
    sys.exit(app())
