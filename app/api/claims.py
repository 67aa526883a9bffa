"""/api/v1/claims: the ledger, each claim with its figures and its verdict."""

from fastapi import APIRouter
from pydantic import Field

from app.api.schemas import ERRORS, Answer
from app.deps import EvidenceDep
from model.claims.claim import Spans, Unit, Word
from model.claims.ledger import Entry, ledger

router = APIRouter(prefix="/api/v1/claims", tags=["claims"], responses=ERRORS)


class FigureAnswer(Answer):
    label: str
    value: float = Field(description="Of shares and of points, which are their differences, a fraction of 1.")
    unit: Unit
    conditions: str
    n: int | None = Field(description="How many of what the label counts; of a rate, its questions.")
    low: float | None
    high: float | None
    spans: Spans | None = Field(description="What low and high are; null if there are none.")
    seeds: list[float] = Field(description="Of a figure over seeds: the value of each.")
    questions: int | None = Field(description="Of a rate: the different ones asked, those of several seeds once.")


class ClaimAnswer(Answer):
    slug: str
    says: str
    verdict: Word
    sentence: str
    figures: list[FigureAnswer]
    command: str = Field(description="Measures the figures anew.")
    page: str


class ClaimsAnswer(Answer):
    claims: list[ClaimAnswer]


@router.get("")
async def read(evidence: EvidenceDep) -> ClaimsAnswer:
    """All claims, in the lesson's order."""
    return ClaimsAnswer(claims=[_answer(entry) for entry in ledger(evidence)])


def _answer(entry: Entry) -> ClaimAnswer:
    claim, source = entry.claim, entry.claim.source
    told = {**vars(claim), **vars(entry.judgement), "figures": entry.figures, "page": source.page}
    return ClaimAnswer.model_validate({**told, "command": source.check, "verdict": entry.judgement.word})
