"""app/workers/servers.py: several processes on one port are one server, and a killed one costs what it kept alone."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.conftest import Server, StartServer


def children(server: Server) -> set[int]:
    found = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return set(map(int, found))


def eventually(holds: Callable[[], bool]) -> None:
    """A new process takes as long as it takes; one that never comes fails."""
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def test_a_race_is_kept_by_one_process_and_reached_through_any(start_server: StartServer) -> None:
    with start_server(MASKSCOPE_WORKERS="2") as server:
        races, body = f"{server.address}/api/v1/races", {"recipe": "reverse4", "policies": ["unmasked"], "steps": 50}

        def counted() -> float:
            """How many requests the process that answers a new connection has counted: each counts its own."""
            metrics = httpx.get(f"{server.address}/metrics", timeout=60).text
            return sum(map(float, re.findall(r"^maskscope_requests_total\S* (\S+)$", metrics, re.M)))

        started: list[httpx.Response] = []

        def starts() -> bool:
            try:
                started.append(httpx.post(races, json=body, timeout=60))
            except httpx.TransportError:
                return False
            return started[-1].status_code == 201

        eventually(starts)
        counts: list[float] = []
        eventually(lambda: bool(counts.append(counted()) or len(set(counts)) < len(counts)))  # type: ignore[func-returns-value]
        race = started[-1].json()
        for _ in range(8):
            assert httpx.get(server.address + race["address"], timeout=60).json()["id"] == race["id"]
            assert race["id"] in httpx.get(server.address + race["page"], timeout=60).text
            with httpx.stream("GET", server.address + race["events"], timeout=60) as events:
                assert "event: started" in list(zip(events.iter_lines(), range(3), strict=False))[1][0]
        before = children(server)
        for killed in sorted(before):
            os.kill(killed, signal.SIGKILL)
            assert httpx.get(f"{server.address}/", timeout=60).status_code == 200
            eventually(lambda: len(children(server)) == 2)
            eventually(starts)
        assert children(server).isdisjoint(before)
