"""`maskscope template`: a chat template on its own, for those who write one. Rendered with conversations of ours."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from app.commands.inspect import (
    FAIL_ON,
    JsonOption,
    ServeOption,
    TokenizerOption,
    arguments_of,
    exit_codes,
    read_text,
    resolved,
    run_rows,
    show,
)
from app.workers.inspection_orders import Materials
from model.inspector.contract import LONG_PROBES
from model.inspector.digests import digest_of
from model.inspector.options import Options


def template(
    file: Annotated[Path, typer.Argument(help="A chat template; - reads standard input.")],
    tokenizer: TokenizerOption = None,
    serve_arg: ServeOption = None,
    stop: Annotated[list[str] | None, typer.Option(help="A stop that the server is given: a token or id.")] = None,
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub.")] = False,
    fail_on: Annotated[str, typer.Option(help=f"One of: {', '.join(FAIL_ON)}.")] = "error",
) -> None:
    """Inspect a chat template: what ends an answer, what the server supplies, what is lost or refused.

    Example: maskscope template chat_template.jinja --tokenizer my-model
    """
    with exit_codes():
        source = read_text(file)
        now = datetime.now().replace(microsecond=0)
        materials = Materials(folder=resolved(tokenizer), template=source, now=now)
        options = Options(serving=arguments_of(serve_arg), server_stops=tuple(stop or ()))
        report = run_rows(materials, LONG_PROBES, options)
        report = replace(report, hashes={"template": digest_of(source)})
    show(report, as_json, markdown, github, str(file))
    raise typer.Exit(report.exit_code(FAIL_ON.get(fail_on, ("error",))))
