"""`python -m app.races.fork_server`: imports what a race needs, then forks a worker whenever it is told to.

Importing torch takes longer than beginning a race, and what is imported once is shared by all workers. In: a UNIX
socket as standard input, with messages, see `MESSAGE`. A worker tells its process id first, on the socket it was given;
when it has ended, we tell there how, as the last line.
"""

import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Iterable
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
        """By the id of each worker that lives, our copy of its socket, open until its end is told there."""

    def run(self) -> None:
        """Obey until nobody can order any more, or SIGTERM. No worker is left then."""
        signalled, wakes = socket.socketpair()
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        for number in SIGNALS:  # handled where nothing is under way: what they interrupt goes on
            signal.signal(number, lambda *_: None)
        gc.freeze()  # a worker's collector need not touch what it shares with us
        with signalled, wakes:
            while True:
                ready, _, _ = select.select([self._orders, signalled], [], [])
                if signalled in ready:
                    numbers = signalled.recv(4096)
                    self._tell_ends(os.WNOHANG)
                    if signal.SIGTERM in numbers:
                        break
                elif not self._obey():
                    break
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # both ways to end may come, one after the other
            signal.set_wakeup_fd(-1)
        for pid in self._sockets:
            os.kill(pid, signal.SIGKILL)
        self._tell_ends(0)

    def _obey(self) -> bool:
        """The next message; false if there is none any more."""
        message, descriptors, *_ = socket.recv_fds(self._orders, MESSAGE.size, 1)
        if not message:
            return False
        (order,) = MESSAGE.unpack(message)
        if order == FORK:
            self._fork(descriptors[0])
        elif order in self._sockets:
            os.kill(order, signal.SIGKILL)
        return True

    def _fork(self, given: int) -> None:
        # A signal that comes before the child has handlers of its own would be told to us.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            pid = os.fork()
        except OSError:  # whoever waits for it finds that nobody holds the other end
            traceback.print_exc()
            os.close(given)
        else:
            if not pid:
                become_worker(given, self._sockets.values())
            self._sockets[pid] = given
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _tell_ends(self, options: int) -> None:
        """Of all workers that have ended. `options`: as of os.waitpid."""
        while self._sockets:
            pid, status = os.waitpid(-1, options)
            if not pid:
                return
            with socket.socket(fileno=self._sockets.pop(pid)) as told:
                tell_end(told, os.waitstatus_to_exitcode(status))


def tell_end(told: socket.socket, code: int) -> None:
    """On a line of its own, whatever the worker was writing.

    Orders that came too late are read, or the reader would get an error instead of what was told.
    """
    said = b"\n" + json.dumps({"event": "ended", "code": code}).encode() + b"\n"
    with suppress(OSError):  # nobody may read any more
        told.send(said, socket.MSG_DONTWAIT)
    with suppress(OSError):
        told.shutdown(socket.SHUT_RD)
        while told.recv(4096, socket.MSG_DONTWAIT):
            pass


def become_worker(given: int, others: Iterable[int]) -> NoReturn:
    """Ends the process. `given`: the descriptor of its socket; `others`: the descriptors of other workers' sockets."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        for other in others:  # whoever reads there waits until nobody holds the other end
            os.close(other)
        os.dup2(given, sys.stdin.fileno())
        os.dup2(given, sys.stdout.fileno())
        os.close(given)
        worker.tell("born", pid=os.getpid())
        if sys.platform != "linux":  # what else has come with torch may not survive a fork
            os.execv(sys.executable, (sys.executable, "-m", worker.__name__))
        worker.main()
        code = 0
    except (SystemExit, ConnectionError):  # nobody is left to train for
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    with socket.socket(fileno=sys.stdin.fileno()) as orders:
        ForkServer(orders).run()


if __name__ == "__main__":
    main()
