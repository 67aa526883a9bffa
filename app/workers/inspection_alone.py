"""`python -m app.workers.inspection_alone` inspects a file in a process of its own, so that its memory is its own.

In: a JSON line of a file, a tokenizer's folder, a template and how many processes. Out: in one JSON line what it took.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from app.workers.inspection_orders import Materials
from app.workers.inspection_run import inspect_files
from model.inspector.options import Options

NOW = datetime(2026, 1, 1)


@dataclass(frozen=True)
class Took:
    """`cpu_seconds` are of all processes, with loading. Peaks are of resident memory."""

    rows: int
    tokens: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    worker_peak_bytes: int


def work(given: Sequence[str | int]) -> Took:
    data, folder, template, processes = given
    materials = Materials(data=Path(str(data)), folder=Path(str(folder)), template=str(template), now=NOW)
    start, begun, peak = time.perf_counter(), os.times(), 0

    def judged(rows: int, total: int) -> None:
        nonlocal peak
        peak = max(peak, *(peak_of(child) for child in _children()))

    counted = inspect_files(materials, Options(), int(processes), judged).partial
    seconds, used = time.perf_counter() - start, os.times()
    cpu_seconds = sum(used[:4]) - sum(begun[:4])
    return Took(counted.rows, counted.tokens, seconds, cpu_seconds, peak_of("self"), peak)


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def peak_of(process: str) -> int:
    """The most memory that a process ever held, in bytes (VmHWM)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


if __name__ == "__main__":
    print(json.dumps(asdict(work(json.load(sys.stdin)))))
