"""Pages are drawn one in a turn of the event loop: what is short (/healthz, a stream's next token) goes between them.

In: who wants to draw. Out: a return, when it is his turn. Knows no page.
"""

import asyncio


class Turns:
    """First come, first served.

    Otherwise sixty pages that are asked for at once are all drawn in one turn, and again in the next, and whatever
    needs a few turns waits for a few times sixty pages.
    """

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def take(self) -> None:
        """Returns when it is the caller's turn; the next one's begins after he has drawn."""
        async with self._one:
            await asyncio.sleep(0)
