"""Votes (`/votes`): a teacher asks the class, phones answer, the count shows, then the bars, then the truth."""

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from app.charts.qr import QrCode, draw_qr_code
from app.codes import CODE_LENGTH
from app.deps import AblationDep, CatalogDep, EngineDep, ExamplesDep, OpeningsDep, SettingsDep, VotesDep
from app.figures import State
from app.polls import gather_material, put_question
from app.room import sites_for_others
from app.settings import Settings
from app.templating import is_partial, render
from app.votes.polls import Choice, Material
from app.votes.questions import Question, questions_for
from app.votes.sessions import Vote, VoteClosed, new_voter
from model.errors import InvalidText, MaskscopeError, OutOfRange, UnknownName
from model.training.conversations import render_prompt

router = APIRouter(include_in_schema=False)

MOST_FIELDS = 10
LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Start:
    """What can be asked of a word, and where a code is written."""

    material: Material | None
    """None where only a code was asked for."""
    questions: tuple[Question, ...]
    code: str = ""
    code_length: int = CODE_LENGTH


@dataclass(frozen=True)
class Bar:
    """A choice; how many chose it is None while the vote is open."""

    letter: str
    choice: Choice
    votes: int | None
    share: float
    """Of the longest bar, in percent."""
    is_mine: bool
    is_true: bool


@dataclass(frozen=True)
class Shown:
    """A vote as one of its addresses shows it."""

    vote: Vote
    bars: tuple[Bar, ...]
    address: str
    """This view's own."""
    voter: str
    teacher: str | None
    """The token, in the teacher's view."""
    said: str | None
    """The letter of the visitor's own answer."""
    join: str | None
    """The address by which a room gets there, in the teacher's view; None if no other machine can."""
    drawn: QrCode | None
    """That address."""


@dataclass(frozen=True)
class VotesContext:
    start: Start | None = None
    shown: Shown | None = None
    message: str | None = None


@router.api_route("/votes", methods=["GET", "HEAD"])
async def page(
    request: Request,
    state: Annotated[State, Query()],
    catalog: CatalogDep,
    ablation: AblationDep,
    openings: OpeningsDep,
    examples: ExamplesDep,
    code: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """What can be asked of a word; a code leads to its vote."""
    if code.strip():
        return RedirectResponse(f"/votes/{quote(code.strip().upper(), safe='')}", 303)
    material = gather_material(state, catalog, ablation, openings, examples)
    return _choose(request, material)


@router.post("/votes")
async def start(
    request: Request,
    votes: VotesDep,
    catalog: CatalogDep,
    ablation: AblationDep,
    openings: OpeningsDep,
    examples: ExamplesDep,
    engine: EngineDep,
) -> Response:
    """Open a vote, and lead its teacher to it."""
    form = _fields(await request.body())
    material = gather_material(_state(form), catalog, ablation, openings, examples)
    try:
        poll = await put_question(form.get("question", ""), material, engine)
    except InvalidText:
        return _choose(request, material)
    vote = votes.open(poll, _client(request))
    return _to(vote, teacher=vote.teacher)


@router.api_route("/votes/{code}", methods=["GET", "HEAD"])
async def watch(
    request: Request,
    code: str,
    votes: VotesDep,
    settings: SettingsDep,
    voter: Annotated[str | None, Query(max_length=64)] = None,
    teacher: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """A vote as a phone or its teacher sees it: the whole page, or to htmx the vote alone."""
    try:
        vote = votes.find(code)
    except UnknownName as error:
        if is_partial(request):
            raise
        start = Start(None, (), code[:CODE_LENGTH])
        return render(request, "votes/page.html", VotesContext(start=start, message=error.message), 404)
    if teacher is not None:
        vote.check_teacher(teacher)
    return _show(request, settings, vote, voter, teacher)


@router.post("/votes/{code}/answers")
async def answer(request: Request, code: str, votes: VotesDep, settings: SettingsDep) -> Response:
    """Take an answer and go back to the vote, where it shows; one that comes too late is told so."""
    vote, form = votes.find(code), _fields(await request.body())
    voter = form.get("voter") or new_voter()
    try:
        votes.answer(vote, voter, form.get("choice", ""), _client(request))
    except VoteClosed as error:
        return _show(request, settings, vote, voter, None, error)
    return _to(vote, voter=voter)


@router.post("/votes/{code}/{command}")
async def command(
    request: Request,
    code: str,
    command: Literal["close", "reveal"],
    votes: VotesDep,
    settings: SettingsDep,
    teacher: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Close the vote, or show the truth, and go back to it."""
    vote = votes.find(code)
    vote.check_teacher(teacher)
    try:
        vote.close() if command == "close" else vote.reveal()
    except VoteClosed as error:
        return _show(request, settings, vote, None, teacher, error)
    return _to(vote, teacher=teacher)


def _choose(request: Request, material: Material) -> Response:
    message = None
    try:
        render_prompt(material.recipe, material.word)
        start = Start(material, tuple(questions_for(material)))
    except InvalidText as error:
        start, message = Start(material, ()), error.message
    return render(request, "votes/page.html", VotesContext(start, message=message), 422 if message else 200)


def _show(
    request: Request,
    settings: Settings,
    vote: Vote,
    voter: str | None,
    teacher: str | None,
    refusal: MaskscopeError | None = None,
) -> Response:
    voter = voter or new_voter()
    who = {"voter": voter} if teacher is None else {"teacher": teacher}
    bars = _bars(vote, None if teacher else voter)
    said = next((bar.letter for bar in bars if bar.is_mine), None)
    join = _address_for_others(request, settings, vote) if teacher and vote.status == "open" else None
    drawn = draw_qr_code(join) if join else None
    shown = Shown(vote, bars, f"/votes/{vote.code}?{urlencode(who)}", voter, teacher, said, join, drawn)
    template = "votes/_vote.html" if is_partial(request) else "votes/page.html"
    context = VotesContext(shown=shown, message=refusal.message if refusal else None)
    return render(request, template, context, 409 if refusal else 200)


def _address_for_others(request: Request, settings: Settings, vote: Vote) -> str | None:
    return next((f"{site}/votes/{vote.code}" for site in sites_for_others(request.url, settings.host)), None)


def _bars(vote: Vote, voter: str | None) -> tuple[Bar, ...]:
    counts = vote.counts()
    longest = max(counts.values(), default=0) if counts else 0
    return tuple(
        Bar(
            letter=letter,
            choice=choice,
            votes=counts[choice.slug] if counts else None,
            share=100 * counts[choice.slug] / longest if counts and longest else 0.0,
            is_mine=vote.chosen_by(voter) == choice.slug,
            is_true=vote.truth is not None and vote.truth.choice == choice.slug,
        )
        for letter, choice in zip(LETTERS, vote.poll.choices, strict=False)
    )


def _to(vote: Vote, **who: str) -> Response:
    return RedirectResponse(f"/votes/{vote.code}?{urlencode(who)}", 303)


def _fields(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise OutOfRange(f"The form has too many fields: {MOST_FIELDS} at most") from error


def _state(form: dict[str, str]) -> State:
    """The word, recipe and step that a question is about."""
    try:
        return State.model_validate({name: form[name] for name in ("recipe", "prompt", "step") if form.get(name)})
    except ValidationError as error:
        raise OutOfRange(f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg'].lower()}") from error


def _client(request: Request) -> str:
    return request.client.host if request.client else ""
