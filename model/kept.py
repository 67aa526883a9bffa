"""What ships as JSON: written, read, refused if it is incomplete, compared with what is measured anew.

In: the type of what a file holds, which keys it must have, and the command that makes it. Knows nothing of models.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from model.errors import BrokenRun, MaskscopeError
from model.intervals import Rate

STRICT = ConfigDict(extra="forbid", frozen=True, defer_build=True)
"""Of every dataclass that is read from a file. What reads one is built once, by the first read of what holds it."""

TIES = 2
"""A tie between two tokens may fall the other way on another processor, in so many of a rate's trials."""
ROUNDING = 0.004
"""Of any other figure, absolute below 1 and relative above."""

Kept = TypeVar("Kept")
Key = TypeVar("Key")
AnyKey = TypeVar("AnyKey", covariant=True)


class Keyed(Protocol[AnyKey]):
    """A row that says what tells it from the others."""

    @property
    def key(self) -> AnyKey: ...


def keys_of(rows: Iterable[Keyed[Key]]) -> list[Key]:
    return [row.key for row in rows]


@dataclass(frozen=True)
class KeptFile(Generic[Kept, Key]):
    """A file among the trained runs, named as the command that shows it and makes it anew."""

    slug: str
    holds: TypeAdapter[Kept]
    keys: Callable[[Kept], Iterable[Key]]
    """Of its rows, each once."""
    expected: Sequence[Key]
    named: Callable[[Key], str] | None = None
    """What a missing row is called; further rows are let be. Without it they are refused as well: `a run`."""

    @property
    def name(self) -> str:
        return f"{self.slug}.json"

    def save(self, folder: Path, kept: Kept) -> None:
        write(folder / self.name, self.holds, kept)

    def read(self, folder: Path) -> Kept:
        """Raises BrokenRun, naming the file, if it is missing, unreadable or lacks a row."""
        path = folder / self.name
        remedy = f"`maskscope {self.slug} --measure` makes it anew"
        kept = read_checked(path, self.holds, remedy)
        if lacking := self._lacking(set(self.keys(kept))):
            raise BrokenRun(f"{path}: lacks {lacking}; {remedy}")
        return kept

    def _lacking(self, found: set[Key]) -> str:
        if self.named is None:
            return "" if found == set(self.expected) else "a run"
        return ", ".join(self.named(key) for key in self.expected if key not in found)


def write(path: Path, kind: TypeAdapter[Kept], kept: Kept) -> None:
    path.write_bytes(kind.dump_json(kept, indent=1) + b"\n")


def read_checked(path: Path, kind: TypeAdapter[Kept], remedy: str, broken: type[MaskscopeError] = BrokenRun) -> Kept:
    """A JSON file as what it should hold. Raises `broken`: the file, the place in it, and what to do (`remedy`)."""
    try:
        return kind.validate_json(path.read_bytes())
    except OSError as error:
        raise broken(f"{path}: {error.strerror}; {remedy}") from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        found = ascii(place + first["msg"])[1:-1]  # in one line, whatever the file holds
        raise broken(f"{path}: {found}; {remedy}") from error


Value = Rate | float | None


def agree(stated: Value, measured: Value, slack: float = 0.0) -> bool:
    """Rates up to TIES of the same number of trials; numbers up to ROUNDING, or `slack` if that is more."""
    if isinstance(stated, Rate) and isinstance(measured, Rate):
        return stated.n == measured.n and round(abs(stated.value - measured.value) * stated.n) <= TIES
    if isinstance(stated, float) and isinstance(measured, float):
        return abs(stated - measured) <= max(slack, ROUNDING * max(1.0, abs(stated)))
    return stated is measured


def overlap(stated: Rate, measured: Rate) -> bool:
    """The intervals have something in common: all that can be asked of runs that are trained anew."""
    return stated.low <= measured.high and measured.low <= stated.high


def compare_rates(rates: Iterable[tuple[str, Rate, Rate]], same: Callable[[Rate, Rate], bool] = agree) -> list[str]:
    """A line for each (name, stated, measured) that is not the same."""
    return [
        f"{name}: stated {stated.value:.3f}, measured {measured.value:.3f}"
        for name, stated, measured in rates
        if not same(stated, measured)
    ]
