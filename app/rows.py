"""Generations that wait for the engine's worker or run in it, as rows of its batches. Knows no thread."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
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


class Post:
    """Carries what rows are given to their queues, from the worker into the event loop.

    A busy loop is woken once for all that comes meanwhile: waking it costs more than decoding a step.
    """

    def __init__(self, wake: Callable[[Callable[[], None]], object]):
        """`wake` has the loop run a function soon, whoever calls it."""
        self._wake = wake
        self._underway: deque[tuple[Row, NewToken | BaseException]] = deque()
        self._woken = False
        """The loop has been told, and has not begun to look."""

    def send(self, news: Iterable[tuple[Row, NewToken | BaseException]]) -> None:
        """By the worker."""
        self._underway.extend(news)
        if not self._woken:
            self._woken = True
            self._wake(self._deliver)

    def _deliver(self) -> None:
        self._woken = False  # before it looks: what comes after its look wakes the loop again
        while self._underway:
            row, item = self._underway.popleft()
            row.tokens.put_nowait(item)
