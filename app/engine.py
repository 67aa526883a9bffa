"""One door for torch work: a bounded queue, one worker thread, and an async stream of tokens for each generation.

In: a function to call, or a model and a prompt. Out: its result, or tokens as they are decoded. Generations that wait
together on one model are decoded as one batch; batches take turns step by step, with one call in between, so nobody
waits for somebody else's text to end. Knows neither HTTP nor what the tokens mean.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import torch

from app.calls import Call, WaitingCalls, answer, compute
from app.rows import MOST_BATCHES, DecodingBatch, NewToken, Post, Row, WaitingRows, start
from app.shares import answering, asking, greediest
from model.errors import MaskscopeError
from model.network.gpt import GPT

GATHERING_TURNS, GATHERING_SECONDS = 40, 0.1
"""How long a call waits for others of its group. An idle loop takes two thirds of a millisecond for so many turns."""
Result = TypeVar("Result")
log = logging.getLogger(__name__)


class EngineBusy(MaskscopeError, TimeoutError):
    """The queue is full, or an answer took too long. Trying again later helps."""

    code = "busy"


class EngineStopped(MaskscopeError, ConnectionError):
    """The worker has ended: nothing will be computed any more."""

    code = "stopped"


class EngineFailed(MaskscopeError, RuntimeError):
    """A generation ended by an error that nobody foresaw."""

    code = "failed"


class Engine:
    """Made and closed by the application's lifespan, in the event loop that all its callers run in."""

    def __init__(self, queue_size: int, timeout_seconds: float):
        self._queue_size = queue_size
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._condition = threading.Condition()
        self._calls = WaitingCalls()
        self._rows = WaitingRows()
        self._post = Post(self._loop.call_soon_threadsafe)
        self._load = 0
        self._gathered = False  # whether the calls that wait have waited for others
        self._closing = self._ending = False
        self._worker = threading.Thread(target=self._work, name="maskscope-engine", daemon=True)
        self._worker.start()

    @property
    def alive(self) -> bool:
        return self._worker.is_alive() and not self._closing

    @property
    def load(self) -> int:
        """Calls and generations waiting or running."""
        return self._load

    async def call(self, function: Callable[[], Result]) -> Result:
        """The result of a function, run by the worker.

        Raises:
            EngineBusy: the queue is full, or the result did not come in time.
            EngineStopped: the worker has ended.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        self._admit(Call(function, future))
        return await self._in_time(future)

    async def call_together(
        self, function: Callable[[list[Any]], Sequence[Result]], group: object, item: object, size: int
    ) -> Result:
        """The item's part of `function(items)`: items of one group that wait together are computed by one call.

        Functions of one group do the same. At most MOST_TOGETHER at once: the one whose turn it is and those that
        are NEAR in size. What the function raises reaches all of them: check an item before. Raises as `call`.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        self._admit(Call(function, future, group, item, size, self._loop.time()))
        return await self._in_time(future)

    def generate(
        self, model: GPT, prompt_ids: tuple[int, ...], *, stop_id: int, max_new_tokens: int
    ) -> AsyncIterator[list[NewToken]]:
        """Admit a generation at once and return its tokens as they come: each time all that have come meanwhile.

        A generation nobody reads is decoded to its end all the same: it is short, and its batch waits for no reader.

        Raises:
            EngineBusy, EngineStopped: before the first token, as `call`.
        """
        row = Row(model, prompt_ids, stop_id, max_new_tokens, asyncio.Queue())
        self._admit(row)
        return self._pieces(row)

    def end_generations(self) -> None:
        """Tell every generation that the server ends, and take no more; calls are answered until `close`."""
        with self._condition:
            self._ending = True
            self._condition.notify()

    def check_goes_on(self) -> None:
        """For a generation that is made of calls. Raises EngineStopped once others have been told of the end."""
        if self._ending:
            raise _ends()

    def close(self) -> None:
        """End the worker after its current step; whatever still waits gets EngineStopped."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._worker.join()

    async def _pieces(self, row: Row) -> AsyncIterator[list[NewToken]]:
        finish_reason = None
        while finish_reason is None:
            items = [await self._in_time(row.tokens.get())] if row.tokens.empty() else []
            while not row.tokens.empty():
                items.append(row.tokens.get_nowait())
            new = [item for item in items if isinstance(item, NewToken)]
            if new:
                finish_reason = new[-1].finish_reason
                yield new
            if isinstance(items[-1], BaseException):
                raise items[-1]

    async def _in_time(self, result: Awaitable[Result]) -> Result:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await result
        except MaskscopeError:
            raise
        except TimeoutError as error:
            raise EngineBusy(f"No answer within {self._timeout_seconds:g} s; try again") from error

    def _admit(self, job: Call | Row) -> None:
        with self._condition:
            if not self.alive:
                raise _stopped()
            if isinstance(job, Row):
                self.check_goes_on()
            if self._load >= self._queue_size:
                self._make_room()
            self._load += 1
            if isinstance(job, Call):
                if job.group is None:
                    self._gathered = True
                elif not self._calls:
                    self._loop.call_soon(self._gather, GATHERING_TURNS, job.since + GATHERING_SECONDS)
                self._calls.append(job, asking.get(), answering.get())
            else:
                self._rows.append(job, asking.get(), answering.get())
            if self._gathered or self._rows:
                self._condition.notify()

    def _gather(self, turns: int, until: float) -> None:
        if turns and self._loop.time() < until:
            self._loop.call_soon(self._gather, turns - 1, until)
            return
        with self._condition:
            self._gathered = bool(self._calls)
            self._condition.notify()

    def _make_room(self) -> None:
        """By the last call, else generation, of the address that has most waiting, if it has more than who asks."""
        busy = EngineBusy(f"All {self._queue_size} places are taken; try again")
        greedy = greediest(self._calls.held + self._rows.held, asking.get())
        if greedy is None:
            raise busy
        if (call := self._calls.take_last(greedy)) is not None:
            self._tell(call.reject, busy)
        elif (row := self._rows.take_last(greedy)) is not None:
            self._post.send([(row, busy)])
        self._load -= 1

    # The worker's side: everything below runs in its thread.

    def _work(self) -> None:
        torch.set_num_threads(1)
        batches: deque[DecodingBatch] = deque()
        try:
            while True:
                with self._condition:
                    self._condition.wait_for(lambda: self._closing or self._gathered or self._rows or batches)
                    if self._closing:
                        return
                    calls = self._take_calls() if self._gathered else []
                    if self._ending:
                        self._end(batches)
                    rows = self._rows.take_together() if len(batches) < MOST_BATCHES else []
                if rows:
                    batches.append(start(rows))
                if calls:
                    self._answer(calls)
                for _ in range(len(batches)):
                    if self._advance(batches[0]):
                        batches.rotate(-1)
                    else:
                        batches.popleft()
        except BaseException:
            log.critical("the model worker ended by an error", exc_info=True)
        finally:
            self._refuse_all([row for batch in batches for row in batch.running.values()])

    def _take_calls(self) -> list[Call]:
        """Those that are left go on to wait, unless one of them has waited long enough or belongs to no group."""
        calls = self._calls.take_together()
        waited = self._loop.time() - GATHERING_SECONDS
        self._gathered = any(call.since < waited for call in self._calls)
        if self._calls and not self._gathered:
            oldest = min(call.since for call in self._calls)
            self._tell(self._gather, GATHERING_TURNS, oldest + GATHERING_SECONDS)
        return calls

    def _answer(self, calls: list[Call]) -> None:
        """Whoever has an answer has left its place: the place is given back before the answer is told."""
        wanted = [call for call in calls if not call.future.cancelled()]
        results: Sequence[object] = ()
        problem: BaseException | None = None
        try:
            if wanted:
                results = compute(wanted)
        except Exception as error:  # the caller's to raise, whatever it is
            problem = error
        except BaseException:
            problem = _stopped()
            raise
        finally:
            self._leave(len(calls))
            self._tell(answer, wanted, results, problem)

    def _advance(self, batch: DecodingBatch) -> bool:
        """Decode one token of each row; False when the batch has ended."""
        try:
            step = next(batch.steps)
        except Exception as error:  # every reader's to raise
            problem = error
            if not isinstance(error, MaskscopeError):
                log.exception("a batch of generations failed")
                problem = EngineFailed("The model failed on this prompt; the server's log has it")
            self._leave(len(batch.running))
            self._post.send((row, problem) for row in batch.running.values())
            return False
        news = [
            (row, NewToken(step.token_ids[number], step.probabilities[number], step.ended.get(number)))
            for number, row in batch.running.items()
        ]
        for number in step.ended:
            del batch.running[number]
        self._leave(len(step.ended))
        self._post.send(news)
        return bool(batch.running)

    def _end(self, batches: deque[DecodingBatch]) -> None:
        rows = [*self._rows, *(row for batch in batches for row in batch.running.values())]
        self._rows.remove(tuple(self._rows))
        batches.clear()
        self._load -= len(rows)
        self._post.send((row, _ends()) for row in rows)

    def _leave(self, count: int) -> None:
        with self._condition:
            self._load -= count

    def _refuse_all(self, rows: list[Row]) -> None:
        with self._condition:
            self._closing, self._load = True, 0
            error = _stopped()
            for call in self._calls:
                self._tell(call.reject, error)
            self._post.send((row, error) for row in (*rows, *self._rows))

    def _tell(self, callback: Callable[..., object], *args: object) -> None:
        self._loop.call_soon_threadsafe(callback, *args)


def _ends() -> EngineStopped:
    return EngineStopped("The server is being stopped; ask again when it is back")


def _stopped() -> EngineStopped:
    return EngineStopped("The model worker has ended; the server must be restarted")
