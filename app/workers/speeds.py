"""What `maskscope bench --inspect` measured, and the file that ships it. Knows nothing of how it is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from app.settings import Settings
from model.kept import read_checked, write


@dataclass(frozen=True)
class Ratio:
    """Ours and the reference's in `unit`. `goal` bounds the ratio from below, from above if `at_most`; None: none."""

    name: str
    unit: str
    ours: float
    reference: float
    ratio: float
    goal: float | None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        met = self.ratio <= self.goal if self.at_most else self.ratio >= self.goal
        return f"{'at most' if self.at_most else 'at least'} {self.goal:g}: {'met' if met else 'missed'}"

    def line(self) -> str:
        said = f" (goal {self.verdict})" if self.goal is not None else ""
        return (
            f"{self.name:62} ours {self.ours:9,.1f} {self.unit}   reference {self.reference:9,.1f}   "
            f"ratio {self.ratio:.2f}{said}"
        )


SPEEDS = TypeAdapter(tuple[Ratio, ...])
SPEEDS_FILE = "bench.json"


def keep_speeds(ratios: Sequence[Ratio]) -> None:
    write(Settings().trained_folder / SPEEDS_FILE, SPEEDS, tuple(ratios))


def kept_speeds(folder: Path) -> tuple[Ratio, ...]:
    """As they were measured last. Raises BrokenRun."""
    return read_checked(folder / SPEEDS_FILE, SPEEDS, "`maskscope bench --inspect --measure` makes it anew")
