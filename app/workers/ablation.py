"""Trains an ablation's plan in places side by side, keeps each finished run at once, and writes one file at the end.

Finished runs lie in `FILE.parts/`, each named by a hash of all that determines it, until the file is whole: whatever
was finished before a kill is not trained again, and nothing made by other code is taken for it.
"""

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.settings import ROOT
from app.workers.ablation_places import MEASURED_BY, Place, Places, made_by, process_place
from app.workers.ablation_worker import RUN, Job, write_whole
from model.experiments.ablation.runs import MeasuredRun, Plan, Setting, ablation_of, write_ablation


def run_ablation(plan: Plan, into: Path, at_once: int, console: Console, places: Places = process_place) -> bool:
    """Train what is not kept yet, `at_once` at a time, then write the file and drop the parts.

    `places`: where runs are trained. False if a run failed; it is named.
    """
    parts, commit = into.with_name(f"{into.name}.parts"), code_commit()
    parts.mkdir(parents=True, exist_ok=True)
    jobs = jobs_of(plan, parts, commit, *made_by())
    missing = [job for job in jobs if kept_run(job) is None]
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[news]}"), console=console) as progress:
        bar = progress.add_task(f"{len(jobs)} runs", total=plan.steps(), news=f"{len(jobs) - len(missing)} kept")
        progress.advance(bar, plan.steps() - sum(job.setting.steps for job in missing))
        if not asyncio.run(_train(missing, at_once, places, progress, bar)):
            return False
    runs = [run for job in jobs if (run := kept_run(job))]
    write_whole(into, write_ablation(ablation_of(runs, plan, commit)))
    shutil.rmtree(parts)
    return True


def jobs_of(plan: Plan, parts: Path, *made_by: str) -> list[Job]:
    """One for each run, long ones first. `made_by` says by what they are made: other parts are not looked at."""

    def part(setting: Setting, policy: str, seed: int) -> Path:
        key = json.dumps([asdict(setting), policy, seed, *made_by])
        return parts / f"{hashlib.sha256(key.encode()).hexdigest()}.json"

    jobs = [Job(*run, part(*run)) for run in plan.runs()]
    return sorted(jobs, key=lambda job: -job.setting.varied().cost())


def kept_run(job: Job) -> MeasuredRun | None:
    """The finished run of a job, if it is there and whole."""
    try:
        return RUN.validate_json(job.file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def code_commit() -> str:
    """The last commit that changed MEASURED_BY; `+changes` if it is not as committed, `unknown` without git."""
    paths = [f"model/{name}.py" for name in MEASURED_BY]
    try:
        commit, changes = (
            subprocess.run(
                ["git", *arguments, "--", *paths], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
            for arguments in (["log", "-1", "--format=%H"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return (commit.strip() + ("+changes" if changes else "")) if commit else "unknown"


async def _train(jobs: Sequence[Job], at_once: int, places: Places, progress: Progress, bar: TaskID) -> bool:
    """Each place takes the next job when it has finished one. After a failure none takes another."""
    waiting = iter(jobs)
    followers = [_follow(waiting, places, progress, bar) for _ in range(min(at_once, len(jobs)))]
    return all(await asyncio.gather(*followers))


async def _follow(waiting: Iterator[Job], places: Places, progress: Progress, bar: TaskID) -> bool:
    """One place and the jobs that it gets. False if one failed."""
    async with places() as place:
        for job in waiting:
            if failure := await _follow_job(job, place, progress, bar):
                progress.console.print(failure, markup=False)
                for _ in waiting:
                    pass
                return False
    return True


async def _follow_job(job: Job, place: Place, progress: Progress, bar: TaskID) -> str | None:
    """Why the run failed, or None."""
    reached = 0

    def told(step: int) -> None:
        nonlocal reached
        progress.advance(bar, step - reached)
        reached = step

    failure = await place.train(job, told)
    if failure is None:
        progress.update(bar, news=f"{job.name()} finished")
    return failure
