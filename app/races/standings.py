"""Who is how far in a race, and who reached what first. In: what the workers tell. Out: results, plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

THRESHOLDS = (50, 90, 99)
"""Percent of exact match that a race is about."""


@dataclass
class Standing:
    """How far one policy's model has come."""

    step: int = 0
    loss: float | None = None
    """Mean training loss of its last steps, over what its policy trains."""
    step_ms: float | None = None
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    """Only the last one with its predictions: they are long, and the log has them all."""

    def note(self, name: str, event: dict[str, Any]) -> None:
        self.step = event["step"]
        if name == "step":
            self.loss, self.step_ms = event["loss"], event["step_ms"]
        else:
            if self.evaluations:
                del self.evaluations[-1]["predictions"]
            self.evaluations.append(event)

    def last(self) -> dict[str, Any]:
        """Step, seconds and exact match of the last measurement."""
        if not self.evaluations:
            return {"step": 0, "seconds": 0.0, "exact_match": None}
        return {name: self.evaluations[-1][name] for name in ("step", "seconds", "exact_match")}

    @property
    def completion(self) -> str:
        """What the model made of the word when it was measured last."""
        return self.evaluations[-1]["completion"] if self.evaluations else ""

    @property
    def predictions(self) -> list[dict[str, Any]]:
        """At each position of that word, when it was measured last."""
        return self.evaluations[-1]["predictions"] if self.evaluations else []

    def reached(self, percent: int) -> dict[str, float] | None:
        """The first measurement at or above so many percent exact."""
        for evaluation in self.evaluations:
            if 100 * evaluation["exact_match"]["value"] >= percent - 1e-9:
                return {"step": evaluation["step"], "seconds": evaluation["seconds"]}
        return None


def results_of(standings: Mapping[str, Standing]) -> dict[str, Any]:
    """Per policy how far it came and when it reached each threshold, and which was first there."""
    policies = {
        policy: {**standing.last(), "reached": {str(n): standing.reached(n) for n in THRESHOLDS}}
        for policy, standing in standings.items()
    }
    first = {str(n): {unit: _first(standings, n, unit) for unit in ("step", "seconds")} for n in THRESHOLDS}
    return {"policies": policies, "first": first}


def _first(standings: Mapping[str, Standing], percent: int, unit: str) -> str | None:
    """The policy that reached a threshold first; None if none did, or two at once."""
    reached = {policy: at[unit] for policy, standing in standings.items() if (at := standing.reached(percent))}
    leaders = [policy for policy, value in reached.items() if value == min(reached.values())]
    return leaders[0] if len(leaders) == 1 else None
