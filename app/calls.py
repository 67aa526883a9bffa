"""Calls that wait for the engine's worker: in order, but those of one group go together. Knows no thread."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MOST_TOGETHER = 16
"""Calls of one group that are computed at once. More are hardly faster, and all wait for the whole."""


@dataclass(frozen=True, eq=False)
class Call:
    """A function without arguments; with a group, a function of a list of items, of which this call brings one."""

    function: Callable[..., Any]
    future: asyncio.Future[Any]
    group: object = None
    item: object = None
    size: int = 0


class WaitingCalls:
    def __init__(self) -> None:
        self._calls: deque[Call] = deque()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def append(self, call: Call) -> None:
        self._calls.append(call)

    def take(self) -> list[Call]:
        """The one that has waited longest, and of its group those nearest to it in size; none if none waits."""
        if not self._calls:
            return []
        first = self._calls.popleft()
        if first.group is None:
            return [first]
        others = [call for call in self._calls if call.group == first.group]
        taken = sorted(others, key=lambda call: abs(call.size - first.size))[: MOST_TOGETHER - 1]
        gone = set(map(id, taken))
        self._calls = deque(call for call in self._calls if id(call) not in gone)
        return [first, *taken]


def compute(calls: Sequence[Call]) -> Sequence[Any]:
    """The results of what `take` gave, in its order."""
    if calls[0].group is None:
        return [calls[0].function()]
    results: Sequence[Any] = calls[0].function([call.item for call in calls])
    return results
