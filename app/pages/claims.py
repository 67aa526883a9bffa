"""Claims (`/claims`): what the lesson states, judged by what was measured."""

from dataclasses import dataclass
from typing import get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.charts.curves import CurveChart
from app.charts.limits import answers_chart, labeller_chart
from app.deps import EvidenceDep
from app.templating import render
from model.claims.claim import Word
from model.claims.ledger import Entry, ledger

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class ClaimsContext:
    claims: tuple[Entry, ...]
    charts: dict[str, CurveChart]
    """Of the claims that no other page shows."""
    counts: dict[str, int]
    """By verdict."""


@router.api_route("/claims", methods=["GET", "HEAD"])
async def page(request: Request, evidence: EvidenceDep) -> Response:
    """The whole ledger."""
    claims = tuple(ledger(evidence))
    charts = {"labeller": labeller_chart(evidence.limits), "answers": answers_chart(evidence.limits)}
    counts = {word: sum(entry.judgement.word == word for entry in claims) for word in get_args(Word)}
    return render(request, "claims/page.html", ClaimsContext(claims, charts, counts))
