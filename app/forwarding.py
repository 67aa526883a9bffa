"""What only one server process keeps (races, votes, short addresses) and how the others reach it. ASGI, both ends.

In: requests. Those for what is kept go to the keeper, over its Unix socket or to the machine that settings name, and
its answer comes back as it comes, streams too. All else is answered here. Knows no page and no race.
"""

import asyncio
import fcntl
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import KeeperGone, respond

if TYPE_CHECKING:
    from httpx import AsyncClient  # 0.1 s of a start, and needed only beside a keeper

KEPT = ("/race", "/api/v1/races", "/votes", "/api/v1/votes", "/room", "/r")
"""The addresses, each with all below it, of what lies in one process's memory."""
CLIENT, SCHEME = b"x-forwarded-for", b"x-forwarded-proto"
HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer", CLIENT, SCHEME}
NOT_PASSED_ON = {*HOP_BY_HOP, b"date"}
"""Of an answer: each server writes its own date."""
SOCKET, LOCK = "keeper.sock", "keeper.lock"
CONNECT_SECONDS = 5.0
EVENTS = "text/event-stream"
"""Of a follower of a race: the keeper has given him one of the followers' places, so he leaves that of his request."""


class KeeperLock:
    """Whoever holds it is the keeper, until it ends: the kernel frees the lock of a process that dies."""

    def __init__(self, folder: Path):
        self.socket = folder / SOCKET
        self._file: IO[bytes] | None = None
        file = (folder / LOCK).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            self._file = file
            self.socket.unlink(missing_ok=True)

    @property
    def held(self) -> bool:
        return self._file is not None

    def close(self) -> None:
        """Let another take it."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Forwarding:
    """Sends requests for what is kept to the keeper."""

    def __init__(self, app: ASGIApp, keeper: "AsyncClient"):
        self.app = app
        self.keeper = keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_kept(scope["path"]):
            await self._forward(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await Request(scope, receive).body()  # which the guard has read and bounded
        except ClientDisconnect:
            return
        answering = asyncio.create_task(self._answer(scope, receive, body, send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            answering.cancel()
            leaving.cancel()

    async def _answer(self, scope: Scope, receive: Receive, body: bytes, send: Send) -> None:
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        target = self.keeper.base_url.raw_path.rstrip(b"/") + scope["raw_path"] + query
        headers = [(name, value) for name, value in scope["headers"] if name not in HOP_BY_HOP]
        headers += [(CLIENT, (scope["client"][0] if scope["client"] else "").encode())]
        headers += [(SCHEME, scope["scheme"].encode())]
        from httpx import TransportError

        as_it_came = {"target": target}  # as an address httpx would rewrite it, or refuse it
        started = False
        try:
            async with self.keeper.stream(
                scope["method"], "/", headers=headers, content=body or None, extensions=as_it_came
            ) as answer:
                told = [(name.lower(), value) for name, value in answer.headers.raw]
                kept = [(name, value) for name, value in told if name not in NOT_PASSED_ON]
                started = True
                if answer.headers.get("content-type", "").startswith(EVENTS):
                    scope["state"]["place"].leave()
                await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
                async for piece in answer.aiter_raw():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TransportError:
            if started:
                return  # the server cuts the connection off, so that the client sees the answer is not whole
            gone = KeeperGone("The process that keeps races and votes does not answer; try again")
            await respond(Request(scope), gone)(scope, receive, send)


class FromWorkers:
    """The keeper's side of its socket: the client is whom the worker names, and came as it says."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            told = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (CLIENT, SCHEME)}
            headers = [(name, value) for name, value in scope["headers"] if name not in told]
            client = (told[CLIENT], 0) if CLIENT in told else None
            scope = {**scope, "headers": headers, "client": client, "scheme": told.get(SCHEME, scope["scheme"])}
        await self.app(scope, receive, send)


def is_kept(path: str) -> bool:
    return any(path == kept or path.startswith(f"{kept}/") for kept in KEPT)


def keeper_of(lock: KeeperLock | None, address: str) -> "AsyncClient | None":
    """A client of the keeper, at its address or its socket; None if this process is the keeper.

    It waits for an answer as long as its own client does.
    """
    if not address and (lock is None or lock.held):
        return None
    import httpx

    socket = os.fspath(lock.socket) if lock and not address else None
    transport = httpx.AsyncHTTPTransport(uds=socket, limits=httpx.Limits())
    timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
    client = httpx.AsyncClient(transport=transport, base_url=address or "http://keeper", timeout=timeout)
    client.headers.clear()  # it would say of visitors that they read gzip
    return client


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
