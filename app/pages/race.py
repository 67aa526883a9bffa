"""Live races (`/race`): choose and start one, watch and command it at its own address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, quote, urlencode

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import RedirectResponse, Response

from app.charts.curves import CurveChart
from app.charts.files import to_standalone_svg
from app.charts.race import draw_race, name_of
from app.deps import RacesDep, SettingsDep, VotesDep
from app.races.orders import RACE_WORDS, SEED_HIGH, RaceOrder, order_race
from app.races.owners import TOKEN_LIMIT
from app.races.sessions import Race, Races
from app.races.standings import THRESHOLDS, results_of
from app.room import sites_for_others
from app.templating import is_partial, render
from app.votes.polls import Poll, Truth
from app.votes.race import RACE_PERCENT, Progress, ask_before_race, decide_race
from app.votes.sessions import Vote
from model.errors import InvalidText, OutOfRange, check_known
from model.masks.policies import COMPARED_POLICIES, MASK_POLICIES, POLICY_NAMES, MaskPolicy
from model.text.tokenizer import END_OF_TURN
from model.training.recipes import LIMITS, RECIPES, WIDTH_STEP, Recipe, Variation, find_recipe

router = APIRouter(include_in_schema=False)

RACE_RECIPE = "reverse4"
"""A race of it takes seconds, not minutes."""
MOST_FIELDS = 50
NUMBERS = {
    "width": "Width",
    "layers": "Layers",
    "learning_rate": "Learning rate",
    "batch_size": "Batch, words",
    "steps": "Steps",
    "min_length": "Letters, at least",
    "max_length": "Letters, at most",
    "evaluate_every": "Measure every, steps",
}
"""The fields of a Variation that the form offers."""
RACE_FIELDS = {"recipe", "seed", "prompt", *NUMBERS}
"""Of the form, beside the policies."""
VARIATION = TypeAdapter(Variation)
OwnerToken = Annotated[str, Query(max_length=TOKEN_LIMIT)]


@dataclass(frozen=True)
class NumberField:
    """A number of the form; empty means the recipe's own."""

    name: str
    title: str
    lowest: float
    highest: float
    step: str
    default: float
    given: str


@dataclass(frozen=True)
class Start:
    """The form to start a race."""

    recipes: tuple[Recipe, ...]
    recipe: Recipe
    form: dict[str, str]
    """What was given, by field."""
    chosen: tuple[str, ...]
    """Policies."""
    names: Mapping[str, str]
    """Of the two that are compared everywhere."""
    others: tuple[MaskPolicy, ...]
    other: str
    """A third one's slug, or nothing."""
    numbers: tuple[NumberField, ...]
    races: tuple[Race, ...]
    owner: str = ""
    """The token that this page was opened with: the list leads on with it to the races that it commands."""
    seed_high: int = SEED_HIGH
    words: int = RACE_WORDS


@dataclass(frozen=True)
class Live:
    """A race as it stands."""

    race: Race
    title: str
    place: int | None
    charts: tuple[CurveChart, ...]
    results: dict[str, Any]
    names: dict[str, str]
    """Of the models, by policy."""
    answer: str
    owner: str | None = None
    """The token of whoever may command it, on his own page only."""
    thresholds: tuple[int, ...] = THRESHOLDS


@dataclass(frozen=True)
class RaceContext:
    start: Start | None = None
    live: Live | None = None
    message: str | None = None
    vote: str | None = None
    """The address of the vote that came before it, as its teacher has it."""
    join: str | None = None
    """The address by which others follow it; None if no other machine can."""


@router.api_route("/race", methods=["GET", "HEAD"])
async def page(
    request: Request, races: RacesDep, recipe: Annotated[str, Query()] = RACE_RECIPE, owner: OwnerToken = ""
) -> Response:
    """The form to start a race, and the races there are. What a race needs is imported while it is filled in."""
    if request.method == "GET":
        races.expect_race()
    return render(request, "race/page.html", RaceContext(_start({"recipe": recipe}, COMPARED_POLICIES, races, owner)))


@router.post("/race")
async def start(request: Request, races: RacesDep, votes: VotesDep, settings: SettingsDep) -> Response:
    """Start what the form says and go to its address, or open a vote on it; or say what is wrong with it.

    Starting a race that a vote is about closes the vote: nobody answers who has seen the curves.
    """
    form, policies = {"recipe": RACE_RECIPE}, COMPARED_POLICIES
    try:
        form, policies = _fields(await request.body())
        order = _order(form, policies, settings.race_max_cost)
        if form.get("ask"):
            races.expect_race()
            vote = votes.open(_ask_before(order, form), request.client.host if request.client else "")
            return RedirectResponse(f"/votes/{vote.code}?{urlencode({'teacher': vote.teacher})}", 303)
    except (InvalidText, OutOfRange) as error:
        context = RaceContext(start=_start(form, policies, races), message=error.message)
        return render(request, "race/page.html", context, 422)
    if "vote" not in form:
        race = races.start(order)
        return RedirectResponse(_address(race, race.owner.token), 303)
    vote = votes.find(form["vote"])
    vote.check_teacher(form.get("teacher", ""))
    if vote.race is None:
        _decide_by(vote, races.start(order))
    assert vote.race
    asked = urlencode({"vote": vote.code, "teacher": vote.teacher, "owner": vote.race_owner})
    return RedirectResponse(f"/race/{vote.race}?{asked}", 303)


@router.api_route("/race/{id}", methods=["GET", "HEAD"])
async def watch(
    request: Request,
    id: str,
    races: RacesDep,
    settings: SettingsDep,
    vote: Annotated[str | None, Query(max_length=64)] = None,
    teacher: Annotated[str | None, Query(max_length=64)] = None,
    owner: OwnerToken = "",
) -> Response:
    """The race as it stands, its owner's page with buttons; to htmx it alone. The vote's teacher has a way back."""
    template = "race/_live.html" if is_partial(request) else "race/page.html"
    back = f"/votes/{quote(vote, safe='')}?{urlencode({'teacher': teacher})}" if vote and teacher else None
    live = _live(races.find(id), races, owner)
    join = next((f"{site}/race/{id}" for site in sites_for_others(request.url, settings.host)), None)
    return render(request, template, RaceContext(live=live, vote=back, join=join))


@router.post("/race/{id}/{command}")
async def command(
    request: Request, id: str, command: Literal["pause", "resume", "step", "stop"], races: RacesDep
) -> Response:
    """Command a race and go back to it. Raises NotTheOwner for a form without its owner's token."""
    race, owner = races.find(id), _fields(await request.body())[0].get("owner", "")
    race.owner.check(owner)
    if command != "stop":
        race.command(command)
    else:
        races.stop(race)
    return RedirectResponse(_address(race, owner), 303)


@router.get("/race/{id}/{chart}.svg")
async def chart_file(id: str, chart: str, races: RacesDep) -> Response:
    """A curve of the race as it stands, as a complete file."""
    race = races.find(id)
    charts = {drawn.slug: drawn for drawn in draw_race(race.order, race.standings)}
    check_known(chart, charts, "chart")
    headers = {"Content-Disposition": f'attachment; filename="race-{race.id}-{chart}.svg"'}
    return Response(to_standalone_svg(charts[chart]), media_type="image/svg+xml", headers=headers)


def _address(race: Race, owner: str) -> str:
    return f"/race/{race.id}?{urlencode({'owner': owner})}"


def _fields(body: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """The form's fields, and the policies chosen in it."""
    try:
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise OutOfRange(f"The form has too many fields: {MOST_FIELDS} at most") from error
    return {name: values[-1].strip() for name, values in fields.items()}, tuple(fields.get("policies", ()))


def _order(form: dict[str, str], policies: tuple[str, ...], max_cost: float) -> RaceOrder:
    """Raises OutOfRange or InvalidText for what the form's own bounds should have kept out."""
    if not policies:
        raise OutOfRange("Choose at least one model", param="policies")
    numbers = {name: form[name] for name in NUMBERS if form.get(name)}
    try:
        seed = int(form.get("seed") or "0")
        variation = VARIATION.validate_python({"evaluation_words": RACE_WORDS, **numbers})
    except ValidationError as error:
        raise OutOfRange(f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg'].lower()}") from error
    except ValueError as error:
        raise OutOfRange("The seed must be a whole number", param="seed") from error
    return order_race(form.get("recipe", RACE_RECIPE), policies, seed, form.get("prompt") or None, variation, max_cost)


def _ask_before(order: RaceOrder, form: dict[str, str]) -> Poll:
    """Raises OutOfRange for a race of one model, of which nobody can be first."""
    if len(order.policies) < 2:
        raise OutOfRange("To ask which is first, choose two models or more", param="policies")
    fields = [(name, value) for name, value in form.items() if name in RACE_FIELDS]
    names = {policy: name_of(policy) for policy in order.policies}
    return ask_before_race(names, (*fields, *(("policies", policy) for policy in order.policies)))


def _decide_by(vote: Vote, race: Race) -> None:
    """Close a vote on the race that now begins."""
    training = race.order.recipe.training
    conditions = (
        f"Measured every {training.evaluate_every} steps on {training.evaluation_words} unseen words; this race is one "
        f"seed, {race.order.seed}."
    )

    def decide() -> Truth | None:
        progress = {}
        for policy, standing in race.standings.items():
            reached = standing.reached(RACE_PERCENT)
            step = None if reached is None else int(reached["step"])
            progress[policy] = Progress(name_of(policy), step, standing.last()["step"])
        return decide_race(progress, race.status == "finished", f"/race/{race.id}", conditions)

    vote.race, vote.race_owner, vote.decide = race.id, race.owner.token, decide
    vote.close()


def _start(form: dict[str, str], policies: tuple[str, ...], races: Races, owner: str = "") -> Start:
    recipe = find_recipe(form.get("recipe", RACE_RECIPE), RECIPES.values())
    task, model, training = recipe.task, recipe.model, recipe.training
    defaults = {**vars(task), **vars(model), **vars(training), "steps": training.steps}
    numbers = (
        NumberField(name, title, *LIMITS[name], _step_of(name), defaults[name], form.get(name, ""))
        for name, title in NUMBERS.items()
    )
    return Start(
        recipes=tuple(RECIPES.values()),
        recipe=recipe,
        form=form,
        chosen=policies,
        names=POLICY_NAMES,
        others=tuple(policy for slug, policy in MASK_POLICIES.items() if slug not in COMPARED_POLICIES),
        other=next((policy for policy in policies if policy not in COMPARED_POLICIES), ""),
        numbers=tuple(numbers),
        races=races.newest_first(),
        owner=owner,
    )


def _step_of(name: str) -> str:
    return {"learning_rate": "any", "width": str(WIDTH_STEP)}.get(name, "1")


def _live(race: Race, races: Races, owner: str) -> Live:
    return Live(
        race=race,
        title=_title(race.order),
        place=races.place_of(race),
        charts=draw_race(race.order, race.standings),
        results=results_of(race.standings),
        names={policy: name_of(policy) for policy in race.order.policies},
        answer=race.order.recipe.task.answer(race.order.prompt) + END_OF_TURN,
        owner=owner if race.owner.is_told_by(owner) else None,
    )


def _title(order: RaceOrder) -> str:
    """The task's, or what was changed of it."""
    task, own = order.recipe.task, RECIPES[order.recipe_slug].task
    if task == own:
        return own.title.lower()
    asked = f", the first {task.answer_length} of the answer" if task.answer_length else ""
    return f"{own.slug} with words of {task.describe_lengths()}{asked}"
