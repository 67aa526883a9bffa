"""What completions of text and of chats share, as standard clients speak: fields, usage, stream.

Every field that is not listed is refused by name, and none is ignored.
"""

from collections.abc import AsyncIterator
from dataclasses import asdict
from secrets import token_hex
from time import time
from typing import Annotated, Any

from pydantic import Field

from app.api.schemas import Answer, Request
from app.api.streams import EventStream, deadline
from app.completions import NamedModel, Order, Piece, Told, fitting
from app.errors import v1_body_of
from app.events import write_event
from app.settings import Settings
from model.errors import MaskscopeError, outside
from model.network.generation import FinishReason

StopText = Annotated[str, Field(min_length=1, max_length=32)]
SMALLEST_TEMPERATURE = 0.01
"""Or 0: a smaller one is greedy in all but name, and overflows."""
MOST_SEED = 9_223_372_036_854_776_000
"""As OpenAI's own description has it: 2^63 as JSON writes it. Beyond 63 bits it is folded."""
DONE = b"data: [DONE]\r\n\r\n"
MOST_ROWS = 8
"""Completions of one prompt."""


class StreamOptions(Request):
    include_usage: bool = False


class Drawing(Request):
    """What both kinds of completions are asked with."""

    model: Annotated[str, Field(min_length=1, max_length=128)]
    n: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, description="Default 1; 0 is greedy.")
    seed: Annotated[int, Field(ge=-MOST_SEED, le=MOST_SEED)] | None = Field(
        None, description="Default 0: the same request gives the same text."
    )
    stop: StopText | Annotated[list[StopText], Field(max_length=4)] | None = Field(
        None, description="Texts that end a completion and are no part of it."
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    def order(
        self,
        named: NamedModel,
        prompts: tuple[tuple[int, ...], ...],
        max_tokens: int | None,
        default_tokens: int,
        top: int | None,
        *,
        echo: bool = False,
    ) -> Order:
        """Raises InvalidText, OutOfRange."""
        temperature = 1.0 if self.temperature is None else self.temperature
        if 0 < temperature < SMALLEST_TEMPERATURE:
            allowed = f"0, or {SMALLEST_TEMPERATURE} to 2"
            raise outside("temperature", allowed, temperature, param="temperature")
        if self.stream_options and not self.stream:
            raise outside("stream_options", "left out without stream", "given", param="stream_options")
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        tokens = fitting(named, prompts, max_tokens, default_tokens)
        return Order(named, prompts, tokens, self.n or 1, temperature, (self.seed or 0) % 2**63, stops, top, echo)

    @property
    def tells_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class UsageAnswer(Answer):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completed:
    """Pieces put together: of each completion its tokens and why it ended."""

    def __init__(self, order: Order, prefix: str):
        count = len(order.prompts) * order.rows
        self.order = order
        self.id, self.created, self.model = f"{prefix}-{token_hex(12)}", int(time()), order.named.name
        self.tokens: list[list[Told]] = [[] for _ in range(count)]
        self.reasons: list[FinishReason] = ["length"] * count
        self.drawn = 0

    def add(self, piece: Piece) -> None:
        self.tokens[piece.index] += piece.tokens
        self.reasons[piece.index] = piece.finish_reason or self.reasons[piece.index]
        self.drawn += piece.drawn

    def text(self, index: int) -> str:
        return "".join(told.token for told in self.tokens[index])

    def usage(self) -> UsageAnswer:
        """Each prompt counts once, and of completions all that was drawn, stops included."""
        read = sum(map(len, self.order.prompts))
        return UsageAnswer(prompt_tokens=read, completion_tokens=self.drawn, total_tokens=read + self.drawn)


def streamed(chunks: AsyncIterator[dict[str, Any]], settings: Settings) -> EventStream:
    """Each chunk as one event of data alone, then `[DONE]`; a failure is a last chunk that holds the error."""
    return EventStream(_events(chunks, settings.stream_timeout_seconds))


async def _events(chunks: AsyncIterator[dict[str, Any]], timeout_seconds: float) -> AsyncIterator[bytes]:
    check = deadline(timeout_seconds)
    try:
        async for chunk in chunks:
            yield write_event(chunk)
            check()
        yield DONE
    except MaskscopeError as error:
        yield write_event({"error": asdict(v1_body_of(error))})
