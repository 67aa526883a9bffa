"""What goes to the process of an inspection and comes back. Imports little: each start of the server reads this."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from model.inspector.arguments import Argument
from model.inspector.options import Options
from model.inspector.shown import ShownRow


@dataclass(frozen=True)
class Materials:
    """Where things are: paths for the command, texts for a page. No path may come from a client."""

    data: Path | None = None
    dump: Path | None = None
    folder: Path | None = None
    folder_files: dict[str, str] | None = None
    template: str | None = None
    now: datetime = datetime(2026, 1, 1)


MATERIALS, OPTIONS = TypeAdapter(Materials), TypeAdapter(Options)
SHOWN: TypeAdapter[ShownRow | None] = TypeAdapter(ShownRow | None)
ARGUMENTS: TypeAdapter[tuple[Argument, ...]] = TypeAdapter(tuple[Argument, ...])
