"""Mask bugs (`/bugs`): a gallery of masks that go wrong, each with a model trained under it. State is the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog
from app.deps import CatalogDep, EngineDep
from app.engine import Engine
from app.generations import Generation, admit
from app.templating import render, render_view
from model.errors import check_known
from model.experiments.bugs.diagnosis import Diagnosis, diagnose
from model.experiments.bugs.gallery import GALLERY, Bug, Measured, batch_findings
from model.experiments.bugs.glances import Glance, sketched
from model.explain.cells import Inspection, inspect_mask
from model.intervals import Rate
from model.masks.policies import POLICY_NAMES, RIGHT, UNMASKED
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import render_prompts
from model.training.loop import training_batches

if TYPE_CHECKING:
    from model.inspector.rules import Finding

router = APIRouter(include_in_schema=False)

SEED = 0
EXAMPLES = {"reverse4": ("abcd",), "reverse": ("hello", "ab"), "dialogue": ("abc de 1",)}
"""Of each recipe; two lengths where rows are padded or packed. The first one can be typed over."""
LONG_EXAMPLES = {"truncated": ("abcdefgh", "ab")}
"""Where the bug shows only in a long prompt."""


class State(BaseModel):
    """What the address says; a bug that is named must exist. Without one, all are seen at a glance."""

    bug: str | None = None
    prompt: str | None = None
    generate: bool = False


@dataclass(frozen=True)
class Entry:
    """A square of the overview."""

    glance: Glance
    diagnosis: Diagnosis
    right: Rate
    """Of unseen words, exactly."""


@dataclass(frozen=True)
class Choices:
    bug: Bug
    name: str
    """Short, where the bug is named beside others."""
    prompt: str
    examples: tuple[str, ...]
    """The prompt and what stands beside it in the batch."""
    generate: bool


@dataclass(frozen=True)
class Lane:
    """One model of the two, and its answer if it was asked for."""

    policy: str
    name: str
    style: str
    """The CSS class of its colour."""
    step: int
    generation: Generation | None


@dataclass(frozen=True)
class View:
    """What is shown of the prompt."""

    inspection: Inspection
    lanes: tuple[Lane, ...]
    answer: str


@dataclass(frozen=True)
class Opened:
    """What is known of one bug, whatever the prompt."""

    diagnosis: Diagnosis
    measured: Measured
    right: Measured
    findings: "tuple[Finding, ...]"
    conversations: int
    """In the batch that the detector read."""


@dataclass(frozen=True)
class BugsContext:
    places: Mapping[str, tuple[Entry, ...]]
    """By where the mistake lies."""
    choices: Choices | None = None
    """None: none is opened."""
    opened: Opened | None = None
    view: View | None = None
    message: str | None = None


@router.api_route("/bugs", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep) -> Response:
    """All at a glance, and one opened."""
    places = await engine.call(lambda: _places(catalog))
    if state.bug is None:
        return render(request, "bugs/page.html", BugsContext(places))
    choices = _choices(state.bug, state)
    context = BugsContext(places, choices, _open(choices.bug, catalog))
    return await render_view(request, "bugs/page.html", context, _view(choices, catalog, engine))


def _places(catalog: Catalog) -> dict[str, tuple[Entry, ...]]:
    return {place: tuple(_entry(each, catalog) for each in some) for place, some in catalog.glances.items()}


def _entry(glance: Glance, catalog: Catalog) -> Entry:
    measured, right = catalog.beside_the_right_one(glance.bug)
    return Entry(glance, diagnose(measured.symptoms, right.symptoms), measured.symptoms.exact_match)


def _choices(slug: str, state: State) -> Choices:
    check_known(slug, GALLERY, "bug")
    bug = GALLERY[slug]
    first, *others = LONG_EXAMPLES.get(bug.slug, EXAMPLES[bug.recipe.slug])
    prompt = first if state.prompt is None else state.prompt
    return Choices(bug, sketched(slug).name, prompt, (prompt, *others), state.generate)


def _open(bug: Bug, catalog: Catalog) -> Opened:
    recipe = bug.recipe
    measured, right = catalog.beside_the_right_one(bug)
    (batch,) = islice(training_batches(recipe, bug.policy, SEED), 1)
    found = batch_findings(batch, recipe.tokenizer, recipe.task.most_turns)
    diagnosis = diagnose(measured.symptoms, right.symptoms)
    return Opened(diagnosis, measured, right, found, recipe.training.batch_size)


async def _view(choices: Choices, catalog: Catalog, engine: Engine) -> View:
    """Raises InvalidText if the recipe cannot read the prompt."""
    bug, recipe = choices.bug, choices.bug.recipe
    conversations = render_prompts(recipe, choices.examples)
    lanes = []
    for policy, name, style in (
        (RIGHT.slug, POLICY_NAMES[RIGHT.slug], RIGHT.slug),
        (bug.slug, choices.name, _style(bug)),
    ):
        model, step = catalog.model(recipe, policy, None)
        generation = await admit(engine, recipe, model, choices.prompt).whole() if choices.generate else None
        lanes.append(Lane(policy, name, style, step, generation))
    inspection = inspect_mask(recipe, conversations, bug.policy)
    return View(inspection, tuple(lanes), recipe.task.answer(choices.prompt) + END_OF_TURN)


def _style(bug: Bug) -> str:
    """Mask off has its colour everywhere; the other wrong masks have none."""
    return bug.slug if bug.slug == UNMASKED.slug else "wrong-model"
