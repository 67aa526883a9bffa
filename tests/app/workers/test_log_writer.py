"""app/workers/log_writer.py: whoever logs never waits, whatever becomes of the other end of the pipe."""

import logging
import os
import re
from collections.abc import Iterator
from typing import TextIO

import pytest

from app.workers.log_writer import Lines, ServerLog


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """The end to read and the end to write."""
    reading, writing = os.pipe()
    with open(reading) as ours, open(writing, "w") as theirs:
        yield ours, theirs


def test_lines_are_written_in_their_order_and_in_ascii(pipe: tuple[TextIO, TextIO]) -> None:
    ours, theirs = pipe
    lines = Lines(theirs.fileno())
    for text in ("first\n", "a\u202eb \udcff é\n"):
        lines.write(text)
    assert [ours.readline(), ours.readline()] == ["first\n", "a\\u202eb \\udcff \\xe9\n"]


def test_lines_that_come_together_leave_together(pipe: tuple[TextIO, TextIO], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pipe
    written: list[int] = []

    def write(descriptor: int, data: memoryview) -> int:
        written.append(descriptor)
        return os.writev(descriptor, [data])

    monkeypatch.setattr(os, "write", write)
    lines = Lines(theirs.fileno())
    for number in range(500):
        lines.write(f"{number}\n")
    assert [ours.readline() for _ in range(500)] == [f"{number}\n" for number in range(500)]
    assert written.count(theirs.fileno()) < 100


def test_what_a_pipe_that_nobody_reads_does_not_hold_is_left_out_and_counted(pipe: tuple[TextIO, TextIO]) -> None:
    ours, theirs = pipe
    lines = Lines(theirs.fileno(), most=10)
    for number in range(5000):  # a pipe holds 64 KB
        lines.write(f"{number:099d}\n")
    lines.wait(0.05)  # returns although nothing moves
    kept, left_out = 0, 0
    while kept + left_out < 5000:
        line = ours.readline()
        if found := re.match(r"(\d+) lines of the log were left out here", line):
            left_out += int(found[1])
        else:
            kept += 1
    assert 0 < left_out < 5000


def test_a_pipe_whose_reader_has_gone_holds_nobody_up(pipe: tuple[TextIO, TextIO]) -> None:
    ours, theirs = pipe
    lines = Lines(theirs.fileno(), most=10)
    ours.close()
    for _ in range(20):
        lines.write("nobody reads this\n")
        lines.wait(60)


def test_a_server_s_log_takes_what_anybody_logs_and_gives_it_back(pipe: tuple[TextIO, TextIO]) -> None:
    ours, theirs = pipe
    before = logging.getLogger("uvicorn").handlers.copy()
    log = ServerLog(theirs, theirs)
    logging.getLogger("app.errors").error("of the application")
    own = [handler for handler in logging.getLogger("uvicorn").handlers if handler not in before]
    for handler in own:  # what cannot be formatted hurts nobody who logs
        handler.handle(logging.LogRecord("uvicorn", logging.ERROR, __file__, 1, "%d of them", ("no number",), None))
    logging.getLogger("uvicorn.error").info("of uvicorn")
    logging.getLogger("app.errors").info("too little to be told")
    log.close()
    assert own
    assert logging.getLogger("uvicorn").handlers == before
    theirs.close()
    assert [line.split(":")[1].strip() for line in ours] == ["of the application", "of uvicorn"]
