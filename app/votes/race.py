"""The question before a race: which model is right first? In: how far each model came. Out: a poll, and its truth."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.votes.polls import Choice, Poll, Truth
from app.votes.questions import leader
from model.masks.policies import COMPARED_POLICIES
from model.writing import joined

RACE_PERCENT = 90
"""Of unseen words, at which a race is decided."""


@dataclass(frozen=True)
class Progress:
    """How far one model of a race has come."""

    name: str
    reached: int | None
    """The first measured step at RACE_PERCENT or above."""
    measured: int
    """The last measured step."""


def ask_before_race(names: Mapping[str, str], form: tuple[tuple[str, str], ...]) -> Poll:
    """`names`: of the models, by policy. `form`: what starts the race."""
    models = tuple(
        Choice(policy, name.capitalize(), policy if policy in COMPARED_POLICIES else "")
        for policy, name in names.items()
    )
    together = "Both at the same step" if len(models) == 2 else "Two or more at the same step"
    text = f"The race is about to start. Which curve is at {RACE_PERCENT} % first?"
    return Poll("race", text, (*models, Choice("both", together), Choice("neither", "None gets there")), None, form)


def decide_race(race: Mapping[str, Progress], finished: bool, link: str, conditions: str) -> Truth | None:
    """By policy; None as long as a model that has measured less may still be first."""
    reached = {policy: progress.reached for policy, progress in race.items()}
    first = min((step for step in reached.values() if step is not None), default=None)
    if first is None and not finished:
        return None
    if first is not None and any(p.reached is None and p.measured < first for p in race.values()):
        return None
    told = [
        f"{p.name} at step {p.reached:,}" if p.reached is not None else f"{p.name} not by step {p.measured:,}"
        for p in race.values()
    ]
    sentence = f"At {RACE_PERCENT} % of unseen words: {joined(told)}. {conditions}"
    return Truth(leader(reached), sentence, link)
