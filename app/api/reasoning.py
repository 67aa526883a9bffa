"""/api/v1/reasoning: sums answered at once and with a trace, by number of terms."""

from fastapi import APIRouter
from pydantic import Field

from app.api.schemas import ERRORS, Answer, Rate
from app.deps import EvidenceDep

router = APIRouter(prefix="/api/v1/reasoning", tags=["reasoning"], responses=ERRORS)


class TermsAnswer(Answer):
    terms: int
    right: Rate = Field(description="What stands behind the trace, if there is one, is the sum and a stop.")
    whole: Rate = Field(description="The trace is right as well.")
    passes: float = Field(description="Mean forward passes per answer.")


class ReasoningRunAnswer(Answer):
    recipe: str
    seed: int
    steps: int
    by_terms: list[TermsAnswer]


class ReasoningAnswer(Answer):
    runs: list[ReasoningRunAnswer]


@router.get("")
async def read(evidence: EvidenceDep) -> ReasoningAnswer:
    """Every run, on held-out sums of each number of terms, one more than trained among them."""
    return ReasoningAnswer(runs=[ReasoningRunAnswer.model_validate(run) for run in evidence.reasoning])
