"""Generations that wait for the engine's worker or run in it, as rows of its batches. Knows no thread."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from model.network.generation import DecodedStep, FinishReason
from model.network.gpt import GPT


@dataclass(frozen=True)
class NewToken:
    """The next token of one generation; `finish_reason` is set on its last one."""

    token_id: int
    probability: float
    finish_reason: FinishReason | None


@dataclass(frozen=True, eq=False)
class Row:
    """A generation that waits or runs. Its tokens go to its queue, or the exception that ended it."""

    model: GPT
    prompt_ids: tuple[int, ...]
    stop_id: int
    max_new_tokens: int
    tokens: asyncio.Queue[NewToken | BaseException]


@dataclass(frozen=True)
class DecodingBatch:
    """Rows decoded together. `running` holds those that have not ended, by their number in the batch."""

    steps: Iterator[DecodedStep]
    running: dict[int, Row]
