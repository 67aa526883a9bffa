"""/api/v1/generate and /api/v1/continue: greedy text from a trained model or from the base, at once or as a stream."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import Response

from app.api.schemas import ERRORS, Answer, Request, Slug, Step, Text, streamed_as
from app.api.streams import EventStream, deadline
from app.deps import CatalogDep, EngineDep, SettingsDep
from app.errors import body_of
from app.events import write_event
from app.generations import Generation, admit, admit_text
from app.settings import Settings
from model.errors import MaskscopeError
from model.masks.policies import RIGHT
from model.network.generation import FinishReason

router = APIRouter(prefix="/api/v1", tags=["v1"], responses=ERRORS)


class GenerateRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"recipe": "reverse", "prompt": "hello", "policy": RIGHT.slug}]}
    )

    recipe: Slug
    policy: Slug = Field(description="The run whose weights are used.")
    prompt: Text
    step: Step | None = None
    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="Default: what fits into the model's context."
    )
    stream: bool = Field(False, description="Server-sent events: `token` each, then `done`, or `error`.")


class ContinueRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "What is 2+2?"}]})

    text: Text = Field(description="Plain text, without template characters.")
    templated: bool = Field(False, description="Take the text for a user's turn and put it in the template.")
    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="Default: 32, or what fits into the model's context."
    )
    stream: bool = Field(False, description="Server-sent events: `token` each, then `done`, or `error`.")


class GeneratedToken(Answer):
    token: str
    probability: float


class GenerateAnswer(Answer):
    prompt: str
    text: str = Field(description="The whole sequence, specials included.")
    completion: str = Field(description="What the model added, the stop included.")
    tokens: list[GeneratedToken]
    finish_reason: FinishReason
    step: int


@router.post("/generate", response_model=GenerateAnswer, responses=streamed_as("token", "done", "error"))
async def generate(
    body: GenerateRequest, catalog: CatalogDep, engine: EngineDep, settings: SettingsDep
) -> GenerateAnswer | Response:
    """The model's greedy answer, at once or as a stream."""
    recipe = catalog.recipe(body.recipe)
    model, step = catalog.model(recipe, body.policy, body.step)
    generation = admit(engine, recipe, model, body.prompt, body.max_new_tokens)
    return await _told(generation, step, body.stream, settings)


@router.post("/continue", response_model=GenerateAnswer, responses=streamed_as("token", "done", "error"))
async def continue_text(
    body: ContinueRequest, catalog: CatalogDep, engine: EngineDep, settings: SettingsDep
) -> GenerateAnswer | Response:
    """The base model's greedy continuation of plain text, at once or as a stream."""
    generation = admit_text(engine, catalog.base, body.text, body.max_new_tokens, templated=body.templated)
    return await _told(generation, catalog.base.run.steps, body.stream, settings)


async def _told(generation: Generation, step: int, stream: bool, settings: Settings) -> GenerateAnswer | Response:
    if stream:
        return EventStream(_events(generation, step, settings.stream_timeout_seconds))
    return _answer(await generation.whole(), step)


async def _events(generation: Generation, step: int, timeout_seconds: float) -> AsyncIterator[bytes]:
    """One `token` each, then `done` with the summary, or `error`. Ids count from 1 without a gap.

    Events that are ready together travel together: each write costs a way through the kernel.
    """
    count, check = 0, deadline(timeout_seconds)
    try:
        async for tokens in generation.tokens():
            written = [write_event(vars(token), "token", number) for number, token in enumerate(tokens, count + 1)]
            count += len(tokens)
            if generation.ended:
                written.append(write_event(_answer(generation, step).model_dump(), "done", count + 1))
            yield b"".join(written)
            if not generation.ended:
                check()
    except MaskscopeError as error:
        yield write_event({"error": asdict(body_of(error))}, "error", count + 1)


def _answer(generation: Generation, step: int) -> GenerateAnswer:
    return GenerateAnswer(
        prompt=generation.prompt,
        text=generation.text,
        completion=generation.completion,
        tokens=[GeneratedToken.model_validate(token) for token in generation.received],
        finish_reason=generation.finish_reason,
        step=step,
    )
