"""Turns (`/turns`): a conversation that can be edited, one mask with several regions, budgets. State: the address."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from app.catalog import Catalog
from app.deps import CatalogDep, EngineDep, EvidenceDep
from app.engine import Engine
from app.templating import render_view
from model.claims.evidence import Evidence
from model.claims.ledger import CLAIMS, Entry, enter
from model.errors import InvalidText, OutOfRange
from model.experiments.bugs.diagnosis import turns_sentence
from model.experiments.shipped import SEEDS
from model.experiments.turns import ENOUGH, MEASURED_STEPS, QUESTIONS, MixedRow, mixed_rows
from model.explain.budgets import (
    BATCH_SEED,
    LESSON_LENGTHS,
    MOST_ROWS,
    MOST_TOKENS,
    MOST_TURNS,
    PRACTICE,
    LengthBudget,
    PolicyBudget,
    RecipeBudget,
    TurnBudget,
    policy_budgets,
    prompt_per_response,
    recipe_budget,
    turn_budgets,
)
from model.explain.cells import Inspection, inspect_mask
from model.explain.turns import Asked, ask_in_place
from model.intervals import Rate
from model.masks.policies import MASK_POLICIES, RIGHT, UNMASKED, MaskPolicy, find_policy
from model.training.conversations import MOST_MESSAGES, fill_in, render_messages
from model.training.recipes import ALL_RECIPES

router = APIRouter(include_in_schema=False)

TURNS_RECIPE = "dialogue"
TRAINED = {RIGHT.slug: "all answers", "last-turn-only": "last answer only"}
LENGTH_LIMITS = {
    "prompt_tokens": MOST_TOKENS,
    "response_tokens": MOST_TOKENS,
    "turns": MOST_TURNS,
    "batch": MOST_ROWS,
}
REFUSED = (InvalidText, OutOfRange)
EXAMPLE = (("user", "abc"), ("assistant", ""), ("user", "de"), ("assistant", ""), ("user", "1"), ("assistant", ""))


class State(BaseModel):
    """What the address says: a role and a text for each message; an assistant's empty text is the right answer."""

    role: Annotated[list[str], Field(max_length=4 * MOST_MESSAGES)] = [role for role, _ in EXAMPLE]
    text: Annotated[list[str], Field(max_length=4 * MOST_MESSAGES)] = [text for _, text in EXAMPLE]
    policy: str = RIGHT.slug
    do: str = ""
    """A change to make: `add-user`, `add-assistant`, `remove-2`, `up-2`, `down-2`."""

    prompt_tokens: int = LESSON_LENGTHS.prompt_tokens
    response_tokens: int = LESSON_LENGTHS.response_tokens
    turns: int = LESSON_LENGTHS.turns
    batch: int = LESSON_LENGTHS.batch
    """Of conversations to be reckoned with; numbers are moved to the nearest that can be."""

    def messages(self) -> list[tuple[str, str]]:
        return list(zip(self.role, self.text, strict=False))


@dataclass(frozen=True)
class Choices:
    messages: tuple[tuple[str, str], ...]
    policies: tuple[MaskPolicy, ...]
    policy: MaskPolicy
    task: str
    most: int = MOST_MESSAGES


@dataclass(frozen=True)
class View:
    """What is shown of the conversation."""

    inspection: Inspection
    turns: tuple[TurnBudget, ...]
    asked: tuple[Asked, ...]
    budgets: dict[str, PolicyBudget]


@dataclass(frozen=True)
class Measurement:
    """How the arms with single turns are measured."""

    seeds: int = len(SEEDS)
    questions: int = QUESTIONS
    every: int = MEASURED_STEPS[0]
    steps: int = MEASURED_STEPS[-1]
    enough: float = ENOUGH


@dataclass(frozen=True)
class Lengths:
    """Conversations of which only the lengths are given, and the lesson's own beside them."""

    asked: LengthBudget
    lesson: LengthBudget
    limits: dict[str, int]
    """The most of each field."""
    practice: tuple[tuple[float, float], ...]
    """Shares that the lesson calls typical, each with the ignored positions for each trained one."""


@dataclass(frozen=True)
class TurnsContext:
    choices: Choices
    lengths: Lengths
    by_turn: tuple[tuple[str, tuple[Rate, ...]], ...]
    """What was measured of both models, turn by turn."""
    finding: str
    mixed: tuple[MixedRow, ...]
    """The same two masks where half of the conversations have one turn, over seeds."""
    entry: Entry
    """What the ledger makes of it."""
    unlearned: int
    """Of those runs, how many ended before they had learned every turn."""
    measurement: Measurement
    budgets: tuple[RecipeBudget, ...]
    names: dict[str, str]
    steps: int
    seed: int = BATCH_SEED


@router.api_route("/turns", methods=["GET", "HEAD"])
async def page(
    request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep, evidence: EvidenceDep
) -> Response:
    """The whole page; after a change of the messages, the way to the address that says them."""
    if state.do:
        return RedirectResponse(_address(_changed(state), state.policy), 303)
    choices = _choices(state)
    view = _view(choices, catalog, engine)
    context = _context(choices, _lengths(state), catalog, evidence)
    return await render_view(request, "turns/page.html", context, view, REFUSED)


def _changed(state: State) -> list[tuple[str, str]]:
    """The messages after the change that was asked for; an impossible one changes nothing."""
    messages = state.messages()
    name, _, number = state.do.partition("-")
    place = int(number) - 1 if number.isascii() and number.isdigit() and len(number) < 4 else -1
    if name == "add" and number in ("user", "assistant") and len(messages) < MOST_MESSAGES:
        messages.append((number, "ab" if number == "user" else ""))
    elif name == "remove" and 0 <= place < len(messages) > 1:
        del messages[place]
    elif name in ("up", "down") and 0 <= place < len(messages):
        other = place + (1 if name == "down" else -1)
        if 0 <= other < len(messages):
            messages[place], messages[other] = messages[other], messages[place]
    return messages


def _address(messages: list[tuple[str, str]], policy: str) -> str:
    pairs = [pair for role, text in messages for pair in (("role", role), ("text", text))]
    return "/turns?" + urlencode([*pairs, ("policy", policy)])


def _choices(state: State) -> Choices:
    first = [MASK_POLICIES[slug] for slug in TRAINED]
    return Choices(
        messages=tuple(state.messages()),
        policies=(*first, *(policy for slug, policy in MASK_POLICIES.items() if slug not in TRAINED)),
        policy=find_policy(state.policy),
        task=ALL_RECIPES[TURNS_RECIPE].task.title.lower(),
    )


def _lengths(state: State) -> Lengths:
    asked = {name: min(max(getattr(state, name), 1), most) for name, most in LENGTH_LIMITS.items()}
    practice = tuple((ignored, prompt_per_response(ignored)) for ignored in PRACTICE)
    return Lengths(LengthBudget(**asked), LESSON_LENGTHS, LENGTH_LIMITS, practice)


def _context(choices: Choices, lengths: Lengths, catalog: Catalog, evidence: Evidence) -> TurnsContext:
    measured = {slug: catalog.measured[TURNS_RECIPE, slug] for slug in TRAINED}
    budgets = tuple(recipe_budget(recipe, catalog.run(recipe, UNMASKED.slug).run) for recipe in catalog.mask_recipes())
    return TurnsContext(
        choices=choices,
        lengths=lengths,
        by_turn=tuple((slug, m.symptoms.by_turn) for slug, m in measured.items()),
        finding=turns_sentence(*(m.symptoms.by_turn for m in measured.values())),
        mixed=mixed_rows(evidence.turns),
        unlearned=sum(run.learned_at is None for run in evidence.turns),
        entry=enter(CLAIMS["turns"], evidence),
        measurement=Measurement(),
        budgets=budgets,
        names=TRAINED,
        steps=measured[RIGHT.slug].steps,
    )


async def _view(choices: Choices, catalog: Catalog, engine: Engine) -> View:
    """Raises InvalidText or OutOfRange if no model of the recipe could read the conversation."""
    recipe = catalog.recipe(TURNS_RECIPE)
    messages = fill_in(recipe, [(r, None if r == "assistant" and not text else text) for r, text in choices.messages])
    rendered = render_messages(recipe, [messages], choices.policy)
    inspection = inspect_mask(recipe, rendered, choices.policy)
    models = {slug: catalog.model(recipe, slug, None)[0] for slug in TRAINED}
    return View(
        inspection=inspection,
        turns=turn_budgets(inspection),
        asked=await engine.call(partial(ask_in_place, recipe, models, messages)),
        budgets=policy_budgets(recipe, rendered),
    )
