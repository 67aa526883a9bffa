"""Workers that wait for a race with everything imported, since importing torch takes longer than beginning a race.

Started when somebody is about to start a race, ended when nobody did. Knows no race.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from app.settings import ROOT

GIVES_WAY = 5
"""To the server, from its first import on: pages go first where there are fewer cores than processes."""
LINE_BYTES = 1_000_000
"""More than the longest line of a worker."""


async def start_worker() -> Process:
    """Without an order it imports, and waits for one."""
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.races.worker"),
        stdin=PIPE,
        stdout=PIPE,
        cwd=ROOT,
        start_new_session=True,  # a Ctrl-C in the server's terminal is the server's alone
        limit=LINE_BYTES,
    )
    with suppress(ProcessLookupError):  # it may have ended already
        os.setpriority(os.PRIO_PROCESS, worker.pid, os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY)
    return worker


async def end_worker(worker: Process) -> None:
    """No process is left, and no pipe."""
    if worker.returncode is None:
        worker.kill()
    await worker.communicate()


class Spares:
    """At most so many workers that wait. For one event loop, which all its callers share."""

    def __init__(self, most: int, seconds: float):
        """`seconds`: a spare that nobody has needed for so long ends."""
        self._most, self._seconds = most, seconds
        self._waiting: list[Process] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def pids(self) -> tuple[int, ...]:
        return tuple(worker.pid for worker in self._waiting)

    def want(self) -> None:
        """Have all of them ready soon, and for a while."""
        if self._closed or not self._most:
            return
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end_all)
        if not self._tasks:
            self._do(self._fill())

    async def take(self) -> Process:
        """One that waits, or else a new one: it is the caller's from now on."""
        while self._waiting:
            worker = self._waiting.pop(0)
            if worker.returncode is None:
                return worker
            await end_worker(worker)
        return await start_worker()

    async def close(self) -> None:
        """No process is left."""
        self._closed = True
        self._stop_timer()
        await asyncio.gather(*self._tasks)
        await asyncio.gather(*map(end_worker, self._waiting))
        self._waiting.clear()

    async def _fill(self) -> None:
        while len(self._waiting) < self._most and not self._closed:
            self._waiting.append(await start_worker())

    def _end_all(self) -> None:
        ended, self._waiting = self._waiting, []
        for worker in ended:
            self._do(end_worker(worker))

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
