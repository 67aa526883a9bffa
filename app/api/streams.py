"""What streams of generated text share: the response, and the longest that one may last.

They end by themselves within a minute, unless the settings say otherwise, and the engine tells them when the server
ends. A race may last longer, and needs sse-starlette's response, with its pings and its four tasks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse

from app.engine import EngineBusy


class EventStream(StreamingResponse):
    """Ends when its client leaves. Asks proxies to hold nothing back."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes]):
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def deadline(seconds: float) -> Callable[[], None]:
    """A check that raises EngineBusy once `seconds` have passed from now."""
    clock = asyncio.get_running_loop().time
    last = clock() + seconds

    def check() -> None:
        if clock() > last:
            raise EngineBusy(f"The stream took longer than {seconds:g} s; try again")

    return check
