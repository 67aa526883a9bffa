"""For tests of races: a runner in this process, and what two runners told, compared."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from app.races.worker import Commands, Runner, RunnerOrder
from model.training.recipes import Variation

TINY = Variation(width=8, batch_size=4, steps=25, evaluate_every=7, evaluation_words=5)
ORDERED = RunnerOrder("reverse4", "unmasked", 1, "abcd", TINY)

Event = dict[str, Any]
Answer = Callable[[Event, BinaryIO], object]
"""What is done when an event is told: commands may be written, or the input be closed."""


def run(
    commands: bytes,
    answer: Answer = lambda event, commands: None,
    order: RunnerOrder = ORDERED,
    read_by: type[Commands] = Commands,
) -> list[Event]:
    """What a runner in this process tells until it has finished or its input ends."""
    told: list[Event] = []
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as source, open(writer, "wb", buffering=0) as sink:

        def tell(event: str, **data: object) -> None:
            told.append({"event": event, **data})
            answer(told[-1], sink)

        sink.write(commands)
        with suppress(SystemExit):
            Runner(order, read_by(source.fileno()), tell).run()
    return told


def without_times(told: Sequence[Event]) -> list[Event]:
    return [{name: value for name, value in event.items() if name not in ("seconds", "step_ms")} for event in told]
