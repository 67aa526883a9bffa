"""What streams of generated text share: the response, and the longest that one may last.

They end by themselves within a minute, unless the settings say otherwise, and the engine tells them when the server
ends. What may last, a race, needs sse-starlette's response, with its pings and its four tasks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse

from app.engine import EngineBusy


class EventStream(StreamingResponse):
    """Ends with its client. No proxy may hold anything of it back."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes]):
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def deadline(seconds: float) -> Callable[[], None]:
    """From now on. What it returns raises EngineBusy once it has passed."""
    clock = asyncio.get_running_loop().time
    last = clock() + seconds

    def check() -> None:
        if clock() > last:
            raise EngineBusy(f"The stream took longer than {seconds:g} s; try again")

    return check
