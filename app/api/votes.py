"""/api/v1/votes: open a vote, answer, close, reveal. Parse, call the domain, answer."""

from typing import Annotated, Literal

import fastapi
from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from app.api.schemas import ERRORS, Answer, Request, Slug, Text
from app.deps import AblationDep, CatalogDep, EngineDep, ExamplesDep, OpeningsDep, VotesDep
from app.figures import State
from app.polls import gather_material, put_question
from app.votes.questions import QUESTIONS
from app.votes.sessions import Status, Vote, new_voter

router = APIRouter(prefix="/api/v1/votes", tags=["votes"], responses={**ERRORS, 403: ERRORS[404], 409: ERRORS[404]})

Token = Annotated[str, Field(min_length=1, max_length=64)]


class VoteRequest(Request):
    """A question about a word. Without a word it is about the one that the visualizer opens with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"question": "first", "prompt": "live"}]})

    question: Slug = Field(description=f"One of: {', '.join(QUESTIONS)}.")
    recipe: Slug | None = Field(None, description="Default: one that reads the word.")
    prompt: Text | None = None
    step: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(None, description="Moved to the nearest kept one.")


class AnswerRequest(Request):
    choice: Slug
    voter: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="As the first answer was given; its answer changes. Default: a new one."
    )


class TeacherRequest(Request):
    teacher: Token = Field(description="As it came when the vote was opened.")


class VoteChoice(Answer):
    slug: str
    text: str
    votes: int | None = Field(description="Null while the vote is open.")


class VoteTruth(Answer):
    choice: str
    sentence: str
    link: str


class VoteState(Answer):
    code: str
    question: str
    text: str
    status: Literal["open", "closed", "revealed"]
    answers: int = Field(description="How many have answered.")
    choices: list[VoteChoice]
    truth: VoteTruth | None = Field(description="Null until it is revealed.")
    race: str | None = Field(description="The id of the race that decides it, once it was started.")


class VoteOpened(VoteState):
    teacher: str = Field(description="For closing and revealing; nobody else learns it.")
    address: str
    page: str
    teacher_page: str


class VoteAnswered(Answer):
    voter: str
    choice: str
    answers: int


@router.post("", status_code=201)
async def open_vote(
    body: VoteRequest,
    request: fastapi.Request,
    response: Response,
    votes: VotesDep,
    catalog: CatalogDep,
    ablation: AblationDep,
    openings: OpeningsDep,
    examples: ExamplesDep,
    engine: EngineDep,
) -> VoteOpened:
    """Open a vote; its truth is computed now, and told when it is revealed."""
    state = State(recipe=body.recipe, prompt=body.prompt, step=body.step)
    material = gather_material(state, catalog, ablation, openings, examples)
    vote = votes.open(await put_question(body.question, material, engine), _client(request))
    response.headers["Location"] = address = f"/api/v1/votes/{vote.code}"
    page = f"/votes/{vote.code}"
    return VoteOpened(
        **_read(vote).model_dump(),
        teacher=vote.teacher,
        address=address,
        page=page,
        teacher_page=f"{page}?teacher={vote.teacher}",
    )


@router.get("/{code}")
async def read(code: str, votes: VotesDep) -> VoteState:
    """How many have answered; what they said once it is closed, and the truth once it is revealed."""
    return _read(votes.find(code))


@router.post("/{code}/answers")
async def answer(code: str, body: AnswerRequest, request: fastapi.Request, votes: VotesDep) -> VoteAnswered:
    """Answer, or change one's answer."""
    vote, voter = votes.find(code), body.voter or new_voter()
    votes.answer(vote, voter, body.choice, _client(request))
    return VoteAnswered(voter=voter, choice=body.choice, answers=vote.count)


@router.post("/{code}/{command}")
async def command(code: str, command: Literal["close", "reveal"], body: TeacherRequest, votes: VotesDep) -> VoteState:
    """`close`: no more answers. `reveal`, after that: the truth."""
    vote = votes.find(code)
    vote.check_teacher(body.teacher)
    vote.close() if command == "close" else vote.reveal()
    return _read(vote)


def _read(vote: Vote) -> VoteState:
    status: Status = vote.status
    counts, truth = vote.counts(), vote.truth
    return VoteState(
        code=vote.code,
        question=vote.poll.question,
        text=vote.poll.text,
        status=status,
        answers=vote.count,
        choices=[
            VoteChoice(slug=choice.slug, text=choice.text, votes=counts[choice.slug] if counts else None)
            for choice in vote.poll.choices
        ],
        truth=VoteTruth.model_validate(truth) if truth else None,
        race=vote.race,
    )


def _client(request: fastapi.Request) -> str:
    return request.client.host if request.client else ""
