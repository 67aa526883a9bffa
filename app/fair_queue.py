"""A queue in which nobody waits for all that another has brought: addresses take turns, and the requests of each.

In: items, each with whose it is (`shares.asking`) and the request that it belongs to. Out: the item whose turn it is.
Knows no thread and no clock.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Hashable, Iterable, Iterator
from itertools import zip_longest
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class FairQueue(Generic[Item]):
    """Items are told apart by identity or by what makes them equal; no item is in it twice."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, OrderedDict[Hashable, deque[Item]]] = OrderedDict()
        """By share, then by request, each in the order of their turns; nothing empty is kept."""
        self._shares: dict[Item, tuple[str, Hashable]] = {}
        self.held: Counter[str] = Counter()
        """Items of each share."""

    def __len__(self) -> int:
        return len(self._shares)

    def __iter__(self) -> Iterator[Item]:
        """In the order in which they came."""
        return iter(self._shares)

    def in_turn(self) -> Iterator[Item]:
        """In the order in which they would be taken."""
        return _alternately(_alternately(requests.values()) for requests in self._turns.values())

    def append(self, item: Item, share: str, request: Hashable) -> None:
        """Behind what its request has in the queue; a request's first item gives it the last turn of its share."""
        assert item not in self._shares, item
        requests = self._turns.setdefault(share, OrderedDict())
        requests.setdefault(request, deque()).append(item)
        self._shares[item] = (share, request)
        self.held[share] += 1

    def take(self) -> Item:
        """The next one; then it is the next share's turn, and in this share the next request's.

        Raises:
            IndexError: nothing waits.
        """
        if not self._shares:
            raise IndexError("nothing waits")
        requests = next(iter(self._turns.values()))
        item = next(iter(requests.values()))[0]
        self.take_all((item,))
        return item

    def take_all(self, items: Collection[Item]) -> None:
        """These: then it is the next turn of each one's share and request."""
        for item in items:
            share, request = self._shares[item]
            self._turns[share].move_to_end(request)
            self._turns.move_to_end(share)
        self.remove(items)

    def remove(self, items: Collection[Item]) -> None:
        """Those that went with another's turn, or that nobody waits for any more. Turns stay as they are."""
        for item in items:
            share, request = self._shares.pop(item)
            requests = self._turns[share]
            requests[request].remove(item)
            self.held[share] -= 1
            if not requests[request]:
                del requests[request]
            if not requests:
                del self._turns[share], self.held[share]

    def take_last(self, share: str) -> Item | None:
        """Takes out what came last of a share; None if nothing of it waits."""
        last = next((item for item in reversed(self._shares) if self._shares[item][0] == share), None)
        if last is not None:
            self.remove((last,))
        return last


def _alternately(queues: Iterable[Iterable[Item]]) -> Iterator[Item]:
    """The first of each, then the second of each."""
    for together in zip_longest(*queues, fillvalue=None):
        yield from (item for item in together if item is not None)
