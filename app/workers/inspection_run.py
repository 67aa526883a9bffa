"""A whole file inspected: surveyed once, then judged piece by piece, by one process or several, in bounded memory."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any, Protocol

from app.workers.inspection import InspectionProcess
from app.workers.inspection_orders import MATERIALS, OPTIONS, SHOWN, Materials
from app.workers.inspection_worker import CHUNK, OPENED, PARTIAL, SURVEYED
from model.inspector.labelled import Place
from model.inspector.options import Options
from model.inspector.partial import Partial
from model.inspector.refusals import LimitHit, UnreadableInput
from model.inspector.report import Report
from model.inspector.session import Opened, report_of
from model.inspector.shown import ShownRow

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all."""

AHEAD = 4
"""Chunks that a worker has been given and not answered for."""


class Judge(Protocol):
    """Judges one piece of the file after the other, as an InspectionProcess does that was loaded and opened."""

    at: int

    @property
    def running(self) -> bool: ...

    def send(self, order: Mapping[str, Any], /) -> None: ...

    def receive(self, asked: str, /) -> dict[str, Any]: ...


Judges = Callable[[Materials, Mapping[str, Any], int], AbstractContextManager[Sequence[Judge]]]
"""Makes so many elsewhere, of materials and of the order that opens them."""


def inspect_files(materials: Materials, options: Options, processes: int, progress: Progress) -> Report:
    """Raises UnreadableInput, TemplateRefused, or LimitHit where nothing could be inspected at all."""
    return inspect_and_show(materials, options, processes, progress, 0)[0]


def inspect_and_show(
    materials: Materials,
    options: Options,
    processes: int,
    progress: Progress,
    most_shown: int,
    elsewhere: Judges | None = None,
) -> tuple[Report, tuple[ShownRow, ...]]:
    """The report, and token by token the first rows that findings name; the first row of all if they name none.

    `processes` judge at once, here or `elsewhere`. A dump is judged by one, here.
    """
    here = 1 if elsewhere or materials.dump is not None else processes
    with ExitStack() as stack:
        workers = [stack.enter_context(InspectionProcess()) for _ in range(here)]
        first = workers[0]
        materials = _load(first, materials)
        plain = _survey(workers, options, materials)
        surveyed = SURVEYED.validate_python(plain)
        if not surveyed.rows:
            raise UnreadableInput("there are no rows", param="data")
        order = {"do": "open", "order": plain["order"], "slug": plain["slug"]}
        workers = workers[: max(len(surveyed.chunks), 1)]
        made = _open(workers, order)
        partial = PARTIAL.validate_python(made["partial"])
        progress(0, surveyed.rows)
        if materials.dump is not None:
            _judge_dump(first, partial, surveyed.rows, progress)
        elif elsewhere is not None:
            judges = elsewhere(materials, order, min(processes, len(surveyed.chunks)))
            _judge_chunks(stack.enter_context(judges), plain["chunks"], partial, surveyed.rows, progress)
        else:
            _judge_chunks(workers, plain["chunks"], partial, surveyed.rows, progress)
        opened: Opened = OPENED.validate_python(made["opened"])
        report = report_of(partial, opened, options, surveyed.order.intent, surveyed.order.convention)
        return report, _shown(first, report, most_shown)


def _shown(worker: InspectionProcess, report: Report, most: int) -> tuple[ShownRow, ...]:
    if not most or report.partial.limits:
        return ()
    named = dict.fromkeys(one.first.row for one in report.findings if one.first.row is not None)
    named |= dict.fromkeys(place.row for place in report.places() if place.row is not None)
    rows = list(named)[:most] or [0]
    shown = worker.ask({"do": "show", "rows": rows})["shown"]
    return tuple(row for one in shown if (row := SHOWN.validate_python(one)) is not None)


def _load(worker: InspectionProcess, materials: Materials) -> Materials:
    """The materials, with the folder's own template where none was given."""
    given = worker.ask({"do": "load", "materials": MATERIALS.dump_python(materials, mode="json")})
    if materials.template is None and given["template"] is not None:
        materials = Materials(**{**vars(materials), "template": given["template"]})
        worker.ask({"do": "load", "materials": MATERIALS.dump_python(materials, mode="json")})
    return materials


def _survey(workers: Sequence[InspectionProcess], options: Options, materials: Materials) -> dict[str, Any]:
    """What the first says of all rows. The others start and load meanwhile: each takes as long as the first did."""
    first, *others = workers
    first.send({"do": "survey", "options": OPTIONS.dump_python(options, mode="json")})
    for worker in others:
        worker.send({"do": "load", "materials": MATERIALS.dump_python(materials, mode="json")})
    surveyed: dict[str, Any] = first.receive("survey")["surveyed"]
    for worker in others:
        worker.receive("load")
    return surveyed


def _open(workers: Sequence[InspectionProcess], order: dict[str, Any]) -> dict[str, Any]:
    """What the first says of template and folder. All compile at the same time."""
    for worker in workers:
        worker.send(order)
    made, *_ = [worker.receive("open") for worker in workers]
    return made


def _judge_dump(worker: InspectionProcess, partial: Partial, rows: int, progress: Progress) -> None:
    try:
        answer = worker.ask({"do": "dump"}, lambda at: progress(at, rows))
    except LimitHit as error:
        partial.limits += 1
        partial.add([Place("M31", "error", f"A limit was hit: {error.message}")])
        return
    partial.merge(PARTIAL.validate_python(answer["partial"]))
    progress(rows, rows)


def _judge_chunks(
    workers: Sequence[Judge],
    chunks: Sequence[dict[str, Any]],
    partial: Partial,
    rows: int,
    progress: Progress,
) -> None:
    """In order. Each worker has its next chunks before what it said of one is read, so that none waits for another
    whose core is busy. Ends at the first limit that is hit."""
    ahead = AHEAD * len(workers)

    def send(place: int) -> None:
        worker = workers[place % len(workers)]
        if place < len(chunks) and worker.running:
            with suppress(LimitHit):  # it died over an earlier chunk, which is told when that one's answer is read
                worker.send({"do": "chunk", "chunk": chunks[place]})

    for place in range(ahead):
        send(place)
    for place, chunk in enumerate(chunks):
        worker = workers[place % len(workers)]
        try:
            judged = worker.receive("chunk")["partial"]
        except LimitHit as error:
            partial.limits += 1
            row = CHUNK.validate_python(chunk).first_row + worker.at
            partial.add([Place("M31", "error", f"A limit was hit: {error.message}", row)])
            return
        send(place + ahead)
        partial.merge(PARTIAL.validate_python(judged))
        progress(partial.rows, rows)
