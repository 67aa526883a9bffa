"""The end of a connection, on real sockets."""

import asyncio
import socket
import struct

import pytest

from app.serving.transport import EndingTransport

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


@pytest.mark.parametrize("receiving", [True, False], ids=["in the midst of a body", "between requests"])
async def test_ending_a_connection_that_its_peer_has_cut_raises_nothing(receiving: bool) -> None:
    noting = Noting()
    server = await asyncio.get_running_loop().create_server(lambda: noting, "127.0.0.1", 0)
    async with server:
        peer = socket.create_connection(server.sockets[0].getsockname())
        ending = EndingTransport(await noting.made, 5.0, lambda: receiving)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()  # a reset, which a server that does not read has not seen
        ending.close()
        async with asyncio.timeout(10):
            await noting.lost.wait()
        ending.lost()
