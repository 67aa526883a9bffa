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
from app.workers.memory import children_of, status_kib
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
        peak = max(peak, *(_peak_bytes(child) for child in children_of(os.getpid())))

    counted = inspect_files(materials, Options(), int(processes), judged).partial
    seconds, used = time.perf_counter() - start, os.times()
    cpu_seconds = sum(used[:4]) - sum(begun[:4])
    return Took(counted.rows, counted.tokens, seconds, cpu_seconds, _peak_bytes(os.getpid()), peak)


def _peak_bytes(pid: int) -> int:
    return status_kib(pid, "VmHWM") << 10


if __name__ == "__main__":
    print(json.dumps(asdict(work(json.load(sys.stdin)))))
