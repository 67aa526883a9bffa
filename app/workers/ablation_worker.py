"""`python -m app.workers.ablation_worker`: trains runs of an ablation, one after the other. In, out: a JSON line each.

A finished run is kept before it is told. Ends when its input does, so it never outlives the command for longer than
one run.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from model.errors import MaskscopeError
from model.experiments.ablation.runs import MeasuredRun, Setting, measured_run
from model.masks.policies import MASK_POLICIES
from model.training.loop import Evaluated, initial_model, train


@dataclass(frozen=True)
class Job:
    setting: Setting
    policy: str
    seed: int
    file: Path
    """Where the finished run is kept."""

    def name(self) -> str:
        return f"{self.setting.slug} {self.policy} seed {self.seed}"


JOB = TypeAdapter(Job)
RUN = TypeAdapter(MeasuredRun)


def work() -> None:
    """Answer each job with `{"step": ...}` at each measurement, then `{"done": true}` or `{"failed": message}`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command decides
    for line in sys.stdin:
        job = JOB.validate_json(line)
        try:
            write_whole(job.file, RUN.dump_json(train_job(job, lambda step: _tell(step=step))))
            _tell(done=True)
        except MaskscopeError as error:
            _tell(failed=f"{job.name()}: {error.message}")


def train_job(job: Job, tell: Callable[[int], None]) -> MeasuredRun:
    """The measured run; `tell` hears of each measured step."""
    recipe, metrics = job.setting.varied(), []
    for event in train(initial_model(recipe, job.seed), recipe, MASK_POLICIES[job.policy], seed=job.seed):
        if isinstance(event, Evaluated):
            metrics.append(event.metrics)
            tell(event.step)
    return measured_run(job.setting, job.policy, job.seed, metrics)


def write_whole(path: Path, content: bytes) -> None:
    """The file is there with all of its content or not at all, whenever the process is killed."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _tell(**news: object) -> None:
    print(json.dumps(news), flush=True)


if __name__ == "__main__":
    work()
