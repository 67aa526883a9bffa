"""Where an ablation's runs are trained, one after the other in each place: a process of this machine, or a Ray cluster.

In: jobs. Out: their finished runs, each whole in its job's file. The file is written on this machine in either case, so
that the nodes of a cluster need to share no folder.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Any, Protocol

from app.settings import ROOT
from app.workers.ablation_worker import JOB, RUN, Job, train_job, write_whole
from app.workers.cluster import Cluster, NodeLost
from model.errors import MaskscopeError

MEASURED_BY = (
    *("errors", "intervals", "kept", "writing"),
    *(f"text/{name}" for name in ("chat_template", "corpus", "sums", "tasks", "tokenizer")),
    *(f"masks/{name}" for name in ("batches", "policies", "rows", "shift")),
    *(f"network/{name}" for name in ("config", "decoder", "folded", "generation", "gpt", "learner", "loss")),
    *(f"training/{name}" for name in ("checkpoints", "conversations", "evaluation", "loop", "recipes")),
    "experiments/ablation/runs",
)
"""The modules of model/ that train and measure: a change of any other leaves the runs as they are."""


class Place(Protocol):
    """Trains one job after the other."""

    async def train(self, job: Job, told: Callable[[int], None]) -> str | None:
        """Why it failed, or None: then its run is in its file. `told` hears of measured steps, of the last at least."""


Places = Callable[[], AbstractAsyncContextManager[Place]]
"""Makes one, which ends with its context."""


def made_by() -> tuple[str, str]:
    """What decides a run besides its job: the code, committed or not, and torch."""
    digest = hashlib.sha256()
    for name in MEASURED_BY:
        digest.update(name.encode() + b"\0" + (ROOT / "model" / f"{name}.py").read_bytes())
    return digest.hexdigest(), version("torch")


@asynccontextmanager
async def process_place() -> AsyncIterator[Place]:
    """A process of this machine, with one thread."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.workers.ablation_worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield _Process(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class _Process:
    def __init__(self, process: asyncio.subprocess.Process):
        self._process = process

    async def train(self, job: Job, told: Callable[[int], None]) -> str | None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(JOB.dump_json(job) + b"\n")
        async for line in self._process.stdout:
            match json.loads(line):
                case {"step": step}:
                    told(step)
                case {"failed": message}:
                    return str(message)
                case _:
                    return None
        return f"{job.name()}: its process has died"


def cluster_places(cluster: Cluster) -> Places:
    """Any free CPU of a cluster, job by job."""

    @asynccontextmanager
    async def place() -> AsyncIterator[Place]:
        yield _OnCluster(cluster)

    return place


class _OnCluster:
    def __init__(self, cluster: Cluster):
        self._cluster = cluster

    async def train(self, job: Job, told: Callable[[int], None]) -> str | None:
        try:
            answer = await self._cluster.run(train_on_node, JOB.dump_json(job), made_by())
        except NodeLost as error:
            return f"{job.name()}: {error.message}"
        if "failed" in answer:
            return f"{job.name()}: {answer['failed']}"
        write_whole(job.file, answer["run"])
        told(job.setting.steps)
        return None


def train_on_node(line: bytes, expected: tuple[str, str]) -> dict[str, Any]:
    """`run`, as the file holds it, or why it `failed`. Runs on a node, in a process of one thread."""
    if made_by() != expected:
        return {"failed": "a node of the cluster has other code or another torch than this machine"}
    try:
        return {"run": RUN.dump_json(train_job(JOB.validate_json(line), lambda step: None))}
    except MaskscopeError as error:
        return {"failed": error.message}
