"""Mask bugs (`/bugs`): a gallery of masks that go wrong, each with a model trained under it. State is the address."""

from dataclasses import dataclass
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.catalog import Catalog
from app.deps import CatalogDep, EngineDep
from app.engine import Engine
from app.generations import Generation, admit
from app.templating import render_view
from model.errors import check_known
from model.experiments.bugs.diagnosis import Diagnosis, diagnose
from model.experiments.bugs.gallery import GALLERY, Bug, Measured, batch_findings
from model.explain.cells import Inspection, inspect_mask
from model.inspector.rules import Finding
from model.masks.policies import RIGHT
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import render_prompts
from model.training.loop import training_batches

router = APIRouter(include_in_schema=False)

SEED = 0
EXAMPLES = {"reverse4": ("abcd",), "reverse": ("hello", "ab"), "dialogue": ("abc de 1",)}
"""Of each recipe; two lengths where rows are padded or packed. The first one can be typed over."""
LONG_EXAMPLES = {"truncated": ("abcdefgh", "ab")}
"""Where the bug shows only in a long prompt."""


class State(BaseModel):
    """What the address says; the bug must exist."""

    bug: str = next(iter(GALLERY))
    prompt: str | None = None
    generate: bool = False


@dataclass(frozen=True)
class Entry:
    """A line of the contents."""

    bug: Bug
    diagnosis: Diagnosis


@dataclass(frozen=True)
class Choices:
    bug: Bug
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
class BugsContext:
    entries: tuple[Entry, ...]
    choices: Choices
    diagnosis: Diagnosis
    measured: Measured
    right: Measured
    findings: tuple[Finding, ...]
    conversations: int
    """In the batch that the detector read."""


@router.api_route("/bugs", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep) -> Response:
    """The contents and one bug."""
    choices = _choices(state)
    context = _context(choices, catalog)
    return await render_view(request, "bugs/page.html", context, _view(choices, catalog, engine))


def _choices(state: State) -> Choices:
    check_known(state.bug, GALLERY, "bug")
    bug = GALLERY[state.bug]
    first, *others = LONG_EXAMPLES.get(bug.slug, EXAMPLES[bug.recipe.slug])
    prompt = first if state.prompt is None else state.prompt
    return Choices(bug, prompt, (prompt, *others), state.generate)


def _context(choices: Choices, catalog: Catalog) -> BugsContext:
    bug = choices.bug
    recipe = bug.recipe
    measured, right = catalog.beside_the_right_one(bug)
    (batch,) = islice(training_batches(recipe, bug.policy, SEED), 1)
    return BugsContext(
        entries=tuple(Entry(entry, _diagnosis(entry, catalog)) for entry in GALLERY.values()),
        choices=choices,
        diagnosis=_diagnosis(bug, catalog),
        measured=measured,
        right=right,
        findings=batch_findings(batch, recipe.tokenizer, recipe.task.most_turns),
        conversations=recipe.training.batch_size,
    )


def _diagnosis(bug: Bug, catalog: Catalog) -> Diagnosis:
    measured, right = catalog.beside_the_right_one(bug)
    return diagnose(measured.symptoms, right.symptoms)


async def _view(choices: Choices, catalog: Catalog, engine: Engine) -> View:
    """Raises InvalidText if the recipe cannot read the prompt."""
    bug, recipe = choices.bug, choices.bug.recipe
    conversations = render_prompts(recipe, choices.examples)
    lanes = []
    for policy, name, style in ((RIGHT.slug, "right mask", RIGHT.slug), (bug.slug, bug.policy.slug, "wrong-model")):
        model, step = catalog.model(recipe, policy, None)
        generation = await admit(engine, recipe, model, choices.prompt).whole() if choices.generate else None
        lanes.append(Lane(policy, name, style, step, generation))
    inspection = inspect_mask(recipe, conversations, bug.policy)
    return View(inspection, tuple(lanes), recipe.task.answer(choices.prompt) + END_OF_TURN)
