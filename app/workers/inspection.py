"""The process that renders templates for us, and what it is allowed: time by this side, memory by its own.

It is long-lived. When it has been silent for longer than it may be, it is killed and another takes its place, so that
the next request is answered. No template and no tokenizer of a stranger's is ever loaded in this process.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from app.settings import ROOT
from model.errors import MaskscopeError
from model.inspector.refusals import LimitHit, TemplateRefused, UnreadableInput
from model.inspector.templates import SOURCE_BYTES

SILENCE_SECONDS = 2.0
"""A process at work says so five times a second; a template that keeps it from doing so is stopped."""
LOAD_SECONDS = 20.0
"""A tokenizer of a hundred thousand tokens takes seconds to load, and says nothing meanwhile."""
START_SECONDS = 60.0

TOTAL_SECONDS = 10.0
"""For a request of a page, however often the process says that it is at work."""

KINDS: dict[str, type[MaskscopeError]] = {kind.__name__: kind for kind in (LimitHit, TemplateRefused, UnreadableInput)}

PATIENCE = {"load": LOAD_SECONDS}


class InspectionProcess:
    """One worker process. Not for two callers at once. Use as a context, or call `stop`."""

    def __init__(self, silence_seconds: float = SILENCE_SECONDS, niceness: int = 0) -> None:
        """`niceness`: above ours, by which it gives way to other processes from its first import on."""
        self._silence_seconds = silence_seconds
        self._niceness = niceness
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""
        self.at = 0
        """The item of the order that it was at when it last said so."""
        self.started = 0
        """How often a process was started: more than once, if one was killed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    def ask(self, order: Mapping[str, Any], told: Callable[[int], None] | None = None) -> dict[str, Any]:
        """The answer to an order. Raises what the worker says was wrong; LimitHit if it died or was silent."""
        self.send(order)
        return self.receive(order["do"], told)

    def send(self, order: Mapping[str, Any]) -> None:
        template = order.get("materials", {}).get("template")
        if template is not None and len(template) > SOURCE_BYTES:
            raise LimitHit(f"the template is larger than {SOURCE_BYTES >> 10} KiB", param="template")
        process = self._started()
        assert process.stdin
        self.at = 0
        try:
            said = json.dumps(order, default=str).encode() + b"\n"
        except RecursionError as error:
            raise UnreadableInput("nested too deeply", param="rows") from error
        try:
            process.stdin.write(said)
            process.stdin.flush()
        except BrokenPipeError:
            self.stop()
            raise LimitHit("the process that renders has died") from None

    def receive(self, asked: str, told: Callable[[int], None] | None = None) -> dict[str, Any]:
        """The answer to what was sent last."""
        patience = max(PATIENCE.get(asked, 0.0), self._silence_seconds)
        until = time.monotonic() + (TOTAL_SECONDS if asked == "inspect" else float("inf"))
        while True:
            news = self._next(min(patience, max(until - time.monotonic(), 0)))
            if "at" in news:
                self.at = int(news["at"])
                if told:
                    told(self.at)
            if "done" in news:
                return dict(news["done"])
            if "failed" in news:
                raise KINDS.get(news["kind"], UnreadableInput)(news["failed"], param=news["param"])

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        process, self._process, self._read = self._process, None, b""
        if process is not None:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.workers.inspection_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
                env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
            )
            os.setpriority(os.PRIO_PROCESS, self._process.pid, os.getpriority(os.PRIO_PROCESS, 0) + self._niceness)
            self.started += 1
            self._next(START_SECONDS)
        return self._process

    def _next(self, patience_seconds: float) -> dict[str, Any]:
        """The next line it says. Kills it if none comes in time."""
        if self._process is None:
            raise LimitHit("the process that renders has died")
        assert self._process.stdout
        pipe, until = self._process.stdout.fileno(), time.monotonic() + patience_seconds
        while b"\n" not in self._read:
            left = until - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                self.stop()
                raise LimitHit(f"rendering took longer than it may, {self._silence_seconds:g} seconds, and was stopped")
            more = os.read(pipe, 1 << 20)
            if not more:
                self.stop()
                raise LimitHit("the process that renders has died: out of memory or depth, or a fault of the tokenizer")
            self._read += more
        line, self._read = self._read.split(b"\n", 1)
        return dict(json.loads(line))
