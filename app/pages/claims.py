"""Claims (`/claims`): what the lesson states, judged by what was measured."""

from dataclasses import dataclass
from typing import get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.charts.curves import CurveChart
from app.charts.limits import answers_chart, labeller_chart
from app.deps import EvidenceDep
from app.templating import render
from model.claims.claim import Claim, Figure, Judgement, Word
from model.claims.ledger import Entry, ledger

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class FigureRow:
    label: str
    value: str
    interval: str
    seeds: str
    n: int | None
    conditions: str


@dataclass(frozen=True)
class ClaimView:
    claim: Claim
    judgement: Judgement
    rows: tuple[FigureRow, ...]
    chart: CurveChart | None
    """Of those that no other page shows."""


@dataclass(frozen=True)
class ClaimsContext:
    claims: tuple[ClaimView, ...]
    counts: dict[str, int]
    """By verdict."""


@router.api_route("/claims", methods=["GET", "HEAD"])
async def page(request: Request, evidence: EvidenceDep) -> Response:
    """The whole ledger."""
    charts = {"labeller": labeller_chart(evidence.limits), "answers": answers_chart(evidence.limits)}
    views = tuple(_view(entry, charts.get(entry.claim.slug)) for entry in ledger(evidence))
    counts = {word: sum(view.judgement.word == word for view in views) for word in get_args(Word)}
    return render(request, "claims/page.html", ClaimsContext(views, counts))


def _view(entry: Entry, chart: CurveChart | None) -> ClaimView:
    rows = tuple(map(_row, entry.figures))
    return ClaimView(entry.claim, entry.judgement, rows, chart)


def _row(figure: Figure) -> FigureRow:
    interval = f"{figure.interval()} ({figure.spans})" if figure.low is not None else ""
    return FigureRow(figure.label, str(figure), interval, figure.by_seed(), figure.n, figure.conditions)
