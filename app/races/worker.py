"""`python -m app.races.worker`: trains one runner of a race. In: an order, then commands, a line each. Out: JSON lines.

It says `ready` once it could take its first step, and waits for `resume`. Commands are read between steps: `pause`,
`resume`, and `step`, which lets one step through while it pauses. The end of its input means that nobody is left.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from statistics import fmean

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from model.errors import MaskscopeError
from model.explain.analysis import forecast
from model.masks.policies import MASK_POLICIES
from model.training.evaluation import complete_prompts
from model.training.loop import Evaluated, StepDone, initial_model, train
from model.training.recipes import RECIPES, Recipe, Variation, vary

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
        """The recipe without its checkpoints: a race is measured at equal distances, and at its end."""
        return vary(RECIPES[self.recipe], self.variation).keeping_the_last_checkpoint()


ORDER = TypeAdapter(RunnerOrder)


class Commands:
    """The commands from a file descriptor, and the gate that they open and close. It is closed at first."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._unread = b""
        self._paused = True
        self._steps_allowed = 0

    def read_line(self) -> bytes:
        """Wait for the next line. Ends the process if nobody can say anything any more."""
        while b"\n" not in self._unread:
            received = os.read(self._descriptor, 4096)
            if not received:
                raise SystemExit(0)
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def gate_is_open(self) -> bool:
        """Whether the next step may be taken, after all that was said by now. Takes microseconds if nothing was."""
        while b"\n" in self._unread or select.select([self._descriptor], [], [], 0)[0]:
            self._obey(self.read_line())
        return self._is_open()

    def wait_for_gate(self) -> None:
        """Return when the next step may be taken."""
        while not self._is_open():
            self._obey(self.read_line())

    def pass_gate(self) -> bool:
        """Count a step; whether it is a single one, let through while the race pauses."""
        self._steps_allowed = max(0, self._steps_allowed - 1)
        return self._paused

    def _is_open(self) -> bool:
        return not self._paused or self._steps_allowed > 0

    def _obey(self, command: bytes) -> None:
        if command == b"step":
            self._steps_allowed += 1
        else:
            self._paused, self._steps_allowed = command == b"pause", 0


class Runner:
    """One policy's training, told as events."""

    def __init__(self, order: RunnerOrder, commands: Commands, tell: Tell):
        self._order, self._commands, self._tell = order, commands, tell
        self._recipe = order.varied()
        self._model = initial_model(self._recipe, order.seed)
        self._started = self._waited_seconds = 0.0
        self._is_single = False
        """Whether the step under way was let through while the race pauses."""
        self._untold: list[tuple[int, float, float]] = []
        """Number, loss and milliseconds of each step since the last event that told of one."""

    def run(self) -> None:
        training = self._recipe.training
        started = time.perf_counter()
        for event in train(self._model, self._recipe, MASK_POLICIES[self._order.policy], seed=self._order.seed):
            if isinstance(event, StepDone):
                self._note_step(event, time.perf_counter() - started)
            else:
                if event.step == 0:
                    self._wait_for_start()
                self._tell_evaluated(event)
            measures_next = isinstance(event, StepDone) and training.is_evaluated(event.step)
            if event.step < training.steps and not measures_next:
                self._wait_for_leave()
            started = time.perf_counter()
        self._tell("done")

    def _wait_for_start(self) -> None:
        self._tell("ready")
        self._commands.wait_for_gate()
        self._started = time.perf_counter()

    def _note_step(self, event: StepDone, seconds: float) -> None:
        self._untold.append((event.step, event.loss, 1e3 * seconds))
        is_last = event.step == self._recipe.training.steps
        if self._is_single or is_last or event.step % STEPS_PER_EVENT == 0:
            self._tell_steps()

    def _wait_for_leave(self) -> None:
        """Wait while the race pauses; before that it is told how far this runner came."""
        if not self._commands.gate_is_open():
            self._tell_steps()
            paused = time.perf_counter()
            self._commands.wait_for_gate()
            self._waited_seconds += time.perf_counter() - paused
        self._is_single = self._commands.pass_gate()

    def _tell_steps(self) -> None:
        """Tell of the steps that nobody was told of, if there are any: the last one's number, means of all."""
        if self._untold:
            steps, losses, milliseconds = zip(*self._untold, strict=True)
            self._tell(
                "step", policy=self._order.policy, step=steps[-1], loss=fmean(losses), step_ms=fmean(milliseconds)
            )
            self._untold.clear()

    def _tell_evaluated(self, event: Evaluated) -> None:
        seconds = time.perf_counter() - self._started - self._waited_seconds if event.step else 0.0
        recipe, model, prompt = self._recipe, self._model, self._order.prompt
        self._tell(
            "evaluated",
            policy=self._order.policy,
            step=event.step,
            seconds=seconds,
            **asdict(event.metrics),
            completion=complete_prompts(model, recipe.task, recipe.tokenizer, [prompt])[0],
            predictions=[asdict(position) for position in forecast(recipe, model, prompt)],
        )


def main() -> None:
    """A failure that a user can cause is told as an `error` and ends well; any other ends the process badly."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # when nobody reads any more, writing ends the process in silence
    commands = Commands(sys.stdin.fileno())
    order = ORDER.validate_json(commands.read_line())
    try:
        Runner(order, commands, tell).run()
    except MaskscopeError as error:
        tell("error", type=type(error).__name__, message=error.message, param=error.param, code=error.code)


def tell(event: str, **data: object) -> None:
    print(json.dumps({"event": event, **data}, allow_nan=False), flush=True)


if __name__ == "__main__":
    main()
