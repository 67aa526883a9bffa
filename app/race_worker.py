"""`python -m app.race_worker`: trains one runner of a race. In: an order, then commands, a line each. Out: JSON lines.

It says `ready` once it could take its first step, and waits for `resume`. Commands are read between steps: `pause`,
`resume`, and `step`, which lets one step through while it pauses. The end of its input means that nobody is left.
"""

import json
import os
import select
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from model.analysis import forecast
from model.errors import MaskscopeError
from model.evaluation import complete_words
from model.masks import MASK_POLICIES
from model.recipes import RECIPES, Recipe, Variation, vary
from model.training import Evaluated, StepDone, initial_model, train

STEPS_PER_EVENT = 10
"""While it runs freely; a single step is told at once."""

Tell = Callable[..., None]


@dataclass(frozen=True)
class RunnerOrder:
    """What the worker is to train; plain values, so that it can be sent as a line."""

    recipe: str
    policy: str
    seed: int
    prompt: str
    """The word whose answer is shown at every measurement."""
    variation: Variation

    def varied(self) -> Recipe:
        return vary(RECIPES[self.recipe], self.variation)


ORDER = TypeAdapter(RunnerOrder)


class Commands:
    """The commands from a file descriptor, and the gate that they open and close."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._unread = b""
        self.paused = True
        self._steps_allowed = 0
        self.waited_seconds = 0.0

    def wait_for_leave(self) -> None:
        """Return when the next step may be taken. Ends the process if nobody can give leave any more."""
        while self._heard(timeout=0):
            self._read()
        started = time.perf_counter()
        while self.paused and self._steps_allowed == 0:
            self._heard(timeout=None)
            self._read()
        self.waited_seconds += time.perf_counter() - started
        self._steps_allowed = max(0, self._steps_allowed - 1)

    def _heard(self, timeout: float | None) -> bool:
        return bool(select.select([self._descriptor], [], [], timeout)[0])

    def _read(self) -> None:
        received = os.read(self._descriptor, 4096)
        if not received:
            raise SystemExit(0)
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            if line == b"step":
                self._steps_allowed += 1
            else:
                self.paused, self._steps_allowed = line == b"pause", 0


class Runner:
    """One policy's training, told as events."""

    def __init__(self, order: RunnerOrder, commands: Commands, tell: Tell):
        self._order, self._commands, self._tell = order, commands, tell
        self._recipe = order.varied()
        self._model = initial_model(self._recipe, order.seed)
        self._untold: list[tuple[float, float]] = []
        """Loss and milliseconds of each step since the last event that told of one."""

    def run(self) -> None:
        training = self._recipe.training
        for event in train(self._model, self._recipe, MASK_POLICIES[self._order.policy], seed=self._order.seed):
            if isinstance(event, StepDone):
                self._note_step(event)
            else:
                if event.step == 0:
                    self._wait_for_start()
                self._tell_evaluated(event)
            measures_next = isinstance(event, StepDone) and training.is_evaluated(event.step)
            if event.step < training.steps and not measures_next:
                self._commands.wait_for_leave()
                self._step_started = time.perf_counter()
        self._tell("done")

    def _wait_for_start(self) -> None:
        self._tell("ready")
        self._commands.wait_for_leave()
        self._started, self._commands.waited_seconds = time.perf_counter(), 0.0

    def _note_step(self, event: StepDone) -> None:
        self._untold.append((event.loss, 1e3 * (time.perf_counter() - self._step_started)))
        alone = self._commands.paused or event.step == self._recipe.training.steps
        if alone or event.step % STEPS_PER_EVENT == 0:
            loss, milliseconds = (sum(values) / len(values) for values in zip(*self._untold, strict=True))
            self._tell("step", policy=self._order.policy, step=event.step, loss=loss, step_ms=milliseconds)
            self._untold.clear()

    def _tell_evaluated(self, event: Evaluated) -> None:
        seconds = time.perf_counter() - self._started - self._commands.waited_seconds
        recipe, model, prompt = self._recipe, self._model, self._order.prompt
        self._tell(
            "evaluated",
            policy=self._order.policy,
            step=event.step,
            seconds=seconds,
            **asdict(event.metrics),
            completion=complete_words(model, recipe.tokenizer, [prompt])[0],
            predictions=[asdict(position) for position in forecast(recipe, model, prompt)],
        )


def main() -> None:
    """A failure that a user can cause is told as an `error` and ends well; any other ends the process badly."""
    order = ORDER.validate_json(_first_line(sys.stdin.fileno()))
    try:
        Runner(order, Commands(sys.stdin.fileno()), _tell).run()
    except MaskscopeError as error:
        _tell("error", type=type(error).__name__, message=error.message, param=error.param, code=error.code)


def _first_line(descriptor: int) -> bytes:
    """Read byte by byte, so that no command behind the line is swallowed."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line


def _tell(event: str, **data: object) -> None:
    print(json.dumps({"event": event, **data}, allow_nan=False), flush=True)


if __name__ == "__main__":
    main()
