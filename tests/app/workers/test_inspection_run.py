"""A file judged by several processes: the report of one, also when one of them dies in the middle."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from app.settings import Settings
from app.workers.inspection_run import inspect_files
from app.workers.inspection_worker import CHUNK_ROWS, Materials
from model.inspector.options import Options
from model.inspector.report import Report

FOLDER = Settings().trained_folder / "tokenizers" / "chatml"
CHUNKS = 12
"""More than two processes have ahead of them, so that one that dies has not answered all it was given."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "data.jsonl"
    rows = (
        {"messages": [{"role": "user", "content": f"What is {n}?"}, {"role": "assistant", "content": f"It is {n}."}]}
        for n in range(CHUNKS * CHUNK_ROWS)
    )
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def inspect(data: Path, processes: int, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
    materials = Materials(data=data, folder=FOLDER, now=datetime(2026, 11, 26))
    return inspect_files(materials, Options(), processes, progress)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_two_processes_find_what_one_does(data: Path) -> None:
    one, two = inspect(data, 1), inspect(data, 2)
    assert one.partial.rows == CHUNKS * CHUNK_ROWS
    assert replace(two, partial=one.partial) == one
    assert (two.partial.rows, two.partial.tokens) == (one.partial.rows, one.partial.tokens)


def test_a_process_that_dies_is_told_as_a_limit_at_its_row_and_what_was_judged_is_kept(data: Path) -> None:
    before, killed = children(), set[str]()

    def kill_one(done: int, total: int) -> None:
        if done and not killed:
            killed.add(min(children() - before))
            os.kill(int(*killed), signal.SIGKILL)

    report = inspect(data, 2, kill_one)
    (limit,) = (finding for finding in report.findings if "A limit was hit" in finding.first.says)
    assert report.partial.limits == 1
    assert CHUNK_ROWS <= report.partial.rows < CHUNKS * CHUNK_ROWS
    assert limit.first.row is not None
    assert report.partial.rows <= limit.first.row < report.partial.rows + CHUNK_ROWS  # in the chunk that was lost
