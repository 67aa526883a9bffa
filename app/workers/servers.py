"""Several server processes on one port: started here, started anew when one dies, ended together.

In: a listening socket and how many. Out: an exit code. All of them accept from the same socket, so a connection goes to
whoever is free. What one of them alone may keep is settled in `app/forwarding.py`.
"""

import logging
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from types import FrameType

from app.workers.processes import command_line

BACKLOG = 2048
log = logging.getLogger(__name__)
FASTEST_DEATH_SECONDS = 5.0
"""A process that dies sooner than this has not served: starting it again would not help, so all ends."""


def serve_with(workers: int, host: str, port: int, words: tuple[str, ...]) -> int:
    """Until a signal ends it, or a process cannot start. `words`: the command of one process.

    Raises:
        OSError: nobody may listen at that address.
    """
    with _listener(host, port) as listener, tempfile.TemporaryDirectory(prefix="maskscope-") as folder:
        name = f"[{host}]" if ":" in host else host
        log.warning("%d processes running on http://%s:%d", workers, name, listener.getsockname()[1])
        return _Servers(workers, listener, words, folder).run()


def _listener(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address, family=family, backlog=BACKLOG)


class _Servers:
    def __init__(self, workers: int, listener: socket.socket, words: tuple[str, ...], folder: str):
        self._listener = listener
        self._command = command_line(*words)
        self._environment = {
            **os.environ,
            "MASKSCOPE_LISTENER_FD": str(listener.fileno()),
            "MASKSCOPE_KEEPER_FOLDER": folder,
        }
        self._ending = False
        self._started: dict[subprocess.Popen[bytes], float] = {}
        self._workers = workers

    def run(self) -> int:
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(name) != signal.SIG_IGN:  # `nohup` has it ignored
                signal.signal(name, self._end)
        code = 0
        while not self._ending and len(self._started) < self._workers:
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
            if lived < FASTEST_DEATH_SECONDS:
                code = code or max(1, died.returncode)
                self._end(signal.SIGTERM, None)
            else:
                self._start()
        return code

    def _start(self) -> None:
        process = subprocess.Popen(self._command, env=self._environment, pass_fds=[self._listener.fileno()])
        self._started[process] = time.monotonic()
        if self._ending:  # the signal came before this process was known
            self._end(signal.SIGTERM, None)

    def _end(self, signal_number: int, _frame: FrameType | None) -> None:
        """Every process ends in order, as it would alone."""
        self._ending = True
        for process in self._started:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)  # Popen's own way would reap one that `run` then waits for
