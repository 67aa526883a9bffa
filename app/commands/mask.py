"""`maskscope mask`: what each position of a conversation is trained on under a policy, beside what is right."""

import json
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from model.explain.cells import Cell, Inspection, inspect_mask
from model.masks.policies import MASK_POLICIES, RIGHT, find_policy
from model.training.conversations import messages_of, render_messages
from model.training.recipes import ALL_RECIPES, find_recipe


def mask(
    prompts: Annotated[list[str], typer.Argument(help="The user's text; several make a batch.")],
    recipe: Annotated[str, typer.Option(help=f"One of: {', '.join(ALL_RECIPES)}.")] = "reverse",
    policy: Annotated[str, typer.Option(help=f"One of: {', '.join(MASK_POLICIES)}.")] = RIGHT.slug,
    row_tokens: Annotated[int | None, typer.Option(help="Of a packed row; default: what the context holds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show the labels of conversations under a policy. Needs no model.

    Example: maskscope mask "abc de 1" --recipe dialogue --policy last-turn-only --json
    """
    chosen, rule = find_recipe(recipe, ALL_RECIPES.values()), find_policy(policy)
    conversations = [messages_of(chosen, prompt) for prompt in prompts]
    rendered = render_messages(chosen, conversations, rule, row_tokens)
    inspection = inspect_mask(chosen, rendered, rule, row_tokens)
    if as_json:
        typer.echo(json.dumps(inspection.as_plain(), ensure_ascii=False, separators=(",", ":")))
    else:
        _print(inspection)


def _print(inspection: Inspection) -> None:
    console = Console()
    total, wrong = len(inspection.cells()), len(inspection.mistakes)
    console.print(f"{inspection.policy.title}: {inspection.policy.code}", markup=False, highlight=False)
    console.print(f"{inspection.supervised_count} of {total} positions trained, {wrong} not as the right mask has them")
    for row in inspection.rows:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        for name in ("t", "place", "reads", "next", "target", "weight", ""):
            table.add_column(name, justify="right" if name in ("t", "place", "weight") else "left")
        for cell in row:
            table.add_row(*_columns(cell))
        console.print(table)


def _columns(cell: Cell) -> tuple[str, ...]:
    word = cell.mistake or ("trained" if cell.supervised else "ignored")
    weight = f"{cell.weight:.4f}" if cell.supervised else ""
    names = [name.replace("[pad]", "pad") for name in (cell.input, cell.next, cell.target or "")]
    return str(cell.position), str(cell.place), *names, weight, word
