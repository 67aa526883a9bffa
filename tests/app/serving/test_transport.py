"""When what is written leaves, and the end of a connection, on real sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.serving.transport import PIECE_BYTES, EndingTransport

pytestmark = pytest.mark.anyio


class Noting(asyncio.Protocol):
    """Keeps its transport, does not read, and says when the connection is lost."""

    def __init__(self) -> None:
        self.made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self.made.set_result(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Noting, asyncio.Transport, socket.socket]]:
    """Our side, its transport, and the peer."""
    noting = Noting()
    server = await asyncio.get_running_loop().create_server(lambda: noting, "127.0.0.1", 0)
    async with server:
        with socket.create_connection(server.sockets[0].getsockname()) as peer:
            yield noting, await noting.made, peer


async def gone(noting: Noting, ending: EndingTransport) -> None:
    async with asyncio.timeout(10):
        await noting.lost.wait()
    ending.lost()


async def test_what_is_written_in_one_turn_leaves_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected() as (noting, transport, _):
        left: list[bytes] = []
        monkeypatch.setattr(transport, "write", left.append)
        ending = EndingTransport(transport, 5.0, lambda: False)
        ending.write(b"head")
        ending.write(b"body")
        assert left == []
        await asyncio.sleep(0)
        assert left == [b"headbody"]
        ending.write(b"x" * PIECE_BYTES)
        assert left[1:] == [b"x" * PIECE_BYTES]
        ending.write(b"an")
        ending.write(b"other")
        await asyncio.sleep(0)
        assert left[2:] == [b"another"], "what has left is held no longer"
        ending.write(b"end")
        ending.flush()
        await asyncio.sleep(0)
        assert left[3:] == [b"end"]
        ending.abort()
        await gone(noting, ending)


@pytest.mark.parametrize("receiving", [True, False], ids=["in the midst of a body", "between requests"])
async def test_a_connection_that_ends_sends_what_was_written(receiving: bool) -> None:
    async with connected() as (noting, transport, peer):
        ending = EndingTransport(transport, 5.0, lambda: receiving)
        ending.write(b"last")
        ending.close()
        await asyncio.sleep(0)
        assert peer.recv(100) == b"last"
        assert peer.recv(100) == b""
        peer.close()
        transport.abort()
        await gone(noting, ending)


async def test_one_that_is_cut_off_sends_nothing_more() -> None:
    async with connected() as (noting, transport, peer):
        ending = EndingTransport(transport, 5.0, lambda: False)
        ending.write(b"nobody reads it")
        ending.abort()
        await gone(noting, ending)
        with pytest.raises(ConnectionResetError):
            peer.recv(100)


@pytest.mark.parametrize("receiving", [True, False], ids=["in the midst of a body", "between requests"])
async def test_ending_a_connection_that_its_peer_has_cut_raises_nothing(receiving: bool) -> None:
    async with connected() as (noting, transport, peer):
        ending = EndingTransport(transport, 5.0, lambda: receiving)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()  # a reset, which a server that does not read has not seen
        ending.close()
        await gone(noting, ending)
