"""Training all answers of a conversation or the last alone, where half of the training conversations have one turn.

In `dialogue` no conversation ends with its first answer, so the mask that trains last answers alone never trains a
first one: what it lacks there it lacks by construction. Here it does train first answers. Runs are trained and
measured; their weights are not kept.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from model.experiments.counted import train_counting
from model.experiments.shipped import SEEDS
from model.intervals import Rate, SeedRate, rate_of, rate_over_seeds
from model.kept import STRICT, KeptFile, compare_rates, keys_of, overlap
from model.masks.policies import MASK_POLICIES, RIGHT
from model.text.tasks import TURN_SEPARATOR, Task, is_held_out
from model.training.evaluation import answers
from model.training.loop import initial_model
from model.training.recipes import DIALOGUE

SINGLE_SHARE = 0.5
POLICIES = (RIGHT.slug, "last-turn-only")
MEASURED_STEPS = (500, 1000, 1500, 2000, 2500, 3000, 3500, 4000)
QUESTIONS = 200
"""Of each turn."""
ENOUGH = 0.95
"""Of the answers to a turn: it is learned."""


def holds_out_a_word(prompt: str) -> bool:
    """A held-out word is in no training conversation, whatever its turn."""
    return any(is_held_out(turn) for turn in prompt.split(TURN_SEPARATOR) if turn != DIALOGUE.task.request)


MIXED = replace(
    DIALOGUE,
    slug="dialogue-mixed",
    title=f"{DIALOGUE.title}; half of the conversations have one turn",
    task=replace(
        DIALOGUE.task,
        slug="dialogue-mixed",
        single_share=SINGLE_SHARE,
        holds_out=holds_out_a_word,
        split="a conversation is unseen if one of its words is, by hash; see is_held_out",
    ),
)
"""`dialogue`, but that half of the conversations have one turn, and that the split is by word."""


def questions(turn: int, task: Task = MIXED.task) -> tuple[str, ...]:
    """QUESTIONS different conversations of so many turns, all of their words held out."""
    draw = random.Random(f"turn {turn}")
    found: dict[str, None] = {}
    while len(found) < QUESTIONS:
        turns = [_held_out_word(draw, task)]
        while len(turns) < turn:
            turns.append(task.request if draw.random() < 0.5 else _held_out_word(draw, task))
        found.setdefault(TURN_SEPARATOR.join(turns))
    return tuple(found)


def _held_out_word(draw: random.Random, task: Task) -> str:
    while True:
        word = "".join(draw.choices(task.alphabet, k=draw.randint(task.min_length, task.max_length)))
        if is_held_out(word):
            return word


@checked(config=STRICT)
class TurnsMeasured:
    step: Annotated[int, Field(ge=1)]
    targets: Annotated[int, Field(ge=1)]
    """Supervised ones that training has used."""
    by_turn: tuple[Rate, ...]
    """Right and stopped, the right history fed in, by the turn that is asked."""


@checked(config=STRICT)
class TurnsRun:
    policy: str
    seed: int
    by_step: tuple[TurnsMeasured, ...]

    @property
    def key(self) -> tuple[str, int]:
        return self.policy, self.seed

    @property
    def last(self) -> TurnsMeasured:
        return self.by_step[-1]

    @property
    def learned_at(self) -> int | None:
        """The first measured step with ENOUGH of the answers to every turn right; None: not within the training."""
        return next((at.step for at in self.by_step if min(rate.value for rate in at.by_turn) >= ENOUGH), None)


TurnsRuns = tuple[TurnsRun, ...]


def measure_turns(policy: str, seed: int) -> TurnsRun:
    """Train a run and measure it on the way. Deterministic on one machine."""
    model = initial_model(MIXED, seed)
    asked = [questions(turn) for turn in range(1, MIXED.task.most_turns + 1)]
    rows = []
    for step, targets in train_counting(model, MIXED, MASK_POLICIES[policy], seed=seed):
        if step in MEASURED_STEPS:
            given = [answers(model, MIXED.task, MIXED.tokenizer, prompts) for prompts in asked]
            rows.append(TurnsMeasured(step, targets, tuple(rate_of(a.exact for a in some) for some in given)))
    return TurnsRun(policy, seed, tuple(rows))


def measure_all(seeds: Iterable[int] = SEEDS) -> Iterator[TurnsRun]:
    for policy, seed in product(POLICIES, seeds):
        yield measure_turns(policy, seed)


KEPT_TURNS = KeptFile("turns", TypeAdapter(TurnsRuns), keys_of, tuple(product(POLICIES, SEEDS)))


def runs_under(runs: TurnsRuns, policy: str) -> TurnsRuns:
    """One per seed."""
    return tuple(run for run in runs if run.policy == policy)


@dataclass(frozen=True)
class MixedRow:
    """Runs of one policy, over seeds, at the end of training."""

    policy: str
    steps: int
    by_turn: tuple[SeedRate, ...]
    learned: tuple[int | None, ...]
    """By seed, the first measured step with ENOUGH of the answers to every turn right."""
    targets: float
    """Supervised ones that training used, mean over seeds."""


def mixed_rows(runs: TurnsRuns) -> tuple[MixedRow, ...]:
    """One per policy."""
    return tuple(_mixed_row(policy, runs_under(runs, policy)) for policy in POLICIES)


def _mixed_row(policy: str, runs: TurnsRuns) -> MixedRow:
    by_turn = zip(*(run.last.by_turn for run in runs), strict=True)
    return MixedRow(
        policy,
        runs[0].last.step,
        tuple(rate_over_seeds(rates) for rates in by_turn),
        tuple(run.learned_at for run in runs),
        sum(run.last.targets for run in runs) / len(runs),
    )


def learned_steps(steps: Iterable[int | None]) -> str:
    """`2,500; 3,000; never`"""
    return "; ".join("never" if step is None else f"{step:,}" for step in steps)


def departures(stated: TurnsRuns, measured: Iterable[TurnsRun]) -> list[str]:
    """Where runs, trained anew, depart from what was stated by more than their intervals allow."""
    by_key = {run.key: run for run in stated}
    return compare_rates(
        (
            (f"{run.policy} seed {run.seed}, step {run.last.step}, turn {turn}", mine, theirs)
            for run in measured
            for turn, (mine, theirs) in enumerate(
                zip(by_key[run.key].last.by_turn, run.last.by_turn, strict=True), start=1
            )
        ),
        same=overlap,
    )
