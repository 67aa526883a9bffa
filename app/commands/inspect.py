"""`maskscope inspect`: which tokens a fine-tune is trained on, what is wrong with that, and where."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.commands.inspection_outputs import github_lines, markdown_of, print_report, sarif_of
from app.commands.inspection_page import MOST_ROWS, page_of
from app.commands.options import EngineOption
from app.workers.cluster import Engine, connected
from app.workers.inspection_cluster import judges_on
from app.workers.inspection_orders import Materials
from app.workers.inspection_run import Judges, inspect_and_show, inspect_files
from model.errors import MaskscopeError
from model.inspector.baseline import new_or_risen, read_baseline, read_ignored
from model.inspector.digests import digest_of
from model.inspector.intents import INTENTS, Intent, Turns
from model.inspector.lines import needs_writing_out, write_out
from model.inspector.options import Options
from model.inspector.partial import key_of
from model.inspector.refusals import LimitHit, UnreadableInput
from model.inspector.report import Report
from model.inspector.rule import Severity
from model.inspector.shown import ShownRow

FAIL_ON: dict[str, tuple[Severity, ...]] = {"error": ("error",), "warning": ("error", "warning"), "never": ()}
EXIT_USAGE, EXIT_LIMIT = 2, 4

TokenizerOption = Annotated[Path | None, typer.Option("--tokenizer", help="A folder with tokenizer.json.")]
TemplateOption = Annotated[
    Path | None, typer.Option("--template", help="A chat template; default: the tokenizer folder's own.")
]
ServeOption = Annotated[
    list[str] | None, typer.Option("--serve-arg", help="key=value that the server renders with; JSON values.")
]
ProcessesOption = Annotated[
    int | None, typer.Option(min=0, max=1024, help="At once; 0: one per core. Default: 1, on a cluster one per core.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def inspect(
    data: Annotated[
        Path, typer.Argument(help="Rows: JSON lines, a JSON array, Parquet or Arrow; - reads standard input.")
    ],
    tokenizer: TokenizerOption = None,
    template: TemplateOption = None,
    intent: Annotated[str | None, typer.Option(help=f"One of: {', '.join(INTENTS)}; default: found.")] = None,
    reasoning: Annotated[Literal["train", "ignore"], typer.Option(help="Thoughts.")] = "train",
    tool_calls: Annotated[Literal["train", "ignore"], typer.Option(help="Calls of tools.")] = "train",
    supplied: Annotated[Literal["train", "ignore"], typer.Option(help="What the server supplies.")] = "ignore",
    separator: Annotated[Literal["any", "ignore", "train"], typer.Option(help="White space behind a stop.")] = "any",
    role: Annotated[list[str] | None, typer.Option(help="NAME=train: another role that is meant.")] = None,
    serve_arg: ServeOption = None,
    template_arg: Annotated[list[str] | None, typer.Option(help="The same as --serve-arg.")] = None,
    dump: Annotated[bool, typer.Option("--dump", help="DATA is what a trainer saw: ids and labels.")] = False,
    against: Annotated[Path | None, typer.Option(help="The rows that the dump was made of.")] = None,
    loss: Annotated[
        Literal["shifts", "does-not-shift"], typer.Option(help="What the loss does with labels.")
    ] = "shifts",
    stop: Annotated[list[str] | None, typer.Option(help="A stop that the server is given: a token or id.")] = None,
    allow_token: Annotated[list[str] | None, typer.Option(help="A control token that contents may hold.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens at which the trainer cuts rows.")] = None,
    processes: ProcessesOption = None,
    engine: EngineOption = "local",
    as_json: JsonOption = False,
    sarif: Annotated[Path | None, typer.Option(help="Write SARIF 2.1.0 to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one HTML file that needs nothing else.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub.")] = False,
    fail_on: Annotated[Literal["error", "warning", "never"], typer.Option(help="Exit code 1 at what.")] = "error",
    baseline: Annotated[Path | None, typer.Option(help="A --json report: fail on what is new or rose.")] = None,
    ignore: Annotated[Path | None, typer.Option(help="Lines `M17: reason`: rules not to fail on.")] = None,
) -> None:
    """Inspect what a fine-tune is trained on. Exit code: 0 clean, 1 errors, 2 unreadable, 3 cannot tell, 4 a limit.

    Example: maskscope inspect data.jsonl --tokenizer my-model --max-length 2048
    """
    with exit_codes(), written_out(data) as rows, written_out(against) as beside:
        chosen = _intent(intent, reasoning, tool_calls, supplied, separator, role)
        serving = arguments_of([*(serve_arg or []), *(template_arg or [])])
        options = Options(chosen, serving, loss, tuple(stop or ()), tuple(allow_token or ()), max_length)
        materials = _materials(rows, beside, dump, tokenizer, template)
        report, shown = _run(materials, options, processes, engine, MOST_ROWS if html else 0)
        report = replace(report, hashes=_hashes(rows, materials), notes=_notes(materials))
        code = _exit_code(report, fail_on, ignore, baseline)
    _write_files(report, shown, data, sarif, html)
    show(report, as_json, markdown, github, str(data))
    raise typer.Exit(code)


def _run(
    materials: Materials, options: Options, processes: int | None, engine: Engine, most_shown: int
) -> tuple[Report, tuple[ShownRow, ...]]:
    """Here or on a cluster. Raises UnreadableInput for a dump there: its rows are judged together, by one process."""
    console = Console(stderr=True)
    if engine == "local":
        at_once = 1 if processes is None else processes or os.cpu_count() or 1
        return run(materials, options, at_once, console, most_shown)
    if materials.dump is not None:
        raise UnreadableInput("a dump is judged by one process: leave out --engine ray", param="engine")
    with connected() as cluster:
        return run(materials, options, processes or cluster.cpus(), console, most_shown, judges_on(cluster))


def _write_files(report: Report, shown: Sequence[ShownRow], data: Path, sarif: Path | None, html: Path | None) -> None:
    if sarif is not None:
        sarif.write_text(json.dumps(sarif_of(report, str(data)), indent=1), "utf-8")
    if html is not None:
        html.write_text(page_of(report, shown, data.name), "utf-8")


def show(report: Report, as_json: bool, markdown: bool, github: bool, name: str) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_plain(), ensure_ascii=False, default=str))
    elif markdown:
        typer.echo(markdown_of(report))
    elif github:
        for line in github_lines(report, name):
            typer.echo(line)
    else:
        print_report(report, Console())


def run(
    materials: Materials,
    options: Options,
    processes: int,
    console: Console,
    most_shown: int,
    elsewhere: Judges | None = None,
) -> tuple[Report, tuple[ShownRow, ...]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        bar = progress.add_task("rows", total=None, speed="")

        def done(rows: int, total: int) -> None:
            speed = progress.tasks[bar].speed
            progress.update(bar, completed=rows, total=total, speed=f"{speed:,.0f} rows/s" if speed else "")

        return inspect_and_show(materials, options, processes, done, most_shown, elsewhere)


def run_rows(materials: Materials, rows: Sequence[Any], options: Options) -> Report:
    """Rows that are no file's. What the template refuses of them is a warning: no data asks for it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
        report = inspect_files(replace(materials, data=path), options, 1, lambda done, total: None)
    if not report.partial.limits:
        _demote(report, ("M31", "M32"), from_row=2)
    return report


def _demote(report: Report, rules: Sequence[str], from_row: int) -> None:
    """What a template refuses or loses of conversations that no data has is worth knowing, and no fault."""
    for rule in rules:
        for severity in ("error", "warning"):
            places = report.partial.places.pop(key_of(rule, severity), [])
            report.partial.counted.pop(key_of(rule, severity), 0)
            report.partial.rows_with.pop(key_of(rule, severity), 0)
            for one in places:
                kept = one.row is None or one.row < from_row
                report.partial.add([one if kept else replace(one, severity="info")])


@contextmanager
def exit_codes() -> Iterator[None]:
    """What cannot be read ends with 2, a limit with 4, each in one line."""
    try:
        yield
    except (MaskscopeError, OSError) as error:
        said = error.message if isinstance(error, MaskscopeError) else f"{error.filename}: {error.strerror}"
        param = error.param if isinstance(error, MaskscopeError) else None
        typer.echo(f"maskscope: {f'{param}: ' if param else ''}{said}", err=True)
        raise typer.Exit(EXIT_LIMIT if isinstance(error, LimitHit) else EXIT_USAGE) from error


@contextmanager
def written_out(path: Path | None) -> Iterator[Path | None]:
    """The file as one of lines: itself, or a copy that is gone afterwards."""
    if path is None or (str(path) != "-" and not needs_writing_out(path)):
        yield path
        return
    with TemporaryDirectory() as folder:
        lines = Path(folder) / "rows.jsonl"
        with lines.open("wb") as into:
            write_out(sys.stdin.buffer if str(path) == "-" else path, into)
        yield lines


def read_text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableInput(f"{path.name}: not in UTF-8", param="template") from error


def arguments_of(pairs: Sequence[str] | None) -> dict[str, Any]:
    values = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise UnreadableInput(f"{pair!r}: key=value is expected", param="serve-arg")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = {"True": True, "False": False}.get(value, value)
    return values


def _turns(intent: str | None) -> Turns:
    found = next((known for known in INTENTS if known == (intent or "all-assistant")), None)
    if found is None:
        raise UnreadableInput(f"{intent!r}; allowed: {', '.join(INTENTS)}", param="intent")
    return found


def _roles(given: Sequence[str] | None) -> frozenset[str]:
    return frozenset(name.removesuffix("=train") for name in given or ())


def _intent(
    turns: str | None, reasoning: str, tool_calls: str, supplied: str, separator: Any, role: Sequence[str] | None
) -> Intent | None:
    """None if nothing was asked for, so that it is found from the data."""
    wanted = Intent(
        _turns(turns), reasoning == "train", tool_calls == "train", supplied == "train", separator, _roles(role)
    )
    return None if turns is None and wanted == Intent() else wanted


def _materials(
    rows: Path | None, beside: Path | None, dump: bool, tokenizer: Path | None, template: Path | None
) -> Materials:
    if tokenizer is None and template is None and not dump:
        raise UnreadableInput("rows need --tokenizer, or at least --template", param="tokenizer")
    return Materials(
        data=resolved(beside if dump else rows),
        dump=resolved(rows if dump else None),
        folder=resolved(tokenizer),
        template=None if template is None else read_text(template),
        now=datetime.now().replace(microsecond=0),
    )


def resolved(path: Path | None) -> Path | None:
    """The worker stands in another folder than whoever types the command."""
    return None if path is None else path.resolve()


def _hashes(rows: Path | None, materials: Materials) -> dict[str, str]:
    folder, template = materials.folder, materials.template
    paths = {"data": rows, "tokenizer": folder / "tokenizer.json" if folder else None}
    hashes = {name: digest_of(path) for name, path in paths.items() if path is not None and path.is_file()}
    return hashes | ({"template": digest_of(template)} if template is not None else {})


def _notes(materials: Materials) -> tuple[str, ...]:
    return (f"strftime_now tells {materials.now:%Y-%m-%d %H:%M}",)


def _exit_code(report: Report, fail_on: str, ignore: Path | None, baseline: Path | None) -> int:
    failing = FAIL_ON[fail_on]
    ignored = {one.rule for one in read_ignored(ignore)} if ignore else set()
    known = read_baseline(baseline) if baseline else {}
    code = report.exit_code(failing)
    if code != 1:
        return code
    still = [one for one in report.findings if one.severity in failing and one.rule not in ignored]
    return 1 if any(new_or_risen(one, known) for one in still) else report.exit_code(())
