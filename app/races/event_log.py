"""An append-only log of events with many followers. In: names and data. Out: server-sent events, from any id on."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import islice
from typing import Any

from app.events import write_event
from app.races.followers import Follower

NEWS_SECONDS = 0.1
"""A follower gets what has happened in so long a time as one piece."""

PIECE_BYTES = 65_536
"""The largest piece: a follower who does not read holds no more of a long log."""


class EventLog:
    """Events with ids from 1 without a gap. Each is encoded once; any number of followers read from any id on."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.closed = False
        self._news = asyncio.Event()

    def append(self, name: str, data: dict[str, Any]) -> None:
        assert not self.closed, name
        self.events.append(write_event(data, name, len(self.events) + 1))
        self.wake()

    def close(self) -> None:
        self.closed = True
        self.wake()

    async def follow(self, after: int, follower: Follower | None = None) -> AsyncGenerator[bytes, None]:
        """Server-sent events: those after id `after` in pieces, then news; ends with the log, or for who is let go."""
        while follower is None or not follower.let_go:
            news = self._news
            if after < len(self.events):
                piece, after = self._piece(after)
                yield piece
                if after == len(self.events) and not self.closed:
                    await asyncio.sleep(NEWS_SECONDS)
            elif self.closed:
                return
            else:
                await news.wait()

    def wake(self) -> None:
        """Let every follower look for what is new."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _piece(self, after: int) -> tuple[bytes, int]:
        """The events after an id, as many as fit into PIECE_BYTES but one at least, and the id of the last."""
        taken, size = [self.events[after]], len(self.events[after])
        for event in islice(self.events, after + 1, None):
            size += len(event)
            if size > PIECE_BYTES:
                break
            taken.append(event)
        return b"".join(taken), after + len(taken)
