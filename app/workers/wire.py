"""HTTP/1.1 as a client that measures needs it: one question after another over a connection, with a deadline each.

A client library would take as long as the server does. In: a request as bytes. Out: a Reply, or NoAnswer with the word
under which it is counted. Knows nothing of pages and streams.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

LIMIT_BYTES = 16_000_000
"""Of one answer; what is longer is no answer to anything that is asked here."""


class NoAnswer(ConnectionError):
    """`word`: refused, reset, closed early, too late, not HTTP."""

    def __init__(self, word: str):
        super().__init__(word)
        self.word = word


@dataclass(frozen=True)
class Reply:
    """`first` and `last`: when the first and the last piece of the body were there, as time.perf_counter tells."""

    status: int
    head: bytes
    body: bytes
    first: float
    last: float

    def header(self, name: str) -> str:
        """Empty if there is none."""
        return _header(self.head, name)


class Wire(asyncio.Protocol):
    """One connection. `heard` gets each piece of a body in chunks as it arrives."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        self._heard: Callable[[bytes], None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._buffer, self._body = bytearray(), bytearray()
        self._head: bytes | None = None
        self._length: int | None = None
        self._chunked = False
        self._first = 0.0

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def answering(self) -> bool:
        """Something of an answer has arrived."""
        return self._head is not None or bool(self._buffer)

    async def ask(self, request: bytes, heard: Callable[[bytes], None] | None = None) -> Reply:
        """Raises NoAnswer."""
        self._begin()
        if self._transport is None or not self.open:
            raise NoAnswer("closed early")
        self._reply, self._heard = asyncio.get_running_loop().create_future(), heard
        self._transport.write(request)
        return await self._reply

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._head is not None and self._length is None and not self._chunked and error is None:
            self._finish(bytes(self._buffer))
        self._fail("reset" if isinstance(error, ConnectionResetError | BrokenPipeError) else "closed early")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._read()
        except ValueError:
            self._fail("not HTTP")
        if len(self._buffer) + len(self._body) > LIMIT_BYTES:
            self._fail("not HTTP")

    def _read(self) -> None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = bytes(self._buffer[: end + 2])
            del self._buffer[: end + 4]
            self._chunked = "chunked" in _header(self._head, "transfer-encoding").lower()
            length = "0" if _status(self._head) in (204, 304) else _header(self._head, "content-length")
            self._length = int(length) if length else None
        if self._chunked:
            self._read_chunks()
            return
        self._first = self._first or (time.perf_counter() if self._buffer else 0.0)
        if self._length is not None and len(self._buffer) >= self._length:
            del self._buffer[self._length :]
            self._finish(bytes(self._buffer))

    def _read_chunks(self) -> None:
        while (line := self._buffer.find(b"\r\n")) >= 0:
            size = int(self._buffer[:line], 16)
            end = line + 2 + size
            if len(self._buffer) < end + 2:
                return
            piece = bytes(self._buffer[line + 2 : end])
            del self._buffer[: end + 2]
            if not size:
                self._finish(bytes(self._body))
                return
            self._first = self._first or time.perf_counter()
            self._body += piece
            if self._heard is not None:
                self._heard(piece)

    def _finish(self, body: bytes) -> None:
        if self._reply is None or self._reply.done():
            return
        assert self._head is not None
        now = time.perf_counter()
        self._reply.set_result(Reply(_status(self._head), self._head, body, self._first or now, now))
        if _header(self._head, "connection").lower() == "close":
            self.abort()

    def _fail(self, word: str) -> None:
        self.abort()
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(NoAnswer(word))


class Connections:
    """Up to `most` at once from one address to one server, kept for the next question."""

    def __init__(self, server: str, address: str | None = None, most: int = 1):
        """`server`: its URL, with a port. `address`: one of this machine's; None: whichever it takes."""
        place = urlsplit(server)
        assert place.hostname, server
        assert place.port, server
        self._place = place.hostname, place.port
        self._local = None if address is None else (address, 0)
        self._room = asyncio.Semaphore(most)
        self._idle: list[Wire] = []

    async def ask(self, request: bytes, seconds: float, heard: Callable[[bytes], None] | None = None) -> Reply:
        """Within so many seconds, the wait for a connection included.

        A kept connection that the server closes before it answers is tried anew, as browsers do.

        Raises:
            NoAnswer
        """
        try:
            async with asyncio.timeout(seconds), self._room:
                while self._idle:
                    wire = self._idle.pop()
                    if wire.open:
                        with suppress(_Stale):
                            return await self._over(wire, request, heard, kept=True)
                return await self._over(await self._connect(), request, heard)
        except TimeoutError:
            raise NoAnswer("too late") from None

    def close(self) -> None:
        for wire in self._idle:
            wire.abort()
        self._idle.clear()

    async def _connect(self) -> Wire:
        try:
            loop = asyncio.get_running_loop()
            _, wire = await loop.create_connection(Wire, *self._place, local_addr=self._local)
        except ConnectionRefusedError:
            raise NoAnswer("refused") from None
        except OSError as error:
            raise NoAnswer("reset" if isinstance(error, ConnectionError) else "no connection") from error
        return wire

    async def _over(
        self, wire: Wire, request: bytes, heard: Callable[[bytes], None] | None, *, kept: bool = False
    ) -> Reply:
        try:
            reply = await wire.ask(request, heard)
        except NoAnswer:
            if kept and not wire.answering:
                raise _Stale from None
            raise
        except asyncio.CancelledError:
            wire.abort()
            raise
        if wire.open:
            self._idle.append(wire)
        return reply


def request_of(server: str, method: str, path: str, body: Mapping[str, object] | None = None, more: str = "") -> bytes:
    """With `body` as JSON and `more` header lines."""
    content = b"" if body is None else json.dumps(body).encode()
    if content:
        more += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(server).netloc}\r\n{more}\r\n".encode() + content


class _Stale(Exception):
    """The server closed a kept connection as a question was on its way."""


def _status(head: bytes) -> int:
    return int(head.split(None, 2)[1])


def _header(head: bytes, name: str) -> str:
    found = re.search(rb"(?im)^" + name.encode() + rb":[ \t]*(.*?)\r$", head)
    return found[1].decode("latin-1") if found else ""
