"""Places that addresses share: one may hold as many as it leaves free, so no number of places is taken by few.

In: how many places there are, who asks. One greedy address ends with half; of several each takes half of what the
others left, and where places are given back and taken again each ends with as many as stay free (the dynamic threshold
of switches with a shared buffer). Knows neither HTTP nor sockets.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar

asking: ContextVar[str] = ContextVar("asking", default="")
"""Whose request is being answered, as `share_of` names it: for queues far below whoever read the request."""

answering: ContextVar[object] = ContextVar("answering", default=None)
"""Which of its requests: calls of one are told from those of another."""


class Shares:
    """So many places. `each` at most for one address, however many are free."""

    def __init__(self, places: int, each: int | None = None):
        self.places = places
        self.each = places if each is None else each
        self.held: Counter[str] = Counter()

    @property
    def free(self) -> int:
        return self.places - self.held.total()

    def allows(self, address: str) -> bool:
        """One more for this address would leave it no more than are free, and no more than any may have."""
        return self.held[address] < min(self.each, self.free)

    def take(self, address: str) -> None:
        self.held[address] += 1

    def give_back(self, address: str) -> None:
        self.held[address] -= 1
        if self.held[address] <= 0:
            del self.held[address]


def greediest(held: Counter[str], address: str) -> str | None:
    """Who holds most, if `address` would hold less even with one more; None: it is to hear that all is full."""
    name, most = max(held.items(), key=lambda one: one[1], default=("", 0))
    return name if most > held[address] + 1 else None


class Place:
    """One that somebody holds. It is given back once, and can be changed for one of another kind."""

    def __init__(self, give_back: Callable[[], None]):
        self._give_back: Callable[[], None] | None = give_back

    def change(self, give_back: Callable[[], None]) -> None:
        self.leave()
        self._give_back = give_back

    def leave(self) -> None:
        if self._give_back is not None:
            self._give_back()
            self._give_back = None


def share_of(address: str) -> str:
    """Who shares places as one: an IPv4 address, the /64 of an IPv6 address (one household has 2^64 of them)."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
