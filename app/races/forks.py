"""The workers of races, forked from a process of ours that has imported everything already; see fork_server.py.

Knows no race.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from app.races.fork_server import FORK, MESSAGE
from app.settings import ROOT

GIVES_WAY = 5
"""So much lower than the web server's is their priority, from the first import on: pages go first where there are fewer
cores than processes."""
LINE_BYTES = 1_000_000
"""More than the longest line of a worker."""
LAST_SECONDS = 5.0
"""For a process that does not end when it is told to."""
Kill = Callable[[int], None]


class Worker:
    """A process, and the connection on which it is ordered and tells.

    Two descriptors of one socket: an order that fails, since the worker has just ended, must not lose what it told.
    """

    def __init__(self, pid: int, told: StreamReader, connection: StreamWriter, orders: socket.socket, kill: Kill):
        self.pid = pid
        self._told, self._connection, self._orders, self._kill = told, connection, orders, kill

    def order(self, line: bytes) -> None:
        """One that has ended hears nothing."""
        with suppress(OSError):
            self._orders.send(line + b"\n")

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """All that it tells until it has ended, and `ended`, unless the fork server has died with it."""
        with suppress(ConnectionError):
            async for line in self._told:
                try:
                    event: dict[str, Any] = json.loads(line)
                except ValueError:  # what it was writing when it was killed, or an empty line
                    continue
                yield event

    async def end(self) -> None:
        """Kill it, and close its connection when it has ended."""
        self._kill(self.pid)
        with suppress(OSError):
            self._orders.shutdown(socket.SHUT_WR)
            await self._told.read()
        self._orders.close()
        self._connection.close()


class Forks:
    """The fork server, started when it is needed. To be used by one thread, in any of its event loops."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None

    @property
    def server_pid(self) -> int | None:
        """None while it does not run."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def want(self) -> None:
        """Have it ready soon."""
        if self.server_pid is None:
            self.stop()
            self._orders, theirs = socket.socketpair()
            with theirs:
                self._server = subprocess.Popen(
                    (sys.executable, "-m", "app.races.fork_server"),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    cwd=ROOT,
                    start_new_session=True,  # a Ctrl-C in the server's terminal is the server's alone
                )
            with suppress(ProcessLookupError):  # it may have ended already
                os.setpriority(os.PRIO_PROCESS, self._server.pid, os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY)

    async def fork(self) -> Worker:
        """A worker that waits for its order. Raises OSError if none can be started."""
        self.want()
        assert self._orders
        ours, theirs = socket.socketpair()
        orders, connection = ours.dup(), None
        try:
            with theirs:
                socket.send_fds(self._orders, [MESSAGE.pack(FORK)], [theirs.fileno()])
            told, connection = await asyncio.open_connection(sock=ours, limit=LINE_BYTES)
            first = json.loads(await told.readline() or b"{}")
            if first.get("event") != "born":
                raise ChildProcessError(f"no worker could be forked: {first or 'the process that forks them has died'}")
        except BaseException:
            orders.close()
            (connection or ours).close()
            raise
        return Worker(first["pid"], told, connection, orders, self._kill)

    def stop(self) -> None:
        """End it, and with it its workers, in milliseconds; if it does not obey, it is killed after LAST_SECONDS."""
        if self._orders:
            self._orders.close()
            self._orders = None
        if self._server:
            self._server.terminate()
            try:
                self._server.wait(LAST_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    def _kill(self, pid: int) -> None:
        if self._orders:
            with suppress(OSError):  # the fork server may have ended first
                self._orders.send(MESSAGE.pack(pid))
