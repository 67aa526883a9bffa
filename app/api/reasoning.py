"""/api/v1/reasoning: sums answered at once and with a trace, by number of terms; and what else could explain it."""

from fastapi import APIRouter
from pydantic import Field

from app.api.schemas import ERRORS, Answer, Rate, SeedRate
from app.deps import EvidenceDep
from model.experiments.reasoning.controls import PAIR, control_rows
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


class ControlRunAnswer(Answer):
    arm: str
    seed: int
    steps: int
    targets: int = Field(description="Supervised targets that training used.")
    by_terms: list[TermsAnswer] = Field(description="Empty for the pair itself, whose answers are among `runs`.")


class ControlRowAnswer(Answer):
    slug: str
    title: str
    steps: int
    targets: float = Field(description="Supervised targets that training used, mean over seeds.")
    positions: float = Field(description="Mean number of positions run behind the sum: written ones, and the filler's.")
    right: SeedRate


class ControlsAnswer(Answer):
    terms: int
    arms: list[ControlRowAnswer]
    runs: list[ControlRunAnswer]


class ReasoningAnswer(Answer):
    runs: list[ReasoningRunAnswer]
    over_seeds: list[PairAnswer]
    controls: ControlsAnswer = Field(
        description="What else could make the trace help: equal targets, and a filler as long as the trace."
    )


@router.get("")
async def read(evidence: EvidenceDep) -> ReasoningAnswer:
    """Every run, on unseen sums of each number of terms, one more than trained among them, and over seeds."""
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
        controls=ControlsAnswer(
            terms=PAIR.sums.most,
            arms=[ControlRowAnswer.model_validate(row) for row in control_rows(evidence.controls, evidence.reasoning)],
            runs=[ControlRunAnswer.model_validate(run) for run in evidence.controls],
        ),
    )
