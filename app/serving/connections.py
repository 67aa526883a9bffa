"""Which connections are open, and which give way to a new one. In: addresses. Knows neither HTTP nor bytes.

A connection is active while a request on it is answered, otherwise it idles. A new one that finds no place takes that
of the connection that has idled longest, of the address that idles most: idle sockets shut nobody out.
"""

from collections import Counter
from typing import Protocol

from app.shares import Shares

REFUSALS = 64
"""Connections without a place that are open at once, to be told so; any more are cut off."""


class Connection(Protocol):
    @property
    def share(self) -> str: ...

    def give_way(self) -> None:
        """Close at once."""


class Connections:
    """The places of a server's connections."""

    def __init__(self, places: int, each: int):
        self.places, self.each = places, each
        self._active = Shares(places)
        self._open: Counter[str] = Counter()
        self._idle: dict[Connection, None] = {}
        self._busy: set[Connection] = set()
        self._refused: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._idle) + len(self._busy)

    def admit(self, connection: Connection) -> bool:
        """A place for it, idle at first; False if there is none."""
        share = connection.share
        if not self._active.allows(share):
            return False
        if self._open[share] >= self.each and not self._make_room(share):
            return False
        if len(self) >= self.places and not self._make_room(self._idlest()):
            return False
        self._open[share] += 1
        self._idle[connection] = None
        return True

    def refuse(self, connection: Connection) -> bool:
        """Whether one without a place may stay for as long as it takes to tell it so."""
        if len(self._refused) >= REFUSALS:
            return False
        self._refused.add(connection)
        return True

    def begin(self, connection: Connection) -> None:
        """A request on it is answered from now on."""
        if connection in self._idle:
            del self._idle[connection]
            self._busy.add(connection)
            self._active.take(connection.share)

    def rest(self, connection: Connection) -> None:
        """It idles from now on."""
        if connection in self._busy:
            self._busy.remove(connection)
            self._active.give_back(connection.share)
            self._idle[connection] = None

    def leave(self, connection: Connection) -> None:
        """It is closed, or about to be."""
        self._refused.discard(connection)
        self.rest(connection)
        if connection in self._idle:
            del self._idle[connection]
            self._open[connection.share] -= 1
            self._open += Counter()

    def _idlest(self) -> str:
        """The address with the most idle connections."""
        return max(Counter(c.share for c in self._idle).items(), key=lambda held: held[1], default=("", 0))[0]

    def _make_room(self, share: str) -> bool:
        victim = next((c for c in self._idle if c.share == share), None)
        if victim is None:
            return False
        self.leave(victim)
        victim.give_way()
        return True
