"""A Ray cluster, for as long as a command needs one. In: functions and what they are given. Out: what they return.

Ray is imported here alone, and only when a command is told `--engine ray`. What a node that dies was at is done again
on another, RETRIES times at most; nothing else is done twice. Nothing is sent to Ray's makers.
"""

import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, Literal

from model.errors import MaskscopeError

Engine = Literal["local", "ray"]
CONNECT_SECONDS = 5.0
RETRIES = 3
"""A task that has lost so many nodes is not given to one more: it may be what ends them."""


class NoCluster(MaskscopeError, ConnectionError):
    """Ray is not installed, or its cluster does not answer."""

    code = "no_cluster"


class NodeLost(MaskscopeError, ConnectionError):
    """The nodes that were at a task have died, one after the other, or the cluster has gone."""

    code = "node_lost"


class Cluster:
    """Made by `connected`. Nodes need what this machine has: the same Maskscope, torch and Python."""

    def __init__(self, ray: Any):
        self._ray = ray

    def cpus(self) -> int:
        """Of all nodes, when asked."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    async def run(self, function: Callable[..., Any], *given: object) -> Any:
        """What a function of a module returns on a node with a free CPU. Raises NodeLost."""
        task = self._ray.remote(max_retries=RETRIES, scheduling_strategy="SPREAD")(function)
        answer: Awaitable[Any] = task.remote(*given)
        with self._losses():
            return await answer

    def place(self, kind: Callable[..., Any], *given: object) -> Callable[[str, object], Callable[[], Any]]:
        """An object of a class on a node. It is made anew on another, with the same, when its node has died.

        Calling what is returned with a method's name and an argument starts that method; calling what that returns
        waits for its answer. Raises NodeLost.
        """
        options = {"max_restarts": RETRIES, "max_task_retries": RETRIES, "scheduling_strategy": "SPREAD"}
        actor = self._ray.remote(**options)(kind).remote(*given)

        def start(method: str, argument: object) -> Callable[[], Any]:
            answer = getattr(actor, method).remote(argument)

            def wait() -> Any:
                with self._losses():
                    return self._ray.get(answer)

            return wait

        return start

    @contextmanager
    def _losses(self) -> Iterator[None]:
        """Tells a node's end from a function's own error."""
        raised = self._ray.exceptions
        try:
            yield
        except raised.RayTaskError:
            raise
        except raised.RayError as error:
            raise NodeLost(f"the cluster has lost a task {RETRIES + 1} times ({type(error).__name__})") from error


@contextmanager
def connected() -> Iterator[Cluster]:
    """The cluster at RAY_ADDRESS, or one that is started on this machine's cores and ends with the command.

    Raises:
        NoCluster: Ray is not installed, or nothing answers at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise NoCluster("--engine ray needs Ray: pip install 'maskscope[ray]'", param="engine") from error
    address = os.environ.get("RAY_ADDRESS") or "local"
    if address != "local":
        _check_answers(address)
    with redirect_stdout(sys.stderr):  # Ray says there what dies, in the middle of somebody's JSON
        try:
            ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            said = str(error).strip().splitlines()
            raise NoCluster(f"no cluster at {address}: {said[0] if said else type(error).__name__}") from error
        try:
            yield Cluster(ray)
        finally:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself would try without end. Raises NoCluster."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise NoCluster(f"RAY_ADDRESS must be HOST:PORT, not {address[:100]!a}")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            pass
    except (OSError, OverflowError) as error:
        raise NoCluster(f"no Ray cluster answers at {address[:100]}: {error}") from error
