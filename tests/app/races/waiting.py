"""For tests of races: to wait for what comes by itself."""

from collections.abc import Callable

import anyio


async def until(claim: Callable[[], object]) -> None:
    with anyio.fail_after(60):
        while not claim():
            await anyio.sleep(0.01)
