"""The lesson (`/lesson`): its contents, and each of its parts with the page and the claims behind it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.deps import EvidenceDep
from app.lesson_path import LESSON, Part, Place, at_text, live_address
from app.templating import render
from model.claims.ledger import CLAIMS, Entry, enter

router = APIRouter(include_in_schema=False)


class State(BaseModel):
    """What the address says. 0 is the contents; a number beyond the last part is moved to it."""

    part: int = 0


@dataclass(frozen=True)
class LessonContext:
    parts: tuple[Part, ...]
    live: tuple[str, ...]
    """The address of each part's live page."""
    place: Place | None
    """None at the contents."""
    claims: tuple[Entry, ...]


@router.api_route("/lesson", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], evidence: EvidenceDep) -> Response:
    """The contents, or one part."""
    number = min(max(state.part, 0), len(LESSON))
    place = at_text(number) if number else None
    live = tuple(live_address(n) for n in range(1, len(LESSON) + 1))
    claims = (claim for claim in CLAIMS.values() if place and claim.part == place.part.slug)
    context = LessonContext(LESSON, live, place, tuple(enter(claim, evidence) for claim in claims))
    return render(request, "lesson/page.html", context)
