"""Files of rows: JSON lines as they are; a JSON array, Parquet or Arrow written out as lines first. Bounded memory.

A file of lines can be read by byte ranges, so that several processes share it and its order is kept.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from model.inspector.refusals import UnreadableInput

LINE_BYTES = 64 << 20
TABLES = {".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow"}


@dataclass(frozen=True)
class Chunk:
    """Bytes start to stop of a file of lines, whose first row has this number in the file."""

    start: int
    stop: int
    first_row: int


def read_lines(path: Path) -> Iterator[Any]:
    """Raises UnreadableInput, naming the line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _parsed(line, path, number)


def read_chunk(path: Path, chunk: Chunk, lines: Sequence[bytes] | None = None) -> Iterator[Any]:
    if lines is None:
        with path.open("rb") as file:
            file.seek(chunk.start)
            lines = file.read(chunk.stop - chunk.start).splitlines(keepends=True)
    for number, line in enumerate(lines, chunk.first_row + 1):
        if line.strip():
            yield _parsed(line, path, number)


def _parsed(line: bytes, path: Path, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnreadableInput(f"{path.name}, line {number}: {error}", param="data") from error


def rows_of_text(text: str, name: str) -> list[Any]:
    """The rows of what was pasted: JSON lines, a JSON array, or one row over several lines. Raises UnreadableInput."""
    try:
        whole = json.loads(text) if text.strip() else []
    except RecursionError as error:
        raise UnreadableInput("nested too deeply", param=name) from error
    except ValueError:
        return [_line(line, name, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    bare = isinstance(whole, list) and bool(whole) and isinstance(whole[0], dict) and "role" in whole[0]
    return whole if isinstance(whole, list) and not bare else [whole]


def _line(line: str, name: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnreadableInput(f"line {number}: {error}", param=name) from error


def needs_writing_out(path: Path) -> bool:
    """Is this no file of lines yet?"""
    if path.suffix in TABLES:
        return True
    with path.open("rb") as file:
        return _is_array(file.read(4096))


def _is_array(head: bytes) -> bool:
    """A JSON array of rows, told from a line that is a bare list of messages."""
    text = head.lstrip()
    if not text.startswith(b"["):
        return False
    first = text.split(b"\n", 1)[0].rstrip()
    return not (first.endswith(b"]") and b"\n" in text) or first == b"["


def write_out(source: Path | IO[bytes], into: IO[bytes]) -> None:
    """Rows of any file as JSON lines. Raises UnreadableInput."""
    if isinstance(source, Path) and source.suffix in TABLES:
        for row in _table_rows(source):
            into.write(json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")
        return
    content = source.read_bytes() if isinstance(source, Path) else source.read()
    if not _is_array(content[:4096]):
        into.write(content)
        return
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        name = source.name if isinstance(source, Path) else "standard input"
        raise UnreadableInput(f"{name}: {error}", param="data") from error
    bare = bool(rows) and isinstance(rows[0], dict) and "role" in rows[0]
    for row in _rows_of(rows, bare):
        into.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _rows_of(rows: list[Any], bare: bool) -> Iterable[Any]:
    return [rows] if bare else rows


def _table_rows(path: Path) -> Iterator[Any]:
    try:
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise UnreadableInput(
            f"{path.name}: reading tables needs pyarrow: pip install 'maskscope[tables]'", param="data"
        ) from error
    try:
        if TABLES[path.suffix] == "parquet":
            for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=1_000):
                yield from batch.to_pylist()
        else:
            yield from _arrow_rows(path)
    except pyarrow.ArrowInvalid as error:
        raise UnreadableInput(f"{path.name}: {error}", param="data") from error


def _arrow_rows(path: Path) -> Iterator[Any]:
    import pyarrow.ipc

    with pyarrow.memory_map(str(path)) as source:
        try:
            file = pyarrow.ipc.open_file(source)
            batches: Iterable[Any] = (file.get_batch(number) for number in range(file.num_record_batches))
        except pyarrow.ArrowInvalid:
            batches = pyarrow.ipc.open_stream(source)
        for batch in batches:
            yield from batch.to_pylist()
