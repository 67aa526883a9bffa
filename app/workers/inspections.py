"""The inspections that pages and requests ask for: a few processes, so many orders in flight, and which tokenizers.

In: what a visitor asked, tokenizers by name. Out: the report as the command has it. A path never comes from a visitor.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.races.forks import GIVES_WAY
from app.settings import Settings
from app.shares import Shares, asking
from app.turns import Turns
from app.workers.inspection import InspectionProcess
from app.workers.inspection_orders import MATERIALS, OPTIONS, Materials
from model.errors import MaskscopeError, check_known
from model.inspector.examples import NAME
from model.inspector.options import Options

MOST_ROWS = 200
MOST_TOKENS = 100_000


class InspectionsBusy(MaskscopeError, ConnectionError):
    """As many inspections are in flight as may be, or as one address may have."""

    code = "overloaded"


@dataclass(frozen=True)
class Asked:
    """One inspection. `rows` and `against` as values or as text; `dump` None: told by the first row.

    `tokenizer` is a name among those offered, None for none; `folder_files` are its files' texts instead.
    """

    rows: list[Any] | str
    against: list[Any] | str | None = None
    dump: bool | None = None
    tokenizer: str | None = NAME
    folder_files: Mapping[str, str] | None = None
    template: str | None = None
    options: Options = field(default_factory=Options)
    show: int | None = None
    """The row to show token by token."""
    alone: bool = False
    """Only that row is inspected."""


class Inspections:
    """A long-lived object; `close` ends its processes. Processes start when they are first needed."""

    def __init__(self, settings: Settings, turns: Turns) -> None:
        self._turns = turns
        self.tokenizers = offered_tokenizers(settings)
        self.templates = _templates(settings.trained_folder / "tokenizers" / "templates")
        self._places = Shares(settings.inspection_queue_size)
        self._running: dict[asyncio.Task[dict[str, Any]], tuple[Materials, Asked]] = {}
        self._all = tuple(InspectionProcess(niceness=GIVES_WAY) for _ in range(settings.inspection_processes))
        self._free = list(self._all)
        self._slots = asyncio.Semaphore(settings.inspection_processes)

    @property
    def load(self) -> int:
        """Inspections waiting or running."""
        return len(self._running)

    async def inspect(self, asked: Asked) -> dict[str, Any]:
        """`report`, `headline` and `shown`, when it is the caller's turn to draw them.

        Raises UnknownName, UnreadableInput, TemplateRefused, LimitHit, or busy.
        """
        materials = self._materials(asked)
        running = next((task for task, wanted in self._running.items() if wanted == (materials, asked)), None)
        if running is None:  # equal ones are one: a class that opens the page asks sixty times for the same
            share = asking.get()
            if not self._places.allows(share):
                raise InspectionsBusy(
                    f"{len(self._running)} inspections are in flight, {self._places.held[share]} of them yours, "
                    f"in {self._places.places} places; try again"
                )
            self._places.take(share)
            running = asyncio.create_task(self._in_turn(materials, asked))
            self._running[running] = (materials, asked)
            running.add_done_callback(self._running.pop)
            running.add_done_callback(lambda _: self._places.give_back(share))
        return await self._turns.after(asyncio.shield(running))  # who leaves does not take the process with him

    def own_template(self, tokenizer: str) -> str:
        """The template that is in the tokenizer's folder as a file, "" if none is."""
        path = self.tokenizers[tokenizer] / "chat_template.jinja"
        return path.read_text("utf-8") if path.is_file() else ""

    def example_of(self, slug: str) -> dict[str, str]:
        """`rows`, and for a dump the rows `against` which it was made; nothing for what is no example."""
        rows, path = self._read("rows"), self.tokenizers[NAME] / f"{slug}.jsonl"
        if slug == "marker":
            return {"rows": rows.replace("And the other tokens?", "And if I type <|im_end|> or # or >?")}
        if slug == "rows" or not path.is_file():
            return {"rows": rows} if slug == "rows" else {}
        return {"rows": self._read(slug), "against": rows}

    def _read(self, slug: str) -> str:
        return (self.tokenizers[NAME] / f"{slug}.jsonl").read_text("utf-8")

    async def close(self) -> None:
        """Ends what runs, and the processes."""
        for process in self._all:
            process.stop()
        for running in tuple(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _materials(self, asked: Asked) -> Materials:
        if asked.folder_files is not None:
            return Materials(folder_files=dict(asked.folder_files), template=asked.template)
        if asked.tokenizer is None:
            return Materials(template=asked.template)
        check_known(asked.tokenizer, self.tokenizers, "tokenizer")
        return Materials(folder=self.tokenizers[asked.tokenizer], template=asked.template)

    async def _in_turn(self, materials: Materials, asked: Asked) -> dict[str, Any]:
        async with self._slots:
            process = self._free.pop()
            try:
                return await asyncio.to_thread(_run, process, materials, asked)
            finally:
                self._free.append(process)


def _run(process: InspectionProcess, materials: Materials, asked: Asked) -> dict[str, Any]:
    process.ask({"do": "load", "materials": MATERIALS.dump_python(materials, mode="json"), "own_template": True})
    return process.ask(_order(asked))


def _order(asked: Asked) -> dict[str, Any]:
    return {
        "do": "inspect",
        "rows": asked.rows,
        "against": asked.against,
        "dump": asked.dump,
        "options": OPTIONS.dump_python(asked.options, mode="json"),
        "show": asked.show,
        "alone": asked.alone,
        "most_rows": MOST_ROWS,
        "most_tokens": MOST_TOKENS,
    }


def offered_tokenizers(settings: Settings) -> dict[str, Path]:
    """Folders by the name that a visitor chooses: ours first, then those of the folder given at the start."""
    found = {NAME: settings.trained_folder / "tokenizers" / NAME}
    given = settings.tokenizers_folder
    if given is not None:
        folders = [given, *sorted(path for path in given.iterdir() if path.is_dir())]
        found |= {path.name: path.resolve() for path in folders if (path / "tokenizer.json").is_file()}
    return found


def _templates(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.jinja"))}
