"""Training from the command line: one run as JSON lines, or many runs side by side in processes with progress bars."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.settings import Settings
from app.workers.processes import command_line
from model.errors import check_known
from model.experiments.shipped import SHIPPED_RUNS, trained_as
from model.masks.policies import COMPARED_POLICIES, UNMASKED, MaskPolicy, find_policy
from model.training.loop import CheckpointSaved, Evaluated, Event, Finished, StepDone, train_run
from model.training.pretraining import (
    PRETRAINING,
    BaseEvent,
    BaseMeasurement,
    BaseRun,
    Pretraining,
    base_folder,
    load_base,
    pretrain_run,
)
from model.training.recipes import ALL_RECIPES, Recipe

TRAINABLE = (*PRETRAINING, *ALL_RECIPES)
"""Every slug that can be trained."""
STEPS_PER_LINE = 10
"""Every so many steps one is reported."""


@dataclass(frozen=True)
class Job:
    recipe: Recipe | Pretraining
    policy: MaskPolicy
    seed: int
    folder: Path
    """The run's own folder."""

    @property
    def needs_a_base(self) -> bool:
        return isinstance(self.recipe, Recipe) and self.recipe.base is not None


def jobs_of(slug: str, policies: Sequence[str] | None, seed: int, trained: Path) -> list[Job]:
    """A base is trained on every position; a recipe by default under those of the compared policies that are shipped.

    Raises:
        UnknownName: no such recipe, or no such policy.
    """
    if slug in PRETRAINING:
        return [Job(PRETRAINING[slug], UNMASKED, seed, base_folder(trained, seed))]
    check_known(slug, TRAINABLE, "recipe")
    recipe = ALL_RECIPES[slug]
    shipped = [policy for policy in COMPARED_POLICIES if (slug, policy) in SHIPPED_RUNS]
    return [
        Job(trained_as(recipe, policy.slug), policy, seed, trained / slug / policy.slug)
        for policy in map(find_policy, policies or shipped)
    ]


def event_lines(job: Job) -> Iterator[str]:
    """Train in this process; one JSON object per line for each measurement, checkpoint and every tenth step."""
    for event in _events(job):
        if not isinstance(event, StepDone) or event.step % STEPS_PER_LINE == 0:
            yield json.dumps(_describe(event))


def _events(job: Job) -> Iterator[Event | BaseEvent]:
    if isinstance(job.recipe, Pretraining):
        return pretrain_run(job.recipe, seed=job.seed, folder=job.folder)
    base = load_base(base_folder(Settings().trained_folder, job.seed))[1] if job.needs_a_base else None
    return train_run(job.recipe, job.policy, seed=job.seed, folder=job.folder, base=base)


def train_all(jobs: Sequence[Job], at_once: int, console: Console) -> bool:
    """Train each job in a process of its own, `at_once` at a time, bases before what starts from one.

    False if one failed; its errors are printed.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[news]}"), console=console) as progress:
        stages = [[job for job in jobs if job.needs_a_base == later] for later in (False, True)]
        return all(asyncio.run(_train_all(stage, at_once, progress)) for stage in stages)


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
    options = ("--policy", job.policy.slug, "--seed", str(job.seed), "--json", "--into", str(job.folder))
    process = await asyncio.create_subprocess_exec(
        *command_line("train", job.recipe.slug, *options),
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
                name, rate = next((name, event[name]) for name in ("exact_match", "knows") if name in event)
                progress.update(bar, news=f"{name.replace('_', ' ')} {rate['value']:.3f}")
        said = (await errors).decode(errors="replace")
        if await process.wait() != 0:
            progress.console.print(f"{job.recipe.slug} {job.policy.slug} failed:\n{said}", markup=False)
        return process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _describe(event: Event | BaseEvent) -> dict[str, object]:
    match event:
        case StepDone():
            return {"event": "step", **asdict(event)}
        case Evaluated() | BaseMeasurement():
            return {"event": "evaluated", "step": event.step, **asdict(event.metrics)}
        case CheckpointSaved():
            return {"event": "checkpoint", **asdict(event.checkpoint)}
        case Finished():
            return {"event": "finished", "step": event.run.steps}
        case BaseRun():
            return {"event": "finished", "step": event.steps}
