"""The shift (`/shift`): s, x and y of a word, and a cut that can be moved. The whole state is in the address."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog
from app.deps import CatalogDep, EngineDep, EvidenceDep
from app.engine import Engine
from app.templating import is_partial, render_view
from model.claims.ledger import CLAIMS, enter
from model.experiments.bugs.diagnosis import log_sentence
from model.experiments.bugs.gallery import SHIFT_RECIPE, Measured
from model.experiments.prompts import Choice, PromptPredictions, top_choices
from model.explain.cut import Alignment, align, describe_mistakes, describe_trained
from model.masks.policies import CUTS, RIGHT, MaskPolicy, shifted_cut
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import render_prompt
from model.training.evaluation import complete_prompts
from model.training.recipes import Recipe

router = APIRouter(include_in_schema=False)

LESSON_WORD = "hello"


class State(BaseModel):
    """What the address says. A cut outside of CUTS is moved to the nearest; the recipe must exist."""

    recipe: str = "reverse"
    prompt: str | None = None
    cut: int = 0


@dataclass(frozen=True)
class Choices:
    """What the form offers and what is chosen: there even when the word cannot be read."""

    recipes: tuple[Recipe, ...]
    recipe: Recipe
    prompt: str
    cuts: tuple[tuple[int, MaskPolicy], ...]
    cut: int
    policy: MaskPolicy


@dataclass(frozen=True)
class Answer:
    """What the model trained under the cut makes of a word now."""

    word: str
    is_example: bool
    """The visitor's word does not fit that model, so this one is asked instead."""
    right: str
    given: str


@dataclass(frozen=True)
class View:
    """What is shown of the word."""

    alignment: Alignment
    trained: str
    mistakes: str
    answer: Answer
    inside: tuple[Choice, ...]
    """What the model trained with the right cut would say next behind each of the word's letters, just now."""


@dataclass(frozen=True)
class ShiftContext:
    choices: Choices
    outcomes: tuple[tuple[int, MaskPolicy, Measured], ...]
    """A model trained under each cut, as it was measured."""
    outcome_recipe: Recipe
    log_sentence: str
    inside: PromptPredictions
    """What that model predicts inside held-out prompts."""
    inside_sentence: str
    """What the ledger finds of it, for all recipes."""
    lesson_word: str = LESSON_WORD


@router.api_route("/shift", methods=["GET", "HEAD"])
async def page(
    request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep, evidence: EvidenceDep
) -> Response:
    """The whole page; to htmx its one form."""
    template = "shift/_view.html" if is_partial(request) else "shift/page.html"
    choices, recipe = _choices(state, catalog), catalog.recipe(SHIFT_RECIPE)
    outcomes = tuple((cut, policy, catalog.measured[recipe.slug, policy.slug]) for cut, policy in choices.cuts)
    right, late = (catalog.measured[recipe.slug, shifted_cut(offset).slug].symptoms for offset in (0, 1))
    inside = evidence.prompts[choices.recipe.slug, RIGHT.slug]
    found = enter(CLAIMS["gibberish"], evidence).judgement.sentence
    context = ShiftContext(choices, outcomes, recipe, log_sentence(right, late), inside, found)
    return await render_view(request, template, context, _view(choices, recipe, catalog, engine))


def _choices(state: State, catalog: Catalog) -> Choices:
    recipes = catalog.single_turn_recipes()
    recipe = catalog.recipe(state.recipe, recipes)
    cut = min(max(state.cut, CUTS[0]), CUTS[-1])
    return Choices(
        recipes=recipes,
        recipe=recipe,
        prompt=recipe.task.example if state.prompt is None else state.prompt,
        cuts=tuple((offset, shifted_cut(offset)) for offset in CUTS),
        cut=cut,
        policy=shifted_cut(cut),
    )


async def _view(choices: Choices, asked: Recipe, catalog: Catalog, engine: Engine) -> View:
    """Raises InvalidText if the recipe cannot read the word."""
    recipe, word = choices.recipe, choices.prompt
    alignment = align(recipe, render_prompt(recipe, word), choices.cut)
    fits = asked.task.fits(word)
    put = word if fits else asked.task.example
    model, _ = catalog.model(asked, choices.policy.slug, None)
    (given,) = await engine.call(partial(complete_prompts, model, asked.task, asked.tokenizer, [put]))
    answer = Answer(put, not fits, asked.task.answer(put) + END_OF_TURN, given)
    masked, _ = catalog.model(recipe, RIGHT.slug, None)
    (inside,) = await engine.call(partial(top_choices, masked, recipe, [word]))
    return View(alignment, describe_trained(alignment), describe_mistakes(alignment), answer, inside)
