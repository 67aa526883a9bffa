"""`maskscope generate`: what a trained model answers."""

import json
from typing import Annotated

import typer

from app.catalog import load_catalog
from app.commands.options import JsonOption, PolicyOption, RecipeOption, StepOption, chosen_recipe
from app.settings import Settings
from model.masks.policies import RIGHT
from model.network.generation import generate as generate_completions
from model.training.conversations import prompt_ids
from model.training.recipes import DEFAULT_RECIPE


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
    chosen = chosen_recipe(recipe)
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
