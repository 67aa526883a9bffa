"""What `maskscope bench --school` measured of this server and of one before, and the file that ships it.

Knows nothing of how it is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from app.settings import Settings
from app.workers.tallies import Answers
from model.kept import read_checked, write


@dataclass(frozen=True)
class Played:
    """The school's streams lasted so many seconds."""

    seconds: float
    answers: tuple[Answers, ...]


@dataclass(frozen=True)
class Loads:
    before: Played | None
    now: Played | None


LOADS = TypeAdapter(Loads)
LOADS_FILE = "school.json"


def keep_loads(answers: Sequence[Answers], seconds: float, *, before: bool) -> None:
    """In place of what was kept of the same server. Raises BrokenRun if the file cannot be read."""
    folder = Settings().trained_folder
    kept = kept_loads(folder)
    played = Played(seconds, tuple(answers))
    write(folder / LOADS_FILE, LOADS, Loads(played, kept.now) if before else Loads(kept.before, played))


def kept_loads(folder: Path) -> Loads:
    """As they were measured last. Raises BrokenRun."""
    return read_checked(folder / LOADS_FILE, LOADS, "`maskscope bench --school --measure` makes it anew")
