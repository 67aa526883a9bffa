"""Calls of the API that are worked on at once are few; the others wait, and addresses take turns.

Pure ASGI, behind the guard, which says whose request it is, and behind what answers from bytes. A loop with
hundreds of ready tasks comes back to each of them after some 90 ms, and a first screen takes some twenty-five such
rounds: a crowd of streams made everybody wait for two to three seconds. Work ends where the answer begins: how fast its
reader reads holds nobody up.
"""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.fair_queue import FairQueue
from app.shares import Place, answering, asking


class WorkTurns:
    """Of one event loop."""

    def __init__(self, app: ASGIApp, most: int, at_once: Callable[[Scope], bool]):
        """`at_once`: true of what waits for no turn."""
        self.app = app
        self._at_once = at_once
        self._free = most
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._at_once(scope):
            await self.app(scope, receive, send)
            return
        await self._turn()
        turn = Place(self._pass_on)

        async def send_and_end(message: Message) -> None:
            turn.leave()
            await send(message)

        try:
            await self.app(scope, receive, send_and_end)
        finally:
            turn.leave()

    async def _turn(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn, asking.get(), answering.get())
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came in the same moment
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.take()
            if not turn.cancelled():  # else nobody waits for it any more
                turn.set_result(None)
                return
        self._free += 1
