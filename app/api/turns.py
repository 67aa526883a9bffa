"""/api/v1/turns: trained on all answers or on the last alone, where half of the conversations have one turn."""

from fastapi import APIRouter
from pydantic import Field

from app.api.schemas import ERRORS, Answer, Rate, SeedRate
from app.deps import EvidenceDep
from model.experiments.turns import ENOUGH, MIXED, SINGLE_SHARE, mixed_rows

router = APIRouter(prefix="/api/v1/turns", tags=["masks"], responses=ERRORS)


class TurnsMeasuredAnswer(Answer):
    step: int
    targets: int = Field(description="Supervised targets that training has used.")
    by_turn: list[Rate] = Field(description="Right and stopped, the right history fed in, by the turn that is asked.")


class TurnsRunAnswer(Answer):
    policy: str
    seed: int
    by_step: list[TurnsMeasuredAnswer]


class TurnsRowAnswer(Answer):
    policy: str
    steps: int
    by_turn: list[SeedRate] = Field(description="At the end of training.")
    learned: list[int | None] = Field(
        description=f"By seed, the first measured step with {ENOUGH:.0%} of every turn right; null: none."
    )
    targets: float = Field(description="Supervised targets that training used, mean over seeds.")


class TurnsAnswer(Answer):
    recipe: str
    single_share: float = Field(description="Of the training conversations, those with one turn.")
    runs: list[TurnsRunAnswer]
    over_seeds: list[TurnsRowAnswer]


@router.get("")
async def read(evidence: EvidenceDep) -> TurnsAnswer:
    """Every run of both masks, step by step, and over seeds at the end; without single turns see the gallery."""
    return TurnsAnswer(
        recipe=MIXED.slug,
        single_share=SINGLE_SHARE,
        runs=[TurnsRunAnswer.model_validate(run) for run in evidence.turns],
        over_seeds=[TurnsRowAnswer.model_validate(row) for row in mixed_rows(evidence.turns)],
    )
