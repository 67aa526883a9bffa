"""An append-only log of events with many followers. In: names and data. Out: server-sent events, from any id on."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

NEWS_SECONDS = 0.1
"""A follower gets what has happened in so long a time as one piece."""


class EventLog:
    """Events with ids from 1 without a gap. Each is encoded once; any number of followers read from any id on."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.closed = False
        self._news = asyncio.Event()

    def append(self, name: str, data: dict[str, Any]) -> None:
        assert not self.closed, name
        text = json.dumps(data, allow_nan=False, separators=(",", ":"))
        self.events.append(f"id: {len(self.events) + 1}\r\nevent: {name}\r\ndata: {text}\r\n\r\n".encode())
        self._tell()

    def close(self) -> None:
        self.closed = True
        self._tell()

    async def follow(self, after: int) -> AsyncGenerator[bytes, None]:
        """Server-sent events: those after id `after` as one piece, then news; ends with the log."""
        while True:
            news = self._news
            if after < len(self.events):
                piece = b"".join(self.events[after:])
                after = len(self.events)
                yield piece
                if not self.closed:
                    await asyncio.sleep(NEWS_SECONDS)
            elif self.closed:
                return
            else:
                await news.wait()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
