"""Pages are drawn one in a turn of the event loop: what is short (/healthz, a stream's next token) goes between them.

In: who wants to draw. Out: a return, when it is his turn. Knows no page.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from app.fair_queue import FairQueue
from app.shares import answering, asking

Result = TypeVar("Result")


class Turns:
    """Addresses take turns, so that nobody waits for all the pages that another has asked for.

    Otherwise sixty pages that are asked for at once are all drawn in one turn, and again in the next, and whatever
    needs a few turns waits for a few times sixty pages.
    """

    def __init__(self) -> None:
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self._goes_on = False

    async def take(self) -> None:
        """Returns when it is the caller's turn; the next one's begins after he has drawn."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn, asking.get(), answering.get())
        if not self._goes_on:
            self._pass_on()
        await turn

    async def after(self, coming: Awaitable[Result]) -> Result:
        """The result of `coming`, at the caller's turn: many may have waited for the same one."""
        result = await coming
        await self.take()
        return result

    def _pass_on(self) -> None:
        """To one that waits, and in the next turn of the loop, after he has drawn, to another."""
        self._goes_on = bool(self._waiting)
        if self._waiting:
            turn = self._waiting.take()
            if not turn.cancelled():
                turn.set_result(None)
            turn.get_loop().call_soon(self._pass_on)
