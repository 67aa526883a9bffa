"""Calls that wait for the engine's worker: addresses take turns, and those of one group go together.

Knows no thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.fair_queue import FairQueue

MOST_TOGETHER = 16
"""Calls of one group that are computed at once. More are hardly faster, and all wait for the whole."""
LARGEST_TOGETHER = 40
"""Calls times the largest one's size: letters, with the pads."""
NEAR = 1
"""A size differs by at most so many letters from that of the call whose turn it is. Two words of a length together take
0.6 of the time that they take alone, and two that differ by four letters 0.9 of it."""


@dataclass(frozen=True, eq=False)
class Call:
    """A function without arguments; with a group, a function of a list of items, of which this call brings one."""

    function: Callable[..., Any]
    future: asyncio.Future[Any]
    group: object = None
    item: object = None
    size: int = 0
    since: float = 0.0
    """When it began to wait, as the event loop tells time."""

    def resolve(self, result: object) -> None:
        """In the event loop. Whoever has left needs nothing."""
        if not self.future.done():
            self.future.set_result(result)

    def reject(self, error: BaseException) -> None:
        """In the event loop too."""
        if not self.future.done():
            self.future.set_exception(error)


class WaitingCalls(FairQueue[Call]):
    """Takes a call with those that are computed together with it."""

    def take_together(self) -> list[Call]:
        """The one whose turn it is, and those of its group that are NEAR it in size; none if none waits."""
        if not self:
            return []
        first = self.take()
        if first.group is None:
            return [first]
        others = [call for call in self if call.group == first.group]
        taken: list[Call] = []
        largest = first.size
        for call in sorted(others, key=lambda call: abs(call.size - first.size))[: MOST_TOGETHER - 1]:
            largest = max(largest, call.size)
            if abs(call.size - first.size) > NEAR or (len(taken) + 2) * largest > LARGEST_TOGETHER:
                break
            taken.append(call)
        self.take_all(taken)
        return [first, *taken]


def compute(calls: Sequence[Call]) -> Sequence[Any]:
    """The results of what `take_together` gave, in its order."""
    if calls[0].group is None:
        return [calls[0].function()]
    results: Sequence[Any] = calls[0].function([call.item for call in calls])
    assert len(results) == len(calls), (len(results), len(calls))
    return results


def answer(calls: Sequence[Call], results: Sequence[object], problem: BaseException | None) -> None:
    """In the event loop, which is woken once for all of them."""
    if problem is not None:
        for call in calls:
            call.reject(problem)
        return
    for call, result in zip(calls, results, strict=True):
        call.resolve(result)
