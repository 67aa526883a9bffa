"""A transport that sends in one piece what is written in one turn of the loop, and whose end is bounded.

Each way through the kernel costs 20 µs and lets other threads in; uvicorn writes headers, body and end one by one.
What a peer does not read in time is dropped, what it still sends is discarded: asyncio's `close` waits for ever for a
reader that has stalled, and resets a peer that is still sending, so that it never sees the answer. In: a transport.
Knows nothing of HTTP.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

PIECE_BYTES = 65_536
"""Held at most: what is longer is sent before the turn ends."""
DISCARDED_BYTES = 64_000_000
"""Of a body that was refused: read so that its sender comes to read the answer, up to here."""


class EndingTransport(asyncio.Transport):
    """Passes everything on, joined; `close` ends within `seconds`."""

    def __init__(self, transport: asyncio.Transport, seconds: float, is_receiving: Callable[[], bool]):
        """`is_receiving`: whether the peer is in the midst of a request's body."""
        super().__init__()
        self._transport = transport
        self._seconds = seconds
        self._is_receiving = is_receiving
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._flushes: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._discarded = 0
        self._lost = False

    def close(self) -> None:
        if self._start_timer():
            if self._is_receiving():
                self._half_close()
            else:
                self._transport.close()

    def close_after_reading(self) -> None:
        """Like `close`, of a peer of whom nobody knows whether it is still sending."""
        if self._start_timer():
            self._half_close()

    def _start_timer(self) -> bool:
        if self._lost or self._timer is not None:
            return False
        self.flush()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.abort)
        return True

    def _half_close(self) -> None:
        if self._transport.is_closing():
            return
        try:
            self._transport.write_eof()  # after what is yet to be written
            self._transport.resume_reading()
        except OSError:  # the peer has cut off, and the loop has not told us yet
            self.abort()

    def discard(self, size: int) -> None:
        """So many bytes came after the end."""
        self._discarded += size
        if self._discarded > DISCARDED_BYTES:
            self.abort()

    def lost(self) -> None:
        """The connection is gone: nothing is left to end."""
        self._lost = True
        self._drop_held()
        if self._timer is not None:
            self._timer.cancel()

    def is_closing(self) -> bool:
        return self._lost or self._timer is not None or self._transport.is_closing()

    def abort(self) -> None:
        """End now. The kernel drops what it holds for the peer too, who would otherwise have it for minutes."""
        self._drop_held()
        connection: socket.socket = self._transport.get_extra_info("socket")
        if not self._lost and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def write(self, data: Any) -> None:
        """`data` is bytes, which nobody changes afterwards."""
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= PIECE_BYTES:
            self.flush()
        elif self._flushes is None:
            self._flushes = asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send what is held, without waiting for more."""
        data = b"".join(self._held)
        self._drop_held()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _drop_held(self) -> None:
        self._held.clear()
        self._held_bytes = 0
        if self._flushes is not None:
            self._flushes.cancel()
            self._flushes = None

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        if not self.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
