"""Several server processes on one port: started here, started anew when one dies, ended together.

In: an address and how many. Out: an exit code. Each listens by itself, and the kernel deals connections out to them by
their hash (SO_REUSEPORT): from one socket for all, whoever woke first took a whole crowd's. What one of them alone may
keep is settled in `app/forwarding.py`.
"""

import logging
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

from app.workers.processes import command_line

BACKLOG = 2048
LOOK_SECONDS = 0.05
log = logging.getLogger(__name__)
FASTEST_DEATH_SECONDS = 30.0
"""A process that ends by itself sooner than this cannot serve: starting it again would not help, so all ends."""


def serve_with(workers: int, host: str, port: int, words: tuple[str, ...]) -> int:
    """Until a signal ends it, or a process cannot start. `words`: the command of one process.

    Raises:
        OSError: nobody may listen at that address.
    """
    with _reserve(host, port) as reserved, tempfile.TemporaryDirectory(prefix="maskscope-") as folder:
        name, port = f"[{host}]" if ":" in host else host, reserved.getsockname()[1]
        log.warning("%d processes running on http://%s:%d", workers, name, port)
        kept = {"MASKSCOPE_SHARES_PORT": "1", "MASKSCOPE_KEEPER_FOLDER": folder}
        command = command_line(*words, "--port", str(port))
        return _Servers(workers, (host, port), command, os.environ | kept).run()


def listen(host: str, port: int) -> socket.socket:
    """Beside the other processes of this server."""
    family, address = _resolve(host, port)
    listener = socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True)
    # Connections inherit it. asyncio sets it only for listeners that it opened itself; without it an answer in several
    # pieces may wait 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _reserve(host: str, port: int) -> socket.socket:
    """A socket that holds the port and does not listen; only the processes do."""
    family, address = _resolve(host, port)
    with socket.create_server(address, family=family) as alone:  # refused if another program listens there
        address = alone.getsockname()
    reserved = socket.socket(family, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(address)
    return reserved


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return family, address


class _Servers:
    def __init__(
        self, workers: int, address: tuple[str, int], command: tuple[str, ...], environment: Mapping[str, str]
    ):
        self._address, self._command, self._environment = address, command, environment
        self._ending = False
        self._started: dict[subprocess.Popen[bytes], float] = {}
        self._workers = workers

    def run(self) -> int:
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(name) != signal.SIG_IGN:  # `nohup` has it ignored
                signal.signal(name, self._end)
        code = 0
        self._start()
        while not self._ending and self._is_starting():
            time.sleep(LOOK_SECONDS)
        while not self._ending and self._listens() and len(self._started) < self._workers:
            self._start()
        while self._started:
            pid, status = os.wait()
            died = next((process for process in self._started if process.pid == pid), None)
            if died is None:
                continue
            lived = time.monotonic() - self._started.pop(died)
            died.returncode = os.waitstatus_to_exitcode(status)
            if self._ending:
                continue
            if lived < FASTEST_DEATH_SECONDS and died.returncode >= 0:
                code = code or max(1, died.returncode)
                self._end(signal.SIGTERM, None)
            else:
                if lived < FASTEST_DEATH_SECONDS:
                    time.sleep(1)  # else one that dies at its first step would be started a hundred times a second
                self._start()
        return code

    def _is_starting(self) -> bool:
        """The first process, which says what is broken; a second one would say it once more."""
        (first,) = self._started
        has_ended = os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return has_ended is None and not self._listens()

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(self._address, LOOK_SECONDS):
            return True
        return False

    def _start(self) -> None:
        process = subprocess.Popen(self._command, env=self._environment)
        self._started[process] = time.monotonic()
        if self._ending:  # the signal came before this process was known
            self._end(signal.SIGTERM, None)

    def _end(self, signal_number: int, _frame: FrameType | None) -> None:
        """Every process ends in order, as it would alone."""
        self._ending = True
        for process in self._started:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)  # Popen's own way would reap one that `run` then waits for
