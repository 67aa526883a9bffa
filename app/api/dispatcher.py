"""/api/v1/dispatcher: what SFT adds to the base, as measured; and where the probability goes for one request, live."""

from functools import partial
from itertools import product
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from app.api.schemas import ERRORS, Answer, MeanLoss, Rate, Request, SeedRate, Step, Text
from app.deps import CatalogDep, EngineDep, EvidenceDep
from model.experiments.dispatcher.arms import ARMS, SHARES
from model.experiments.dispatcher.factors import factors, mean_factors
from model.experiments.dispatcher.openings import SAMPLED_TOKENS, SAMPLES, masses, openings
from model.experiments.dispatcher.rates import (
    PRETRAINING_RATE,
    RATES,
    SKILLS,
    USED_RATE,
    factors_by_model,
    skill_rate,
)
from model.text.chat_template import SegmentKind
from model.text.corpus import Kind
from model.training.recipes import SUM_RECIPES

router = APIRouter(prefix="/api/v1/dispatcher", tags=["dispatcher"], responses=ERRORS)


class EndingsAnswer(Answer):
    """What follows the number that a text begins with, right or wrong, of all texts."""

    line: Rate
    stop: Rate
    other: Rate
    none: Rate = Field(description="The text gives no number: it begins with something else, or breaks off behind it.")


class AnsweredAnswer(Answer):
    """Requests about sums that SFT never saw, greedy; for a base all sums."""

    step: int
    right: Rate = Field(description="The text begins with the right number, whatever follows it.")
    exact: Rate = Field(description="Right and stopped: the right number and a stop, and nothing else.")
    endings: EndingsAnswer
    stops: Rate
    continues: Rate = Field(description="The text holds another question, as a worksheet would.")


class AbilityAnswer(Answer):
    continues: Rate
    knows: Rate = Field(description="Sums whose right number it gives behind `Q:` and `A:`, whatever follows it.")
    endings: EndingsAnswer
    loss: dict[Kind, MeanLoss]


class DriftAnswer(Answer):
    moved: dict[str, float] = Field(description="Length of a part's change over its length before.")
    text: dict[Kind, MeanLoss] = Field(description="KL to the base, nats per position of unseen documents.")
    request: dict[SegmentKind, MeanLoss] = Field(description="The same on requests, by the next token's segment.")
    ability: AbilityAnswer = Field(description="What the base could do, measured on this model.")


class ArmRunAnswer(Answer):
    arm: str
    seed: int
    share: float = Field(description="Of all sums, those that SFT saw.")
    positions: int
    supervised: int
    answered: list[AnsweredAnswer]
    drift: DriftAnswer | None


class BaseAnswer(Answer):
    seed: int
    steps: int
    tokens: int
    plain: AnsweredAnswer
    framed: AnsweredAnswer
    templated: AnsweredAnswer


class ArmRatesAnswer(Answer):
    arm: str
    share: float
    right: SeedRate
    exact: SeedRate
    stops: SeedRate
    continues: SeedRate


class DispatcherAnswer(Answer):
    bases: list[BaseAnswer]
    runs: list[ArmRunAnswer]
    over_seeds: list[ArmRatesAnswer] = Field(description="Each arm's last step at each share.")


@router.get("")
async def read(evidence: EvidenceDep) -> DispatcherAnswer:
    """Bases in three framings, and every arm over steps, shares and seeds."""
    dispatched = evidence.dispatched
    rates = ("right", "exact", "stops", "continues")
    over_seeds = [
        {"arm": arm, "share": share, **{name: dispatched.rate(arm, name, share) for name in rates}}
        for arm, share in product(ARMS, SHARES)
    ]
    return DispatcherAnswer.model_validate({**vars(dispatched), "over_seeds": over_seeds})


class MassQuery(Request):
    model_config = ConfigDict(strict=False)

    prompt: Text = "What is 2+2?"
    step: Step = SUM_RECIPES["answers"].training.steps


class MassAnswer(Answer):
    model: str
    opening: str
    text: str
    question: Rate = Field(description="A question mark is among the next characters.")
    answer: Rate | None = Field(
        description="They begin with the right number, whatever follows it; null if nobody knows it."
    )
    stop: Rate


class MassesAnswer(Answer):
    prompt: str
    step: int
    samples: int
    tokens: int
    masses: list[MassAnswer]


@router.get("/mass")
async def all_masses(query: Annotated[MassQuery, Query()], catalog: CatalogDep, engine: EngineDep) -> MassesAnswer:
    """Shares of samples drawn now from the base and from each arm at a kept step, for three openings."""
    recipe = SUM_RECIPES["answers"]
    starts = openings(recipe, query.prompt)
    models = {"base": catalog.base.model}
    for arm in ARMS.values():
        models[arm.slug] = catalog.model(catalog.recipe(arm.recipe), arm.policy, query.step)[0]
    right, drawn = recipe.task.answer(query.prompt), {}
    for name, model in models.items():
        drawn[name] = await engine.call(partial(masses, model, starts, right, recipe.tokenizer))
    found = [
        MassAnswer(model=name, opening=opening.slug, text=opening.text, **vars(of_model[number]))
        for number, opening in enumerate(starts)
        for name, of_model in drawn.items()
    ]
    return MassesAnswer(prompt=query.prompt, step=query.step, samples=SAMPLES, tokens=SAMPLED_TOKENS, masses=found)


class RateRunAnswer(Answer):
    arm: str
    learning_rate: float
    seed: int
    answered: AnsweredAnswer
    ability: AbilityAnswer


class SkillsAnswer(Answer):
    learning_rate: float
    new: SeedRate = Field(description="Unseen requests right and stopped.")
    continues: SeedRate = Field(description="Openings continued, as the base does.")
    knows: SeedRate = Field(description="Sums known behind `Q:` and `A:`.")


class RatesAnswer(Answer):
    pretraining_rate: float
    used_rate: float = Field(description="Of every other SFT here.")
    runs: list[RateRunAnswer]
    over_seeds: list[SkillsAnswer] = Field(description="Of the prompt-masked arm, by learning rate.")


@router.get("/rates")
async def rates(evidence: EvidenceDep) -> RatesAnswer:
    """SFT at several learning rates: what it learns and what it keeps."""
    tried = evidence.tried
    over_seeds = [
        {"learning_rate": rate, **{slug: skill_rate(tried, skill, rate) for slug, skill in SKILLS.items()}}
        for rate in RATES
    ]
    told = {"pretraining_rate": PRETRAINING_RATE, "used_rate": USED_RATE, "runs": tried.runs, "over_seeds": over_seeds}
    return RatesAnswer.model_validate(told)


class FactorsAnswer(Answer):
    """Natural logarithms of probabilities; `both` is the sum of `prompt` and `answer`."""

    request: float = Field(description="Of the user's words, behind `<`.")
    template: float = Field(description="Of the `>` behind them.")
    prompt: float = Field(description="Of both of these.")
    answer: float = Field(description="Of the right answer and its stop, behind the prompt.")
    both: float


class ModelFactorsAnswer(Answer):
    model: str
    live: FactorsAnswer | None = Field(description="Of this request, the models of seed 0; null if nobody knows it.")
    seeds: list[FactorsAnswer] = Field(description="As shipped: of each seed the mean over its unseen requests.")
    mean: FactorsAnswer


class AllFactorsAnswer(Answer):
    prompt: str
    step: int = Field(description="Of the live ones; those shipped are of the last step.")
    models: list[ModelFactorsAnswer]


@router.get("/factors")
async def all_factors(
    query: Annotated[MassQuery, Query()], catalog: CatalogDep, engine: EngineDep, evidence: EvidenceDep
) -> AllFactorsAnswer:
    """log P(prompt), log P(answer | prompt) and their sum, of the base and of SFT with the mask on and off."""
    recipe = SUM_RECIPES["answers"]
    openings(recipe, query.prompt)  # raises for what cannot be read
    found = []
    for _, slug, seeds in factors_by_model(evidence.tried):
        model = catalog.base.model if slug == "base" else catalog.model(recipe, slug, query.step)[0]
        live = None
        if recipe.task.answer(query.prompt):
            live = await engine.call(partial(factors, model, recipe, (query.prompt,)))
        found.append({"model": slug, "live": live, "seeds": seeds, "mean": mean_factors(seeds)})
    return AllFactorsAnswer.model_validate({"prompt": query.prompt, "step": query.step, "models": found})
