"""`maskscope tokenizer`: the tokenizer that ships and its example rows, made anew from the text beside them."""

from typing import Annotated

import typer

from app.settings import Settings
from model.errors import BrokenRun
from model.inspector.examples import NAME
from model.inspector.shipped import make_files


def tokenizer(
    check: Annotated[bool, typer.Option("--check", help="Make its files anew and compare.")] = False,
    make: Annotated[bool, typer.Option("--make", help="Make its files anew and write them.")] = False,
) -> None:
    """List the files of the tokenizer that ships, each made from the text, template and rows beside it.

    Example: maskscope tokenizer --check
    """
    folder = Settings().trained_folder / "tokenizers" / NAME
    if check or make:
        for name, content in make_files(folder).items():
            if make:
                (folder / name).write_text(content, "utf-8")
            elif (folder / name).read_text("utf-8") != content:
                raise BrokenRun(f"{name} is not what the text beside it makes", param="check")
    for path in sorted(folder.iterdir()):
        typer.echo(f"{path.name} {path.stat().st_size:,} bytes{', as made anew' if check else ''}")
