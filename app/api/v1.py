"""/api/v1: recipes, analyze, generate. Parse, call the domain, answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from sse_starlette import EventSourceResponse, JSONServerSentEvent
from starlette.responses import Response

from app.api.schemas import (
    ERRORS,
    AnalyzeAnswer,
    AnalyzeQuery,
    AnalyzeRequest,
    ContinueRequest,
    GenerateAnswer,
    GeneratedToken,
    GenerateRequest,
    Limits,
    RecipeList,
    RecipeSummary,
    RunSummary,
    StepMetrics,
)
from app.base_texts import admit_text
from app.catalog import Catalog
from app.deps import CatalogDep, EngineDep, SettingsDep
from app.engine import Engine, EngineBusy
from app.errors import body_of
from app.generations import Generation, admit
from app.settings import Settings
from model.errors import MaskscopeError
from model.explain.analysis import analyze
from model.masks.policies import find_policy
from model.training.recipes import Recipe

router = APIRouter(prefix="/api/v1", tags=["v1"], responses=ERRORS)


@router.get("/recipes")
async def recipes(catalog: CatalogDep) -> RecipeList:
    """What can be asked for, and how well each run did on held-out words, step by step."""
    return RecipeList(recipes=[_summary(catalog, recipe) for recipe in catalog.recipes()])


@router.post("/analyze")
async def analyze_post(body: AnalyzeRequest, catalog: CatalogDep, engine: EngineDep) -> AnalyzeAnswer:
    """Losses, predictions and gradients at every position of one conversation."""
    return await _analyze(body, catalog, engine)


@router.get("/analyze")
async def analyze_get(query: Annotated[AnalyzeQuery, Query()], catalog: CatalogDep, engine: EngineDep) -> AnalyzeAnswer:
    """The same, for a link."""
    return await _analyze(query, catalog, engine)


@router.post("/generate", response_model=GenerateAnswer)
async def generate(
    body: GenerateRequest, catalog: CatalogDep, engine: EngineDep, settings: SettingsDep
) -> GenerateAnswer | Response:
    """The model's greedy answer, at once or as a stream."""
    recipe = catalog.recipe(body.recipe)
    model, step = catalog.model(recipe, body.policy, body.step)
    generation = admit(engine, recipe, model, body.prompt, body.max_new_tokens)
    return await _told(generation, step, body.stream, settings)


@router.post("/continue", response_model=GenerateAnswer)
async def continue_text(
    body: ContinueRequest, catalog: CatalogDep, engine: EngineDep, settings: SettingsDep
) -> GenerateAnswer | Response:
    """The base model's greedy continuation of plain text, at once or as a stream."""
    generation = admit_text(engine, catalog.base, body.text, body.max_new_tokens, templated=body.templated)
    return await _told(generation, catalog.base.run.steps, body.stream, settings)


async def _analyze(request: AnalyzeRequest, catalog: Catalog, engine: Engine) -> AnalyzeAnswer:
    recipe, policy = catalog.recipe(request.recipe), find_policy(request.policy)
    trained_with, param = (request.trained_with, "trained_with") if request.trained_with else (policy.slug, "policy")
    model, step = catalog.model(recipe, trained_with, request.step, param=param)
    call = partial(analyze, recipe, model, policy, request.prompt, request.response, top_k=request.top_k)
    analysis = asdict(await engine.call(call))
    if not request.similarity:
        del analysis["similarity"]
    return AnalyzeAnswer(recipe=recipe.slug, policy=policy.slug, trained_with=trained_with, step=step, **analysis)


async def _told(generation: Generation, step: int, stream: bool, settings: Settings) -> GenerateAnswer | Response:
    if stream:
        seconds = settings.stream_timeout_seconds
        return EventSourceResponse(_events(generation, step, seconds), ping=15, send_timeout=seconds)
    async for _ in generation.tokens():
        pass
    return _answer(generation, step)


async def _events(generation: Generation, step: int, timeout_seconds: float) -> AsyncIterator[JSONServerSentEvent]:
    """One `token` each, then `done` with the summary, or `error`. Ids count from 1 without a gap."""
    count, clock = 0, asyncio.get_running_loop().time
    deadline = clock() + timeout_seconds
    try:
        async for token in generation.tokens():
            count += 1
            data = {"token": token.token, "probability": token.probability}
            yield JSONServerSentEvent(data, event="token", id=str(count))
            if clock() > deadline:
                raise EngineBusy(f"the stream took longer than {timeout_seconds:g} s; try again")
        data = _answer(generation, step).model_dump()
        yield JSONServerSentEvent(data, event="done", id=str(count + 1))
    except MaskscopeError as error:
        yield JSONServerSentEvent({"error": asdict(body_of(error))}, event="error", id=str(count + 1))


def _answer(generation: Generation, step: int) -> GenerateAnswer:
    return GenerateAnswer(
        prompt=generation.prompt,
        text=generation.text,
        completion=generation.completion,
        tokens=[GeneratedToken.model_validate(token) for token in generation.received],
        finish_reason=generation.finish_reason,
        step=step,
    )


def _summary(catalog: Catalog, recipe: Recipe) -> RecipeSummary:
    loaded = [catalog.run(recipe, policy.slug) for policy in catalog.policies(recipe)]
    return RecipeSummary(
        slug=recipe.slug,
        title=recipe.title,
        vocabulary=list(recipe.tokenizer.tokens),
        parameters=loaded[0].run.parameters,
        limits=Limits(
            prompt_min_length=recipe.task.min_length,
            prompt_max_length=recipe.task.max_length,
            context_length=recipe.model.context_length,
        ),
        runs=[
            RunSummary(
                policy=run.policy,
                seed=run.seed,
                steps=run.steps,
                metrics=[
                    StepMetrics(step=m.step, kept=m.step in models, **asdict(m.metrics)) for m in run.measurements
                ],
            )
            for run, models in ((item.run, item.models) for item in loaded)
        ],
    )
