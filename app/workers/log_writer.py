"""The log of a server: lines that a thread writes. In: records. Out: ASCII lines on stderr, requests on stdout.

Whoever logs never waits. A pipe that nobody reads blocks this thread alone: what is more than it holds is left out,
and counted where the log goes on.
"""

import logging
import os
import queue
import sys
import threading
import time
from contextlib import suppress
from typing import TextIO

from uvicorn.logging import AccessFormatter, DefaultFormatter

MOST_LINES = 2000
"""Waiting to be written, tracebacks as one."""
GATHER_SECONDS = 0.02
"""From the first line to the write of all that came meanwhile: to wake this thread takes a busy server 0.3 ms."""
LEFT_OUT = "%d lines of the log were left out here: nobody read them in time\n"
LAST_SECONDS = 1.0
"""For what waits when the server ends."""


class Lines:
    """Texts on their way to a descriptor."""

    def __init__(self, descriptor: int, most: int = MOST_LINES):
        self._descriptor = descriptor
        self._waiting: queue.Queue[str] = queue.Queue(most)
        self._lock = threading.Lock()
        self._left_out = 0
        threading.Thread(target=self._write_on, name="log", daemon=True).start()

    def write(self, text: str) -> None:
        """Returns at once; counted as left out if there is no place."""
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            with self._lock:
                self._left_out += 1

    def wait(self, seconds: float) -> None:
        """Wait for all that was added to be written, but no longer."""
        deadline = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.005)

    def _write_on(self) -> None:
        while True:
            texts = [self._waiting.get()]
            time.sleep(GATHER_SECONDS)
            with suppress(queue.Empty):
                for _ in range(self._waiting.maxsize):
                    texts.append(self._waiting.get_nowait())
            with self._lock:
                left_out, self._left_out = self._left_out, 0
            self._put((LEFT_OUT % left_out if left_out else "") + "".join(texts))
            for _ in texts:
                self._waiting.task_done()

    def _put(self, text: str) -> None:
        rest = memoryview(text.encode("ascii", "backslashreplace"))
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            return  # the other end is closed: there is no log any more, and nobody to tell


class ServerLog:
    """Takes over the log of this process, of uvicorn and of all that is logged besides, until `close`."""

    def __init__(self, errors: TextIO = sys.stderr, requests: TextIO = sys.stdout):
        self._lines = (Lines(errors.fileno()), Lines(requests.fileno()))
        said, asked = (logging.StreamHandler(lines) for lines in self._lines)
        said.setFormatter(DefaultFormatter("%(levelprefix)s %(message)s"))
        asked.setFormatter(AccessFormatter('%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s'))
        self._handlers = {"": said, "uvicorn": said, "uvicorn.access": asked}
        self._before: dict[str, tuple[int, bool]] = {}
        for name, handler in self._handlers.items():
            logger = logging.getLogger(name)
            self._before[name] = logger.level, logger.propagate
            logger.addHandler(handler)
            logger.setLevel(logging.INFO if name else logging.WARNING)
            logger.propagate = False
        logging.captureWarnings(True)

    def close(self) -> None:
        for name, handler in self._handlers.items():
            logger = logging.getLogger(name)
            logger.removeHandler(handler)
            logger.level, logger.propagate = self._before[name]
        logging.captureWarnings(False)
        for lines in self._lines:
            lines.wait(LAST_SECONDS)
