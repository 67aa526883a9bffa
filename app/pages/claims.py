"""Claims (`/claims`): what the lesson states, judged by what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.charts.claims import ClaimLine, draw_line
from app.charts.curves import CurveChart
from app.charts.limits import answers_chart, labeller_chart
from app.deps import EvidenceDep
from app.lesson_path import LESSON, Part
from app.templating import render
from model.claims.claim import Word
from model.claims.ledger import Entry, ledger
from model.errors import check_known

router = APIRouter(include_in_schema=False)


SLUGS = {word.replace(" ", "-"): word for word in get_args(Word)}
"""Verdicts by their name in the address."""


class State(BaseModel):
    """What the address says: all claims, or those of one verdict."""

    verdict: str | None = None


@dataclass(frozen=True)
class PartClaims:
    """What one part of the lesson states."""

    number: int
    part: Part
    claims: tuple[Entry, ...]


@dataclass(frozen=True)
class ClaimsContext:
    parts: tuple[PartClaims, ...]
    shown: int
    verdict: Word | None
    lines: dict[str, ClaimLine]
    """By claim."""
    charts: dict[str, CurveChart]
    """Of the claims that no other page shows."""
    counts: dict[Word, int]
    """By verdict, over all claims."""


@router.api_route("/claims", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], evidence: EvidenceDep) -> Response:
    """The whole ledger, a line for each claim, or the claims of one verdict."""
    if state.verdict is not None:
        check_known(state.verdict, SLUGS, "verdict")
    verdict = SLUGS[state.verdict] if state.verdict else None
    claims = tuple(ledger(evidence))
    shown = tuple(entry for entry in claims if verdict in (None, entry.judgement.word))
    lines = {entry.claim.slug: draw_line(entry.line) for entry in shown}
    charts = {"labeller": labeller_chart(evidence.limits), "answers": answers_chart(evidence.limits)}
    counts = {word: sum(entry.judgement.word == word for entry in claims) for word in get_args(Word)}
    context = ClaimsContext(_by_part(shown), len(shown), verdict, lines, charts, counts)
    return render(request, "claims/page.html", context)


def _by_part(claims: Sequence[Entry]) -> tuple[PartClaims, ...]:
    """In the lesson's order, without the parts that state nothing."""
    parts = (
        PartClaims(number, part, tuple(entry for entry in claims if entry.claim.part == part.slug))
        for number, part in enumerate(LESSON, 1)
    )
    return tuple(part for part in parts if part.claims)
