"""Pieces of a file judged on a Ray cluster. In: what all rows told here. Out: what a piece's rows say.

A node is sent the bytes that it judges and the texts of the tokenizer's folder, so that nodes need to share no folder.
On each node a process with the limits of `inspection.py` is at work, and ends as it does here.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.workers.cluster import Cluster
from app.workers.inspection import KINDS, InspectionProcess
from app.workers.inspection_orders import MATERIALS, Materials
from app.workers.inspection_worker import CHUNK
from model.errors import MaskscopeError
from model.inspector.folders import texts_of


class OnNode:
    """Lives on a node. A piece is written where it stands in the file, into one that is empty elsewhere."""

    def __init__(self, materials: Mapping[str, Any], order: Mapping[str, Any], name: str):
        self._folder = TemporaryDirectory()
        self._data = Path(self._folder.name) / name
        self._data.touch()
        self._setup = ({"do": "load", "materials": {**materials, "data": str(self._data)}}, order)
        self._process: InspectionProcess | None = None

    def judge(self, piece: tuple[Mapping[str, int], bytes]) -> dict[str, Any]:
        """`partial`, or what `failed`, of which `kind` and `at` which row of the piece."""
        chunk, content = piece
        with self._data.open("r+b") as file:
            file.seek(chunk["start"])
            file.write(content)
        process = self._process or InspectionProcess()
        try:
            if self._process is None:
                for order in self._setup:
                    process.ask(order)
                self._process = process
            return process.ask({"do": "chunk", "chunk": chunk})
        except MaskscopeError as error:
            failed = {"failed": error.message, "kind": type(error).__name__, "param": error.param, "at": process.at}
            process.stop()
            self._process = None
            return failed


class JudgeOnCluster:
    """To `inspection_run.py` what an InspectionProcess is that judges pieces. Not for two callers at once."""

    def __init__(self, start: Callable[[str, object], Callable[[], Any]], data: Path):
        self._start, self._data = start, data
        self._sent: deque[Callable[[], Any]] = deque()
        self.running = True
        """What dies is made anew by the cluster."""
        self.at = 0

    def send(self, order: Mapping[str, Any]) -> None:
        chunk = CHUNK.validate_python(order["chunk"])
        with self._data.open("rb") as file:
            file.seek(chunk.start)
            content = file.read(chunk.stop - chunk.start)
        self._sent.append(self._start("judge", (order["chunk"], content)))

    def receive(self, asked: str) -> dict[str, Any]:
        """Raises what the node's process raised; NodeLost."""
        assert asked == "chunk", asked
        answer = dict(self._sent.popleft()())
        if "failed" in answer:
            self.at = answer["at"]
            raise KINDS[answer["kind"]](answer["failed"], param=answer["param"])
        return answer


def judges_on(cluster: Cluster) -> Callable[[Materials, Mapping[str, Any], int], Any]:
    """Makes so many judges of what was loaded and opened here, as a context."""

    @contextmanager
    def judges(materials: Materials, order: Mapping[str, Any], count: int) -> Iterator[list[JudgeOnCluster]]:
        assert materials.data
        texts = texts_of(materials.folder) if materials.folder else materials.folder_files
        plain = MATERIALS.dump_python(replace(materials, data=None, folder=None, folder_files=texts), mode="json")
        given = (plain, dict(order), materials.data.name)
        yield [JudgeOnCluster(cluster.place(number, OnNode, *given), materials.data) for number in range(count)]

    return judges
