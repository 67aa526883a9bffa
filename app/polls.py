"""A question put to a room: its truth from the models in memory. In: a question's slug, a State. Out: a Poll."""

from functools import partial

from app.catalog import Catalog, RecipeRuns
from app.engine import Engine
from app.figures import Choices, Openings, State, choose
from app.votes.polls import Material, Poll
from app.votes.questions import QUESTIONS, questions_for
from model.errors import check_known
from model.experiments.ablation.shipped import ShippedAblation
from model.experiments.examples import Example

STOPLESS = "eos-masked"


def gather_material(
    state: State, catalog: Catalog, ablation: ShippedAblation, openings: Openings, examples: tuple[Example, ...]
) -> Material:
    """What a word's questions are computed from; without a word, the one the visualizer opens with.

    Raises:
        UnknownName: no such recipe.
    """
    if state.prompt is None and state.recipe is None:
        state = state.model_copy(update={"prompt": examples[0].word})
    return _material(*choose(state, catalog, openings), catalog, ablation)


async def put_question(slug: str, material: Material, engine: Engine) -> Poll:
    """Raises UnknownName for a question that cannot be asked of this word, InvalidText for what is no word."""
    check_known(slug, [question.slug for question in questions_for(material)], "question")
    return await engine.call(partial(QUESTIONS[slug].put, material))


def _material(choices: Choices, runs: RecipeRuns, catalog: Catalog, ablation: ShippedAblation) -> Material:
    recipe = choices.recipe
    has_stopless = (recipe.slug, STOPLESS) in catalog.runs
    return Material(
        recipe=recipe,
        word=choices.prompt,
        step=choices.step,
        models={policy: loaded.models for policy, loaded in runs.by_policy.items()},
        comparison=ablation.comparison(recipe.slug),
        stopless=catalog.model(recipe, STOPLESS, None)[0] if has_stopless else None,
        stops=catalog.measured[recipe.slug, STOPLESS].symptoms.stops if has_stopless else None,
    )
