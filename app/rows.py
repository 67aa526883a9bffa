"""Generations that wait for the engine's worker or run in it, as rows of its batches. Knows no thread."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.fair_queue import FairQueue
from model.network.generation import DecodedStep, FinishReason, decode
from model.network.gpt import GPT

MOST_ROWS, MOST_BATCHES = 64, 4
"""Generations that are decoded together, and batches that run at once: a crowd's hundreds are decoded in such batches,
so that whoever comes meanwhile waits for a turn among the addresses, not for the whole crowd."""


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


class WaitingRows(FairQueue[Row]):
    """Takes those that are decoded together."""

    def take_together(self) -> list[Row]:
        """Of the model whose turn it is, at most MOST_ROWS in their turns; none if none waits."""
        waiting = list(self.in_turn())
        rows = [row for row in waiting if row.model is waiting[0].model][:MOST_ROWS]
        self.take_all(rows)
        return rows


@dataclass(frozen=True)
class DecodingBatch:
    """Rows decoded together. `running` holds those that have not ended, by their number in the batch."""

    steps: Iterator[DecodedStep]
    running: dict[int, Row]


def start(rows: Sequence[Row]) -> DecodingBatch:
    """Of rows that wait for one model."""
    steps = decode(
        rows[0].model,
        [row.prompt_ids for row in rows],
        stop_id=rows[0].stop_id,
        max_new_tokens=[row.max_new_tokens for row in rows],
    )
    return DecodingBatch(steps, dict(enumerate(rows)))


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
        """By the worker, and by the loop for who gives way."""
        self._underway.extend(news)
        if not self._woken:
            self._woken = True
            self._wake(self._deliver)

    def _deliver(self) -> None:
        self._woken = False  # before it looks: what comes after its look wakes the loop again
        while self._underway:
            row, item = self._underway.popleft()
            row.tokens.put_nowait(item)
