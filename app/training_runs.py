"""Training from the command line: one run as JSON lines, or many runs side by side in processes with progress bars."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from model.masks import MaskPolicy
from model.recipes import Recipe
from model.training import CheckpointSaved, Evaluated, Event, Finished, StepDone, train_run

STEPS_PER_LINE = 10
"""Every so many steps one is reported."""


@dataclass(frozen=True)
class Job:
    recipe: Recipe
    policy: MaskPolicy
    seed: int
    folder: Path
    """The run's own folder."""


def event_lines(job: Job) -> Iterator[str]:
    """Train in this process; one JSON object per line for each measurement, checkpoint and every tenth step."""
    for event in train_run(job.recipe, job.policy, seed=job.seed, folder=job.folder):
        if not isinstance(event, StepDone) or event.step % STEPS_PER_LINE == 0:
            yield json.dumps(_describe(event))


def train_all(jobs: Sequence[Job], at_once: int, console: Console) -> bool:
    """Train each job in a process of its own, `at_once` at a time. False if one failed; its errors are printed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[news]}"), console=console) as progress:
        return asyncio.run(_train_all(jobs, at_once, progress))


async def _train_all(jobs: Sequence[Job], at_once: int, progress: Progress) -> bool:
    places = asyncio.Semaphore(at_once)

    async def train_in_place(job: Job) -> bool:
        name = f"{job.recipe.slug} {job.policy.slug} seed {job.seed}"
        bar = progress.add_task(f"{name:34}", total=job.recipe.training.steps, start=False, news="waiting")
        async with places:
            progress.start_task(bar)
            return await _follow(job, progress, bar)

    return all(await asyncio.gather(*(train_in_place(job) for job in jobs)))


async def _follow(job: Job, progress: Progress, bar: TaskID) -> bool:
    command = ["train", job.recipe.slug, "--policy", job.policy.slug, "--seed", str(job.seed), "--json"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", *command, "--into", str(job.folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    errors = asyncio.create_task(process.stderr.read())
    try:
        async for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "step":
                progress.update(bar, completed=event["step"])
            elif event["event"] == "evaluated":
                progress.update(bar, news=f"exact match {event['exact_match']['value']:.3f}")
        said = (await errors).decode(errors="replace")
        if await process.wait() != 0:
            progress.console.print(f"{job.recipe.slug} {job.policy.slug} failed:\n{said}", markup=False)
        return process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _describe(event: Event) -> dict[str, object]:
    match event:
        case StepDone():
            return {"event": "step", **asdict(event)}
        case Evaluated():
            return {"event": "evaluated", "step": event.step, **asdict(event.metrics)}
        case CheckpointSaved():
            return {"event": "checkpoint", **asdict(event.checkpoint)}
        case Finished():
            return {"event": "finished", "step": event.run.steps}
