"""A Ray cluster, for as long as a command needs one. In: functions and what they are given. Out: what they return.

Ray is imported here alone, and only when a command is told `--engine ray`. What a node that dies was at is done again
on another, RETRIES times at most; nothing else is done twice. Nothing is sent to Ray's makers.
"""

import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
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
        self._nodes = _cpus_of(ray.nodes())

    def cpus(self) -> int:
        """Of all nodes, at the start."""
        return max(1, len(self._nodes))

    async def run(self, function: Callable[..., Any], *given: object) -> Any:
        """What a function of a module returns on a node with a free CPU. Raises NodeLost."""
        task = self._ray.remote(max_retries=RETRIES, scheduling_strategy="SPREAD")(function)
        answer: Awaitable[Any] = task.remote(*given)
        with self._losses():
            return await answer

    def place(
        self, number: int, kind: Callable[..., Any], *given: object
    ) -> Callable[[str, object], Callable[[], Any]]:
        """An object of a class on a node: of several, by their numbers, each has a CPU. It is made anew on another
        node, with the same, when its own has died.

        Calling what is returned with a method's name and an argument starts that method; calling what that returns
        waits for its answer. Raises NodeLost.
        """
        # A whole CPU each, and those of a dead node would wait for one without end; none, and Ray chooses any node.
        options = {"max_restarts": RETRIES, "max_task_retries": RETRIES, "num_cpus": 0.01}
        if self._nodes:
            near = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
            options["scheduling_strategy"] = near(self._nodes[number % len(self._nodes)], soft=True)
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
            raise NodeLost(f"the cluster lost a task and its {RETRIES} retries ({type(error).__name__})") from error


@contextmanager
def connected() -> Iterator[Cluster]:
    """The cluster at RAY_ADDRESS, or one that is started on this machine's cores and ends with the command.

    Raises:
        NoCluster: Ray is not installed, or nothing answers at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
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


def _cpus_of(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of nodes, each as often as it has CPUs: first one of each, then a second of those that have one."""
    counted = {one["NodeID"]: int(one["Resources"].get("CPU", 0)) for one in nodes if one["Alive"]}
    return [id for number in range(max(counted.values(), default=0)) for id in counted if number < counted[id]]


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
