"""`python -m app.workers.inspection_worker`: renders templates and judges rows, one order after the other.

In, out: a JSON line each. Templates and tokenizers are programs of somebody else's, so memory is limited here, and time
by whoever reads the answers: while it works the process says so, and when it has been silent for too long it is killed.
"""

import json
import logging
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from app.workers.inspection_orders import ARGUMENTS, MATERIALS, OPTIONS, SHOWN, Materials
from model.errors import MaskscopeError
from model.inspector.arguments import read_arguments
from model.inspector.conventions import find_convention
from model.inspector.conversations import Conversation
from model.inspector.digests import digest_of
from model.inspector.dump_inspection import DumpInspector
from model.inspector.dumps import DumpRow, is_dump
from model.inspector.folders import TokenizerFolder, folder_of, read_folder
from model.inspector.formats import FORMATS, PlainText, detect_format
from model.inspector.inspection import Inspector, Order
from model.inspector.lines import Chunk, read_chunk, read_lines, rows_of_text
from model.inspector.options import Options
from model.inspector.partial import Partial
from model.inspector.refusals import LimitHit, UnreadableInput
from model.inspector.session import (
    SAMPLE,
    Opened,
    choose_intent,
    intent_of_data,
    opened,
    order_of,
    prepare_data,
    prepare_dump,
    read_data,
    read_dumps,
    replace_rows,
    report_on,
)
from model.inspector.showing import show_row, shown_rows
from model.inspector.survey import Survey, may_tell

MEMORY_BYTES = 2 << 30
BEAT_SECONDS = 0.2
CHUNK_ROWS = 256
MOST_FOLDERS = 3
"""Tokenizers that stay in memory, each some hundred megabytes at most."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Surveyed:
    """What all rows together told."""

    order: Order
    rows: int
    chunks: list[Chunk]
    slug: str


SURVEYED = TypeAdapter(Surveyed)
ORDER, PARTIAL, OPENED, CHUNK = TypeAdapter(Order), TypeAdapter(Partial), TypeAdapter(Opened), TypeAdapter(Chunk)


class Worker:
    """Holds what was loaded last: a few folders, and an inspector."""

    def __init__(self) -> None:
        self._told = time.monotonic()
        self.materials = Materials()
        self.folder: TokenizerFolder | None = None
        self._folders: dict[str, TokenizerFolder] = {}
        self.inspector: Inspector | None = None
        self.slug = ""

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        match order["do"]:
            case "load":
                return self._load(MATERIALS.validate_python(order["materials"]), order.get("own_template", False))
            case "survey":
                return {
                    "surveyed": SURVEYED.dump_python(
                        self._survey(OPTIONS.validate_python(order["options"])), mode="json"
                    )
                }
            case "open":
                return self._open(ORDER.validate_python(order["order"]), order["slug"])
            case "chunk":
                return self._chunk(CHUNK.validate_python(order["chunk"]))
            case "dump":
                return self._dump()
            case "show":
                return self._show(frozenset(order["rows"]))
            case "inspect":
                return self._inspect(order)
            case other:
                raise AssertionError(other)

    def beating(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, and now and then a word that the process is still at work."""
        for number, item in enumerate(items):
            self.beat(number)
            yield item

    def beat(self, number: int = 0) -> None:
        if time.monotonic() - self._told > BEAT_SECONDS:
            tell(at=number)
            self._told = time.monotonic()

    def _load(self, materials: Materials, own_template: bool) -> dict[str, Any]:
        self.folder, self.materials = self._loaded(materials), materials
        if own_template and materials.template is None and self.folder is not None:
            self.materials = replace(materials, template=self.folder.template())
        return {"template": self.folder.template() if self.folder else None}

    def _loaded(self, materials: Materials) -> TokenizerFolder | None:
        """A folder that was loaded lately is not loaded anew: a real tokenizer takes a second or more."""
        if materials.folder is None and materials.folder_files is None:
            return None
        given = materials.folder_files
        key = str(materials.folder) if given is None else digest_of(json.dumps(given, sort_keys=True))
        folder = self._folders.pop(key, None)
        if folder is None:
            folder = folder_of(given) if given is not None else read_folder(materials.folder or Path())
        self._folders[key] = folder
        if len(self._folders) > MOST_FOLDERS:
            del self._folders[next(iter(self._folders))]
        return folder

    def _data(self) -> Iterator[tuple[int, Conversation | PlainText]] | None:
        path = self.materials.data
        return None if path is None else read_data(read_lines(path))

    def _dumped(self) -> Iterator[tuple[int, DumpRow]]:
        assert self.materials.dump
        return read_dumps(read_lines(self.materials.dump))

    def _survey(self, options: Options) -> Surveyed:
        survey, slug = Survey(), ""
        chunks: list[Chunk] = []
        if self.materials.data is not None:
            slug, chunks, survey = self._survey_data(self.materials.data)
        if self.materials.dump is None:
            intent = intent_of_data(options, survey, slug)
            return Surveyed(order_of(options, self.folder, survey, intent, None), survey.rows, chunks, slug)
        dumped = Survey()
        for _, row in self.beating(self._dumped()):
            dumped.add_dump(row)
        rows = dumped.rows
        dumped.merge(replace_rows(survey))
        convention = find_convention(dumped.shifts) if dumped.has_labels else None
        sample, data = list(islice(self._dumped(), SAMPLE)), self._data()
        intent = choose_intent(
            sample, data, self.folder, self.materials.template, options, dumped, convention, slug, self.materials.now
        )
        return Surveyed(order_of(options, self.folder, dumped, intent, convention), rows, [], slug)

    def _survey_data(self, path: Path) -> tuple[str, list[Chunk], Survey]:
        survey, known = Survey(), None
        chunks: list[Chunk] = []
        start = 0
        with path.open("rb") as file:
            while lines := list(islice(file, CHUNK_ROWS)):
                stop = start + sum(map(len, lines))
                chunk = Chunk(start, stop, survey.rows)
                if known is None and (first := next(read_chunk(path, chunk, lines), None)) is not None:
                    known = detect_format(first)
                for number, line in self.beating(enumerate(lines)):
                    if not line.strip():
                        continue
                    if may_tell(line):
                        one = Chunk(0, 0, chunk.first_row + number)
                        survey.add_data(next(read_data(read_chunk(path, one, [line]), known, one.first_row))[1])
                    else:
                        survey.rows += 1
                chunks.append(chunk)
                start = stop
        return known.slug if known else "", chunks, survey

    def _open(self, order: Order, slug: str) -> dict[str, Any]:
        self.slug = slug
        materials = self.materials
        self.inspector = Inspector(self.folder, materials.template, order, materials.now, self.beat)
        partial = self.inspector.template_partial()
        return {
            "opened": OPENED.dump_python(opened(self.inspector), mode="json"),
            "partial": PARTIAL.dump_python(partial, mode="json"),
        }

    def _chunk(self, chunk: Chunk) -> dict[str, Any]:
        assert self.inspector
        assert self.materials.data
        rows = read_data(read_chunk(self.materials.data, chunk), FORMATS.get(self.slug), chunk.first_row)
        return {"partial": PARTIAL.dump_python(self.inspector.inspect_rows(self.beating(rows)), mode="json")}

    def _dump(self) -> dict[str, Any]:
        assert self.inspector
        partial = DumpInspector(self.inspector).inspect_dump(self.beating(self._dumped()), self._data())
        return {"partial": PARTIAL.dump_python(partial, mode="json")}

    def _show(self, numbers: frozenset[int]) -> dict[str, Any]:
        assert self.inspector
        dump = self.beating(self._dumped()) if self.materials.dump else None
        data = self._data()
        found = shown_rows(self.inspector, numbers, data if dump or data is None else self.beating(data), dump)
        return {"shown": [SHOWN.dump_python(one, mode="json") for one in found]}

    def _inspect(self, order: dict[str, Any]) -> dict[str, Any]:
        """Rows given with the order, as values or as text: what a page or a request of the API asks."""
        json.dumps(order, ensure_ascii=False).encode()  # half of a surrogate pair is no text
        options, now = OPTIONS.validate_python(order["options"]), self.materials.now
        rows, against = _rows_of(order, "rows"), _rows_of(order, "against")
        most, template = order.get("most_rows"), self.materials.template
        if not rows:
            raise UnreadableInput("there are no rows", param="rows")
        if most is not None and max(len(rows), len(against or ())) > most:
            raise LimitHit(f"more than {most:,} rows at once; the command line has no such limit", param="rows")
        show = order.get("show")
        if order.get("alone") and show is not None:
            rows, show = [rows[min(show, len(rows) - 1)]], 0
        dump = is_dump(rows[0]) if order.get("dump") is None else order["dump"]
        if dump:
            prepared = prepare_dump(rows, against, self.folder, template, options, now)
        else:
            prepared = prepare_data(rows, self.folder, template, options, now)
        report = report_on(prepared, options, order.get("most_tokens"), self.beat)
        answer: dict[str, Any] = {"report": report.as_plain(), "headline": report.headline()}
        if show is not None:
            answer["shown"] = SHOWN.dump_python(show_row(prepared, show), mode="json")
            answer["arguments"] = ARGUMENTS.dump_python(read_arguments(template or ""), mode="json")
        return answer


def _rows_of(order: dict[str, Any], name: str) -> list[Any] | None:
    given = order.get(name)
    return rows_of_text(given, name) if isinstance(given, str) else given


def tell(**news: object) -> None:
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


def work() -> None:
    """Answer each order with `{"done": ...}` or `{"failed": ...}`; `{"at": row}` in between."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it decides
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    worker = Worker()
    tell(ready=True)
    for line in sys.stdin:
        tell(**answered(lambda given=line: worker.answer(json.loads(given))))  # type: ignore[misc]


def answered(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"done": run()}
    except MaskscopeError as error:
        return {"failed": error.message, "kind": type(error).__name__, "param": error.param}
    except UnicodeEncodeError:
        return {"failed": "half of a surrogate pair is not text", "kind": UnreadableInput.__name__, "param": "rows"}
    except (MemoryError, RecursionError):
        return {
            "failed": "more memory or depth was asked for than is allowed",
            "kind": LimitHit.__name__,
            "param": None,
        }
    except Exception as error:  # a stranger's rows are told what stopped them, and the next order is answered
        logging.getLogger(__name__).exception("an order failed")
        return {"failed": f"{type(error).__name__}: {error}", "kind": UnreadableInput.__name__, "param": "rows"}


if __name__ == "__main__":
    work()
