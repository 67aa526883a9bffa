"""Turns (`/turns`): a conversation that can be edited, one mask with several regions, budgets. State: the address."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from app.catalog import Catalog
from app.deps import CatalogDep, EngineDep
from app.engine import Engine
from app.templating import percent, render
from model.errors import InvalidText, OutOfRange
from model.explain.budgets import (
    BATCH_SEED,
    PolicyBudget,
    SegmentBudget,
    TurnBudget,
    policy_budgets,
    segment_budgets,
    turn_budgets,
)
from model.explain.cells import Inspection, inspect_mask
from model.masks.policies import MASK_POLICIES, RIGHT, UNMASKED, MaskPolicy, find_policy
from model.network.generation import generate
from model.network.gpt import GPT
from model.text.chat import Message, Rendered
from model.text.chat import render as render_chat
from model.text.tokenizer import END_OF_TURN
from model.training.conversations import MOST_MESSAGES, fill_in, render_messages
from model.training.evaluation import Rate
from model.training.loop import training_conversations
from model.training.recipes import ALL_RECIPES, Recipe

router = APIRouter(include_in_schema=False)

TURNS_RECIPE = "dialogue"
TRAINED = {RIGHT.slug: "all answers", "last-turn-only": "last answer only"}
EXAMPLE = (("user", "abc"), ("assistant", ""), ("user", "de"), ("assistant", ""), ("user", "1"), ("assistant", ""))


class State(BaseModel):
    """What the address says: a role and a text for each message; an assistant's empty text is the right answer."""

    role: Annotated[list[str], Field(max_length=4 * MOST_MESSAGES)] = [role for role, _ in EXAMPLE]
    text: Annotated[list[str], Field(max_length=4 * MOST_MESSAGES)] = [text for _, text in EXAMPLE]
    policy: str = RIGHT.slug
    do: str = ""
    """A change to make: `add-user`, `add-assistant`, `remove-2`, `up-2`, `down-2`."""

    def messages(self) -> list[tuple[str, str]]:
        return list(zip(self.role, self.text, strict=False))


@dataclass(frozen=True)
class Choices:
    messages: tuple[tuple[str, str], ...]
    policies: tuple[MaskPolicy, ...]
    policy: MaskPolicy
    most: int
    task: str


@dataclass(frozen=True)
class Asked:
    """One of the assistant's messages, and what the two models say in its place."""

    turn: int
    question: str
    right: str
    answers: tuple[tuple[str, str], ...]
    """Policy and completion."""


@dataclass(frozen=True)
class View:
    """What is shown of the conversation."""

    inspection: Inspection
    turns: tuple[TurnBudget, ...]
    asked: tuple[Asked, ...]
    budgets: dict[str, PolicyBudget]


@dataclass(frozen=True)
class RecipeBudget:
    recipe: Recipe
    conversations: int
    policies: dict[str, PolicyBudget]
    segments: tuple[SegmentBudget, ...]
    steps: int


@dataclass(frozen=True)
class TurnsContext:
    choices: Choices
    by_turn: tuple[tuple[str, tuple[Rate, ...]], ...]
    """What was measured of both models, turn by turn."""
    finding: str
    budgets: tuple[RecipeBudget, ...]
    ignored: str
    names: dict[str, str]
    steps: int
    seed: int = BATCH_SEED
    view: View | None = None
    message: str | None = None
    """Why there is no view."""


@router.api_route("/turns", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], catalog: CatalogDep, engine: EngineDep) -> Response:
    """The whole page; after a change of the messages, the way to the address that says them."""
    if state.do:
        return RedirectResponse(_address(_changed(state), state.policy), 303)
    choices = _choices(state)
    context = _context(choices, catalog)
    try:
        view = await _view(choices, catalog, engine)
    except (InvalidText, OutOfRange) as error:
        return render(request, "turns/page.html", replace(context, message=error.message), 422)
    return render(request, "turns/page.html", replace(context, view=view))


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
        most=MOST_MESSAGES,
        task=ALL_RECIPES[TURNS_RECIPE].task.title.lower(),
    )


def _context(choices: Choices, catalog: Catalog) -> TurnsContext:
    measured = {slug: catalog.measured[TURNS_RECIPE, slug] for slug in TRAINED}
    budgets = tuple(_recipe_budget(recipe, catalog) for recipe in catalog.mask_recipes())
    right = [(budget.recipe.slug, percent(budget.policies[RIGHT.slug].ignored)) for budget in budgets]
    return TurnsContext(
        choices=choices,
        by_turn=tuple((slug, m.symptoms.by_turn) for slug, m in measured.items()),
        finding=_finding(*(m.symptoms.by_turn for m in measured.values())),
        budgets=budgets,
        ignored=", ".join(f"{share} for {slug}" for slug, share in right),
        names=TRAINED,
        steps=measured[RIGHT.slug].steps,
    )


def _finding(every: tuple[Rate, ...], last: tuple[Rate, ...]) -> str:
    """What the two trainings lead to, turn by turn, where their intervals are apart."""
    worse = [turn for turn, (a, b) in enumerate(zip(every, last, strict=True), 1) if b.high < a.low]
    if not worse:
        return "Training the last answer only makes no clear difference here."
    first = worse[0]
    last_rate, every_rate = (percent(rates[first - 1].value, 1) for rates in (last, every))
    which = "every turn" if len(worse) == len(every) else f"turn{'s' * (len(worse) > 1)} {', '.join(map(str, worse))}"
    said = f"The model trained on last answers alone is worse in {which}"
    return f"{said}: it has {last_rate} of turn {first} right, where all answers were trained {every_rate}."


def _recipe_budget(recipe: Recipe, catalog: Catalog) -> RecipeBudget:
    conversations = training_conversations(recipe, BATCH_SEED)
    run = catalog.run(recipe, UNMASKED.slug).run
    return RecipeBudget(
        recipe=recipe,
        conversations=len(conversations),
        policies={budget.policy.slug: budget for budget in policy_budgets(recipe, conversations)},
        segments=segment_budgets(conversations, run.metrics_at(run.steps).loss),
        steps=run.steps,
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
        asked=await engine.call(partial(_ask, recipe, models, messages)),
        budgets={budget.policy.slug: budget for budget in policy_budgets(recipe, rendered)},
    )


def _ask(recipe: Recipe, models: dict[str, GPT], messages: tuple[Message, ...]) -> tuple[Asked, ...]:
    """Each model in the place of each of the assistant's messages, all that is before it fed in."""
    places = [place for place, message in enumerate(messages) if message.role == "assistant" and place]
    histories = [_history(recipe, messages[:place]) for place in places]
    if not histories:
        return ()
    stop = recipe.tokenizer.end_of_turn_id
    prompts = [history.token_ids for history in histories]
    given = {
        slug: [recipe.tokenizer.decode(completion.token_ids) for completion in generate(model, prompts, stop_id=stop)]
        for slug, model in models.items()
    }
    return tuple(
        Asked(
            turn,
            messages[place - 1].content,
            messages[place].content + END_OF_TURN,
            tuple((slug, texts[turn - 1]) for slug, texts in given.items()),
        )
        for turn, place in enumerate(places, 1)
    )


def _history(recipe: Recipe, messages: tuple[Message, ...]) -> Rendered:
    return render_chat(messages, recipe.tokenizer, generation_prompt=True)
