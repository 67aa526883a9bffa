"""/api/v1/limits: models shown one answer to a word, or two, or wrong ones: one asked now, and all as measured."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from app.api.schemas import ERRORS, Answer, Rate, Request, SeedRate, Slug, Text
from app.deps import CatalogDep, EngineDep, EvidenceDep
from model.errors import check_known
from model.experiments.limits import ASKED, limits_rows
from model.experiments.other_answers import limit_recipe
from model.experiments.shipped import SEEDS
from model.explain.both_answers import ask_for_both

router = APIRouter(prefix="/api/v1/limits", tags=["limits"], responses=ERRORS)


class LimitsQuery(Request):
    model_config = ConfigDict(strict=False)

    arm: Slug = Field("both-50", description=f"One of: {', '.join(ASKED)}.")
    seed: int = Field(SEEDS[0], ge=min(SEEDS), le=max(SEEDS))
    prompt: Text = "abcd"


class OddsAnswer(Answer):
    text: str
    tokens: list[tuple[str, float]] = Field(description="Each with its probability if all before it is fed in.")
    probability: float = Field(description="Of the whole answer with its stop.")


class AskedAnswer(Answer):
    word: str
    reversal: OddsAnswer
    copied: OddsAnswer = Field(description="The word itself.")
    mixed: float = Field(description="Probability of all mixtures of the two, letter by letter.")
    rest: float = Field(description="Probability of everything else.")
    written: str = Field(description="Greedy, with its stop if there is one.")
    writes: str = Field(description="`the reversal`, `the word itself`, `a mixture` or `neither`.")


class LimitRunAnswer(Answer):
    where: str = Field(description="Which labels are the word itself: `scattered`, `predictable`, or `both`.")
    share: float = Field(description="Of the labels, those that are the word itself.")
    seed: int
    steps: int
    labeller: Rate
    reversal: Rate = Field(description="Greedy: the reversal and a stop, of unseen words.")
    other: Rate = Field(description="Greedy: the word itself and a stop.")
    stopped: Rate | None = Field(description="Greedy: any answer with a stop; null where it was not counted.")
    mixed: Rate | None = Field(description="Greedy: a mixture of both answers, letter by letter, and a stop.")
    p_reversal: float = Field(description="Mean probability of the reversal with its stop.")
    p_other: float
    p_mixed: float | None


class LimitsOverSeeds(Answer):
    where: str
    share: float
    labeller: SeedRate
    reversal: SeedRate
    other: SeedRate
    p_reversal: list[float] = Field(description="Of each seed.")
    p_other: list[float]
    p_mixed: list[float] = Field(description="Empty where it was not counted.")


class LimitsAnswer(Answer):
    arm: str
    seed: int
    asked: AskedAnswer
    runs: list[LimitRunAnswer]
    over_seeds: list[LimitsOverSeeds]


@router.get("")
async def read(
    query: Annotated[LimitsQuery, Query()], catalog: CatalogDep, engine: EngineDep, evidence: EvidenceDep
) -> LimitsAnswer:
    """The probabilities of both answers to a word of four letters, and every run as it was measured."""
    check_known(query.arm, ASKED, "arm")
    arm = ASKED[query.arm]
    recipe, model = limit_recipe(arm.where, arm.share), catalog.several[arm.slug, query.seed]
    asked = await engine.call(partial(ask_for_both, model, recipe, query.prompt))
    return LimitsAnswer(
        arm=arm.slug,
        seed=query.seed,
        asked=AskedAnswer.model_validate(asked),
        runs=[LimitRunAnswer.model_validate(run) for run in evidence.limits],
        over_seeds=[
            LimitsOverSeeds(
                where=row.spread.slug,
                share=row.share,
                labeller=SeedRate.model_validate(row.labeller),
                reversal=SeedRate.model_validate(row.reversal),
                other=SeedRate.model_validate(row.other),
                p_reversal=list(row.p_reversal),
                p_other=list(row.p_other),
                p_mixed=list(row.p_mixed),
            )
            for row in limits_rows(evidence.limits)
        ],
    )
