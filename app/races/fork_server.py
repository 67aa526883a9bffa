"""`python -m app.races.fork_server`: has imported what a race needs, and forks a worker whenever it is told to.

Importing torch takes longer than beginning a race, and what is imported once is shared by all workers. In: a UNIX
socket as standard input, with messages, see `MESSAGE`. A worker tells its process id first, on the socket it was given;
how it ended is told there for it, as the last line.
"""

import json
import os
import signal
import socket
import struct
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

from app.races import worker

MESSAGE = struct.Struct("i")
"""`FORK`, with a socket beside it that becomes the worker's input and output, or the id of a worker to kill."""
FORK = 0
SIGNALS = (signal.SIGCHLD, signal.SIGTERM)


class ForkServer:
    """Torch is imported and computes nothing here: a process must not be forked while its threads are at work."""

    def __init__(self, orders: socket.socket):
        self._orders = orders
        self._sockets: dict[int, int] = {}
        """By the id of each worker that lives, our end of its socket, open until its end is told there."""

    def run(self) -> None:
        """Obey until nobody can order any more, or SIGTERM. No worker is left then."""
        signal.signal(signal.SIGCHLD, lambda *_: self._tell_ends(os.WNOHANG))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        try:
            while True:
                message, descriptors, *_ = socket.recv_fds(self._orders, MESSAGE.size, 1)
                if not message:
                    return
                (order,) = MESSAGE.unpack(message)
                if order == FORK:
                    self._fork(descriptors[0])
                elif order in self._sockets:
                    os.kill(order, signal.SIGKILL)
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            for pid in self._sockets:
                os.kill(pid, signal.SIGKILL)
            self._tell_ends(0)

    def _fork(self, given: int) -> None:
        signal.pthread_sigmask(
            signal.SIG_BLOCK, SIGNALS
        )  # the child has handlers of its own, and we know it when it ends
        pid = os.fork()
        if not pid:
            for other in self._sockets.values():  # whoever reads there waits until nobody holds the other end
                os.close(other)
            become_worker(given)
        self._sockets[pid] = given
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _tell_ends(self, options: int) -> None:
        """Of all workers that have ended. `options`: as of os.waitpid."""
        while self._sockets:
            pid, status = os.waitpid(-1, options)
            if not pid:
                return
            with socket.socket(fileno=self._sockets.pop(pid)) as told, suppress(OSError):  # nobody may read any more
                code = os.waitstatus_to_exitcode(status)
                told.send(json.dumps({"event": "ended", "code": code}).encode() + b"\n", socket.MSG_DONTWAIT)


def become_worker(given: int) -> NoReturn:
    """Ends the process. `given`: the descriptor of its socket."""
    try:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.dup2(given, sys.stdin.fileno())
        os.dup2(given, sys.stdout.fileno())
        os.close(given)
        worker.tell("born", pid=os.getpid())
        if sys.platform != "linux":  # what else has come with torch may not bear to be forked
            os.execv(sys.executable, (sys.executable, "-m", worker.__name__))
        worker.main()
    except (SystemExit, ConnectionResetError):  # nobody is left to train for
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    ForkServer(socket.socket(fileno=sys.stdin.fileno())).run()


if __name__ == "__main__":
    main()
