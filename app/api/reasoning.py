"""/api/v1/reasoning: sums answered at once and with a trace, by number of terms."""

from fastapi import APIRouter
from pydantic import Field

from app.api.schemas import ERRORS, Answer, Rate, SeedRate
from app.deps import EvidenceDep
from model.experiments.reasoning.traces import TRACE_PAIRS, terms_rows

router = APIRouter(prefix="/api/v1/reasoning", tags=["reasoning"], responses=ERRORS)


class TermsAnswer(Answer):
    terms: int
    right: Rate = Field(
        description="Right and stopped: what stands behind the trace, if there is one, is the sum and a stop."
    )
    whole: Rate = Field(description="The trace is right as well.")
    passes: float = Field(description="Mean forward passes per answer.")


class ReasoningRunAnswer(Answer):
    recipe: str
    seed: int
    steps: int
    by_terms: list[TermsAnswer]


class TermsRowAnswer(Answer):
    terms: int
    trained: bool
    rates: list[SeedRate] = Field(description="Right and stopped: at once, and with a trace.")
    whole: SeedRate = Field(description="With a trace: the trace is right as well.")
    passes: list[float]


class PairAnswer(Answer):
    slug: str
    recipes: list[str] = Field(description="At once, and with a trace.")
    by_terms: list[TermsRowAnswer]


class ReasoningAnswer(Answer):
    runs: list[ReasoningRunAnswer]
    over_seeds: list[PairAnswer]


@router.get("")
async def read(evidence: EvidenceDep) -> ReasoningAnswer:
    """Every run, on held-out sums of each number of terms, one more than trained among them, and over seeds."""
    return ReasoningAnswer(
        runs=[ReasoningRunAnswer.model_validate(run) for run in evidence.reasoning],
        over_seeds=[
            PairAnswer(
                slug=pair.slug,
                recipes=[recipe.slug for recipe in pair.recipes],
                by_terms=[TermsRowAnswer.model_validate(row) for row in terms_rows(pair, evidence.reasoning)],
            )
            for pair in TRACE_PAIRS.values()
        ],
    )
