"""The `maskscope` command. Parses, calls, prints; `--json` where a script would want it; exit code 1 for an error.

A command's module is imported when the command is called: `--help` and light commands do without torch.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from model.errors import MaskscopeError

GARBAGE_AFTER = 10_000
"""New objects before a server looks for garbage: at Python's 700 it spent a tenth of its time on that."""

COMMANDS = {
    "serve": "Serve the pages and the JSON API.",
    "train": "Train recipes from scratch under loss masks, and keep the runs where `serve` finds them.",
    "generate": "Let a trained model answer.",
    "analyze": (
        "Show what each position is trained on (y), what the right mask would train it on, and what it does to "
        "the gradient."
    ),
    "export": "Write a run as a folder that transformers' GPT2LMHeadModel and AutoTokenizer load.",
    "bench": (
        "Measure training, per-position gradients, decoding, the server and the inspector, as ratios taken in one run."
    ),
    "ablate": (
        "Train recipes under loss masks with several seeds, in every combination of the values given, into one "
        "JSON file."
    ),
    "claims": "Show every claim of the lesson with its verdict and the figures that it rests on.",
    "controls": (
        "Show a trace with as few targets as the answers at once, and answers after a filler as long as the trace."
    ),
    "dispatcher": (
        "Show how often each arm answers sums that SFT never saw: the base, SFT from it, SFT from random weights."
    ),
    "examples": "Show the example words of the visualizer and what each of them tells.",
    "gallery": "Show the symptoms of every mask bug as measured on a model trained under it.",
    "limits": "Show what becomes of a share of answers that are others than the reversal.",
    "mask": "Show the labels of conversations under a policy. Needs no model.",
    "padding": "Show the accuracy of every trained padding with every padding at inference.",
    "prompts": "Show what each model would say next inside the prompt, letter by letter.",
    "rates": "Show what SFT learns and what it keeps at each learning rate, from the same base.",
    "reasoning": "Show how many sums are right by number of terms, with and without a trace.",
    "turns": "Show how many answers of each turn are right, trained on all answers or on the last alone.",
    "inspect": (
        "Inspect what a fine-tune is trained on. Exit code: 0 clean, 1 errors, 2 unreadable, 3 cannot tell, 4 a limit."
    ),
    "template": "Inspect a chat template: what ends an answer, what the server supplies, what is lost or refused.",
    "survey": (
        "Show what TRL's training templates supervise although a server supplies it, and what 786 real templates do."
    ),
    "tokenizer": "List the files of the tokenizer that ships, each made from the text, template and rows beside it.",
}
"""What each does, as the list of commands has it: the beginning of its function's docstring."""


class _Loaded(Mapping[str, Any]):
    """The commands themselves by name, each loaded when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise KeyError(name)
        function = serve if name == "serve" else getattr(import_module(f"app.commands.{name}"), name)
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(errors_in_one_line(function))
        return typer.main.get_command(alone)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Commands(TyperGroup):
    """Lists the commands from COMMANDS, and loads the one that is called."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"commands": {}})
        self.commands = cast(dict[str, Any], _Loaded())  # typer reads it only

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, self.commands[name] if name else None, rest


app = typer.Typer(
    name="maskscope",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="See which tokens a model is trained on, what each does to the gradient, and what becomes of the model.",
)


@app.callback()
def maskscope() -> None:
    """Options of all commands: none."""


def errors_in_one_line(command: Callable[..., None]) -> Callable[..., None]:
    """What a user can cause ends as one line on stderr and exit code 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        from pydantic import ValidationError
        from pydantic_settings import SettingsError

        try:
            command(*args, **kwargs)
        except (MaskscopeError, ValidationError, SettingsError, OSError) as error:
            typer.echo(f"maskscope: {_in_one_line(error)}", err=True)
            raise typer.Exit(1) from error

    return wrapped


def _in_one_line(error: Exception) -> str:
    from pydantic import ValidationError

    match error:
        case MaskscopeError():
            named = error.param is None or error.param in error.message.lower()
            return error.message if named else f"{error.param}: {error.message}"
        case ValidationError():
            first = error.errors()[0]
            said = first.get("ctx", {}).get("error", first["msg"])  # ours without pydantic's words before it
            return f"{'.'.join(map(str, first['loc']))}: {said}"
        case OSError():
            return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        case _:
            return str(error)


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default 127.0.0.1, this machine only.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default 8000; 0 takes a free one.")] = None,
    tokenizers: Annotated[
        Path | None, typer.Option(help="A folder of tokenizer folders, for the page `/inspect`.", exists=True)
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes on one port; default 1.")] = None,
    teacher_token: Annotated[
        str | None,
        typer.Option(
            envvar="MASKSCOPE_TEACHER_TOKEN",
            show_envvar=True,
            help="16 characters or more; /race?owner=TOKEN stops every race. Others on this machine see an option.",
        ),
    ] = None,
) -> None:
    """Serve the pages and the JSON API.

    Everything else is set by the environment: MASKSCOPE_ALLOWED_HOSTS='["class.example"]', MASKSCOPE_QUEUE_SIZE, ...

    Example: maskscope serve --port 8080
    """
    gc.set_threshold(0)  # what is read at a start stays: the collector would walk through all of it again and again
    from app.settings import Settings
    from app.workers.servers import serve_with

    asked = {
        **{"host": host, "port": port, "tokenizers_folder": tokenizers},
        **{"workers": workers, "teacher_token": teacher_token},
    }
    given = {name: value for name, value in asked.items() if value is not None}
    settings = Settings.model_validate(Settings().model_dump() | given)
    if settings.workers > 1:  # without what they load, which would stay here beside them
        words = ["serve", "--workers", "1", "--host", settings.host]
        words += ["--tokenizers", str(tokenizers)] if tokenizers else []
        if teacher_token:
            os.environ["MASKSCOPE_TEACHER_TOKEN"] = teacher_token  # not among the words, which others can list
        raise typer.Exit(serve_with(settings.workers, settings.host, settings.port, tuple(words)))
    from app.forwarding import KeeperLock, keeper_of
    from app.main import create_app, load_shipped
    from app.serving import server

    shipped = load_shipped(settings.trained_folder)  # a broken file ends the command here, in one line
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    lock = KeeperLock(settings.keeper_folder) if settings.keeper_folder else None
    keeper = keeper_of(lock, str(settings.keeper_address or ""))
    server.serve(create_app(settings, shipped, keeper), settings, lock.socket if lock and lock.held else None)


if __name__ == "__main__":
    sys.exit(app())
