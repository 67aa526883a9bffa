"""`maskscope analyze`: one conversation, position by position, as a table or as JSON."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from app.catalog import load_catalog
from app.commands.options import JsonOption, PolicyOption, RecipeOption, StepOption, chosen_recipe
from app.settings import Settings
from model.explain.analysis import Analysis
from model.explain.analysis import analyze as analyze_prompt
from model.masks.policies import RIGHT, find_policy
from model.training.recipes import DEFAULT_RECIPE


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
    """Show what each position is trained on (y), what the right mask would train it on, and what it does to the
    gradient.

    Example: maskscope analyze hello --policy unmasked
    """
    chosen, mask = chosen_recipe(recipe), find_policy(policy)
    model, at_step = load_catalog(Settings().trained_folder).model(chosen, trained_with or policy, step)
    analysis = analyze_prompt(chosen, model, mask, prompt, response)
    if as_json:
        typer.echo(json.dumps({"step": at_step, **asdict(analysis)}))
    else:
        Console().print(_table(analysis, at_step))


def _table(analysis: Analysis, step: int) -> Table:
    loss = "nothing is supervised" if analysis.loss is None else f"loss {analysis.loss:.4f} nats"
    count = f"{analysis.supervised_count} of {len(analysis.positions)} positions trained"
    title = f"{''.join(analysis.tokens)}   step {step}   {count}   {loss}"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for column in ("t", "x", "y", "right", "mask", "-ln p", "p(y)", "logit", "param", "share", "input", "top 3"):
        table.add_column(column, justify="left" if column in ("mask", "top 3") else "right", no_wrap=True)
    for p in analysis.positions:
        g = p.gradient
        top = " ".join(f"{prediction.token} {prediction.probability:.2f}" for prediction in p.predictions[:3])
        numbers = (p.loss, p.target_probability, g.logit_norm, g.parameter_norm, g.share, g.input_norm)
        written = ("-" if number is None else f"{number:.3f}" for number in numbers)
        mark = "trained" if p.supervised else "ignored"
        table.add_row(str(p.position), p.input, p.target or "-", p.right_target or "-", mark, *written, top)
    return table
