"""/v1/chat/completions: an answer to a conversation in the chat template, as standard clients ask for it."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import Response

from app.api.drawing import Completed, Drawing, UsageAnswer, streamed
from app.api.schemas import V1_ERRORS, Answer, Request, Text, streamed_as
from app.completions import NamedModel, Piece, Told, complete, find_model
from app.deps import CatalogDep, EngineDep, SettingsDep
from model.errors import outside
from model.network.generation import FinishReason
from model.text.chat_template import Message, render
from model.training.conversations import MOST_MESSAGES

router = APIRouter(prefix="/v1/chat", tags=["v1 of standard clients"], responses=V1_ERRORS)


class TextPart(Request):
    type: Literal["text"]
    text: Text


class ChatMessage(Request):
    role: Literal["user", "assistant"] = Field(description="The chat template knows no other.")
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=16)]

    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatRequest(Drawing):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "reverse/prompt-masked",
                    "messages": [{"role": "user", "content": "hello"}],
                    "temperature": 0,
                }
            ]
        }
    )

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_tokens: Annotated[int, Field(ge=1, le=4096)] | None = Field(None, description="Default: what fits.")
    max_completion_tokens: Annotated[int, Field(ge=1, le=4096)] | None = Field(None, description="The same.")
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class TopLogprob(Answer):
    token: str
    logprob: float = Field(description="In nats, of the model itself whatever the temperature.")
    bytes: list[int]


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class ChatLogprobs(Answer):
    content: list[TokenLogprob]


class AssistantMessage(Answer):
    role: Literal["assistant"] = "assistant"
    content: str


class Delta(Answer):
    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChoice(Answer):
    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChunkChoice(Answer):
    index: int
    delta: Delta
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None


class ChatAnswer(Answer):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: UsageAnswer


class ChatChunk(Answer):
    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: UsageAnswer | None = None


@router.post("/completions", response_model=ChatAnswer, responses=streamed_as())
async def chat(
    body: ChatRequest, catalog: CatalogDep, engine: EngineDep, settings: SettingsDep
) -> ChatAnswer | Response:
    """The assistant's next message, at once or as a stream of chunks that ends with `[DONE]`."""
    named = find_model(catalog, body.model)
    most = _either(body)
    context = named.model.config.context_length
    order = body.order(named, (_prompt_ids(named, body.messages),), most, context, _top(body))
    done = Completed(order, "chatcmpl")
    if body.stream:
        return streamed(_chunks(complete(engine, order), done, usage=body.tells_usage), settings)
    async for piece in complete(engine, order):
        done.add(piece)
    choices = [
        ChatChoice(
            index=i,
            message=AssistantMessage(content=done.text(i)),
            logprobs=_logprobs(done, tokens),
            finish_reason=done.reasons[i],
        )
        for i, tokens in enumerate(done.tokens)
    ]
    return ChatAnswer(id=done.id, created=done.created, model=done.model, choices=choices, usage=done.usage())


async def _chunks(pieces: AsyncIterator[Piece], done: Completed, *, usage: bool) -> AsyncIterator[dict[str, Any]]:
    for index in range(done.order.rows):
        yield _chunk(done, index, Delta(role="assistant", content=""))
    async for piece in pieces:
        done.add(piece)
        if piece.tokens:
            yield _chunk(done, piece.index, Delta(content=piece.text), logprobs=_logprobs(done, piece.tokens))
        if piece.finish_reason:
            yield _chunk(done, piece.index, Delta(), finish_reason=piece.finish_reason)
    if usage:
        last = ChatChunk(id=done.id, created=done.created, model=done.model, choices=[], usage=done.usage())
        yield last.model_dump()


def _chunk(
    done: Completed,
    index: int,
    delta: Delta,
    *,
    logprobs: ChatLogprobs | None = None,
    finish_reason: FinishReason | None = None,
) -> dict[str, Any]:
    choice = ChunkChoice(index=index, delta=delta, logprobs=logprobs, finish_reason=finish_reason)
    chunk = ChatChunk(id=done.id, created=done.created, model=done.model, choices=[choice]).model_dump()
    chunk["choices"][0]["delta"] = delta.model_dump(exclude_none=True)
    return chunk


def _logprobs(done: Completed, tokens: Sequence[Told]) -> ChatLogprobs | None:
    return None if done.order.top is None else ChatLogprobs(content=[_scored(told) for told in tokens])


def _scored(told: Told) -> TokenLogprob:
    assert told.log_probability is not None, "a drawn token has a probability"
    top = [_logprob(token, value) for token, value in told.top]
    return TokenLogprob(**_logprob(told.token, told.log_probability).model_dump(), top_logprobs=top)


def _logprob(token: str, value: float) -> TopLogprob:
    return TopLogprob(token=token, logprob=value, bytes=list(token.encode()))


def _top(body: ChatRequest) -> int | None:
    if body.top_logprobs is not None and not body.logprobs:
        raise outside("top_logprobs", "left out without logprobs", "given", param="top_logprobs")
    return (body.top_logprobs or 0) if body.logprobs else None


def _either(body: ChatRequest) -> int | None:
    if None not in (body.max_tokens, body.max_completion_tokens):
        raise outside("max_tokens", "left out beside max_completion_tokens", body.max_tokens, param="max_tokens")
    return body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens


def _prompt_ids(named: NamedModel, messages: Sequence[ChatMessage]) -> tuple[int, ...]:
    if messages[-1].role != "user":
        raise outside("the last message", "the user's", "the assistant's", param="messages")
    said = [Message(message.role, message.text()) for message in messages]
    return render(said, named.tokenizer, generation_prompt=True).token_ids
