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
from collections.abc import Callable
from contextlib import suppress

from app.races.fork_server import FORK, MESSAGE
from app.settings import ROOT

GIVES_WAY = 5
"""To the server, from its first import on: pages go first where there are fewer cores than processes."""
LINE_BYTES = 1_000_000
"""More than the longest line of a worker."""


class Worker:
    """A process, and the connection on which it is ordered and tells."""

    def __init__(self, pid: int, told: StreamReader, orders: StreamWriter, kill: Callable[[int], None]):
        self.pid, self.told = pid, told
        self._orders, self._kill = orders, kill

    def order(self, line: bytes) -> None:
        """One that has ended hears nothing."""
        if not self._orders.is_closing():
            self._orders.write(line + b"\n")

    async def end(self) -> None:
        """No process is left, and no connection. The kernel tells of orders that it has not read as of an error."""
        self._kill(self.pid)
        with suppress(OSError):
            self._orders.write_eof()
            await self.told.read()
        self._orders.close()


class Forks:
    """The process that workers are forked from, started when it is needed. For one thread, and all its event loops."""

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
        with theirs:
            socket.send_fds(self._orders, [MESSAGE.pack(FORK)], [theirs.fileno()])
        told, orders = await asyncio.open_connection(sock=ours, limit=LINE_BYTES)
        try:
            if not (born := await told.readline()):
                raise ChildProcessError("the process that workers are forked from has died")
        except BaseException:
            orders.close()
            raise
        return Worker(json.loads(born)["pid"], told, orders, self._kill)

    def stop(self) -> None:
        """No process is left, and no worker of it. Returns within milliseconds."""
        if self._server:
            self._server.terminate()
            self._server.wait()
            self._server = None
        if self._orders:
            self._orders.close()
            self._orders = None

    def _kill(self, pid: int) -> None:
        if self._orders:
            with suppress(OSError):  # the end of the server itself may have come first
                self._orders.send(MESSAGE.pack(pid))
