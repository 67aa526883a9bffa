"""/v1/completions: text, drawn or greedy, and the score of a given text, as standard clients ask for it.

A prompt is the text as the model reads it, template included: `<hello>`.
"""

from collections.abc import AsyncIterator, Sequence
from itertools import accumulate
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag
from starlette.responses import Response

from app.api.drawing import Completed, Drawing, UsageAnswer, streamed
from app.api.schemas import V1_ERRORS, Answer, streamed_as, whole
from app.completions import NamedModel, Piece, Told, complete, find_model
from app.deps import CatalogDep, EngineDep, SettingsDep
from model.errors import InvalidText
from model.network.generation import FinishReason

router = APIRouter(prefix="/v1", tags=["v1 of standard clients"], responses=V1_ERRORS)

DEFAULT_TOKENS = 16
"""That API's default, or what fits."""

PromptText = Annotated[str, Field(min_length=1, max_length=256)]
PromptIds = Annotated[
    list[Annotated[int, Field(ge=0, le=65_535), BeforeValidator(whole)]], Field(min_length=1, max_length=256)
]
Several = Field(min_length=1, max_length=16)


def _kind(prompt: object) -> str:
    """Which of the four a prompt is, by what it begins with: so a wrong one is refused in one sentence."""
    if not isinstance(prompt, list):
        return "text"
    match [whole(first) for first in prompt[:1]]:
        case [int()]:
            return "ids"
        case [list()]:
            return "lists of ids"
    return "texts"


Prompt = Annotated[
    Annotated[PromptText, Tag("text")]
    | Annotated[list[PromptText], Several, Tag("texts")]
    | Annotated[PromptIds, Tag("ids")]
    | Annotated[list[PromptIds], Several, Tag("lists of ids")],
    Discriminator(_kind),
]


class CompletionRequest(Drawing):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "reverse/prompt-masked", "prompt": "<hello>", "temperature": 0}]}
    )

    prompt: Prompt = Field(description="As the model reads it, template included: a text, several, or token ids.")
    max_tokens: Annotated[int, Field(ge=0, le=4096)] | None = Field(None, description="Default 16, or what fits.")
    echo: bool | None = Field(None, description="Begin with the prompt; with logprobs and no new tokens: score it.")
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = Field(None, description="So many of the likeliest tokens.")


class LogprobsAnswer(Answer):
    tokens: list[str]
    token_logprobs: list[float | None] = Field(description="In nats, of the model itself whatever the temperature.")
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CompletionChoice(Answer):
    index: int
    text: str
    logprobs: LogprobsAnswer | None
    finish_reason: FinishReason | None


class CompletionAnswer(Answer):
    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: UsageAnswer | None


@router.post("/completions", response_model=CompletionAnswer, responses=streamed_as())
async def completions(
    body: CompletionRequest, catalog: CatalogDep, engine: EngineDep, settings: SettingsDep
) -> CompletionAnswer | Response:
    """Completions of one or more prompts, at once or as a stream of chunks that ends with `[DONE]`."""
    named = find_model(catalog, body.model)
    prompts = tuple(_ids(named, prompt) for prompt in _several(body.prompt))
    order = body.order(named, prompts, body.max_tokens, DEFAULT_TOKENS, body.logprobs, echo=bool(body.echo))
    done = Completed(order, "cmpl")
    if body.stream:
        return streamed(_chunks(complete(engine, order), done, usage=body.tells_usage), settings)
    async for piece in complete(engine, order):
        done.add(piece)
    choices = [_choice(done, i, tokens, done.reasons[i], 0) for i, tokens in enumerate(done.tokens)]
    return _answer(done, choices, done.usage())


async def _chunks(pieces: AsyncIterator[Piece], done: Completed, *, usage: bool) -> AsyncIterator[dict[str, Any]]:
    async for piece in pieces:
        offset = len(done.text(piece.index))
        done.add(piece)
        if piece.tokens or piece.finish_reason:
            choice = _choice(done, piece.index, piece.tokens, piece.finish_reason, offset)
            yield _answer(done, [choice], None).model_dump()
    if usage:
        yield _answer(done, [], done.usage()).model_dump()


def _answer(done: Completed, choices: list[CompletionChoice], usage: UsageAnswer | None) -> CompletionAnswer:
    return CompletionAnswer(id=done.id, created=done.created, model=done.model, choices=choices, usage=usage)


def _choice(
    done: Completed, index: int, tokens: Sequence[Told], reason: FinishReason | None, offset: int
) -> CompletionChoice:
    text = "".join(told.token for told in tokens)
    logprobs = None if done.order.top is None else _logprobs(tokens, offset)
    return CompletionChoice(index=index, text=text, logprobs=logprobs, finish_reason=reason)


def _logprobs(tokens: Sequence[Told], offset: int) -> LogprobsAnswer:
    """A token's own log probability is told beside the likeliest, as that API does."""
    lengths = accumulate((len(told.token) for told in tokens), initial=offset)
    tops = [
        None if told.log_probability is None else {**dict(told.top), told.token: told.log_probability}
        for told in tokens
    ]
    return LogprobsAnswer(
        tokens=[told.token for told in tokens],
        token_logprobs=[told.log_probability for told in tokens],
        top_logprobs=tops,
        text_offset=list(lengths)[:-1],
    )


def _several(prompt: str | list[int] | list[str] | list[list[int]]) -> list[str | list[int]]:
    if isinstance(prompt, str):
        return [prompt]
    if isinstance(prompt[0], int):
        return [[i for i in prompt if isinstance(i, int)]]
    return [one for one in prompt if not isinstance(one, int)]


def _ids(named: NamedModel, prompt: str | list[int]) -> tuple[int, ...]:
    if isinstance(prompt, str):
        return named.tokenizer.encode_marked(prompt, param="prompt")
    size = named.tokenizer.vocab_size
    foreign = next((token_id for token_id in prompt if token_id >= size), None)
    if foreign is not None:
        raise InvalidText(f"{named.name} has the ids 0 to {size - 1}; given {foreign}", param="prompt")
    return tuple(prompt)
