"""A step of the tour as it is shown: its texts filled in, its choices, and no more of the figure than the step has.

In: a step's number, a guess or none, the models. Out: a Scene. Asks the models: call it in the engine.
"""

from dataclasses import dataclass

from app.charts.chips import GRADIENT_CHOICES, Span, spans_of
from app.charts.figure import Cell, DrawnBar, Written, draw_side
from app.charts.seeds import SeedChart, draw_seeds
from app.tours.facts import Facts, Models, read_facts
from app.tours.steps import GUESSES, STOP_IGNORED, TOUR, WORD, Choice, Frame, Row, Step, first_step_of, shown_rows
from model.errors import check_known
from model.explain.analysis import Analysis, Position
from model.masks.policies import RIGHT, UNMASKED

SIDES: dict[Row, str] = {"on": RIGHT.slug, "off": UNMASKED.slug, "on-writes": RIGHT.slug, "off-writes": UNMASKED.slug}
"""The model of each row that is one model's."""
NAMES = {RIGHT.slug: "mask on", UNMASKED.slug: "mask off", STOP_IGNORED.slug: "stop ignored"}


@dataclass(frozen=True)
class Line:
    """A row of the figure below the targets; one of a later step is empty."""

    row: Row
    policy: str
    name: str
    """Of the model."""
    due: int
    """The step that brings it."""
    is_shown: bool
    is_looked_at: bool
    bars: tuple[DrawnBar, ...] = ()
    cells: tuple[Cell, ...] = ()
    written: Written | None = None


@dataclass(frozen=True)
class Stage:
    """The figure."""

    word: str
    step: int
    steps: tuple[int, ...]
    seed: int
    policy: str
    name: str
    """Of the mask and the model in front."""
    trained: tuple[bool, ...]
    """Of each position, if the mask is shown."""
    positions: tuple[Position, ...]
    spans: tuple[Span, ...]
    asked: int
    """Positions inside the question."""
    look: tuple[Row, ...]
    gradient: str
    """What the bars show."""
    lines: tuple[Line, ...]
    curve_due: int
    curves: dict[str, str]
    """Of each policy, one path with the curves of all seeds; none before the step that brings them."""
    seeds: SeedChart | None
    """None before the step that brings the curve."""


@dataclass(frozen=True)
class Option:
    value: str
    text: str
    is_right: bool
    is_guessed: bool


@dataclass(frozen=True)
class Scene:
    number: int
    title: str
    text: str
    question: str
    options: tuple[Option, ...]
    act: str
    reply: str
    """To a wrong guess."""
    told: tuple[str, ...]
    """Empty before the guess."""
    stage: Stage


def set_scene(number: int, guess: str | None, policy: str, models: Models) -> Scene:
    """A step before the guess, or after it. `policy` shows another mask where only the mask is shown.

    Raises:
        UnknownName: no such choice, or no such mask.
    """
    if guess is not None:
        check_known(guess, GUESSES, "guess")
    step, facts = TOUR[number - 1], read_facts(number, models)
    choice = step.choices[GUESSES.index(guess)] if guess else None
    frame = step.told_frame if choice else step.asked_frame
    return Scene(
        number=number,
        title=step.title,
        text=step.text.format_map(facts),
        question=step.question.format_map(facts),
        options=tuple(_option(value, c, guess, facts) for value, c in zip(GUESSES, step.choices, strict=True)),
        act=step.act,
        reply=choice.reply.format_map(facts) if choice else "",
        told=_told(step, facts) if choice else (),
        stage=_stage(frame, policy if can_switch(number, guess) else frame.policy, models),
    )


def can_switch(number: int, guess: str | None) -> bool:
    """Whether the other mask may be looked at: it gives away nothing that a later step asks."""
    return number == 1 and guess is not None


def _option(value: str, choice: Choice, guess: str | None, facts: Facts) -> Option:
    return Option(value, choice.text.format_map(facts), choice.is_right, value == guess)


def _told(step: Step, facts: Facts) -> tuple[str, ...]:
    return tuple(paragraph.format_map(facts) for paragraph in step.told)


def _stage(frame: Frame, policy: str, models: Models) -> Stage:
    at = models.step(frame.when)
    front = models.analysis(policy, at)
    run = models.runs.by_policy[RIGHT.slug].run
    return Stage(
        word=WORD,
        step=at,
        steps=models.runs.steps(),
        seed=run.seed,
        policy=policy,
        name=NAMES[policy],
        trained=tuple(p.supervised for p in front.positions) if frame.shows_mask else (),
        positions=front.positions,
        spans=spans_of(front),
        asked=front.prompt_length - 1,
        look=frame.look,
        gradient=GRADIENT_CHOICES[frame.gradient].title if frame.gradient else "",
        lines=tuple(_line(row, frame, policy, front, models) for row in ("gradient", *SIDES)),
        curve_due=next(n for n, step in enumerate(TOUR, 1) if step.told_frame.has_curve),
        curves=models.curves() if frame.has_curve else {},
        seeds=draw_seeds(models.seeds(at), run.seed) if frame.has_curve else None,
    )


def _line(row: Row, frame: Frame, policy: str, front: Analysis, models: Models) -> Line:
    own = SIDES.get(row, policy)
    if own == RIGHT.slug and policy == STOP_IGNORED.slug:
        own = policy  # the third model stands in the place of the one it is compared with
    line = Line(row, own, NAMES[own], first_step_of(row), row in shown_rows(frame), row in frame.look)
    return _filled(line, frame, front, models) if line.is_shown else line


def _filled(line: Line, frame: Frame, front: Analysis, models: Models) -> Line:
    at = models.step(frame.when)
    facts = (line.row, line.policy, line.name, line.due, True, line.is_looked_at)
    if line.row.endswith("writes"):
        return Line(*facts, written=models.written(line.policy, at))
    side = draw_side(models.analysis(line.policy, at), line.policy, None)
    if line.row == "gradient":
        assert frame.gradient, frame
        return Line(*facts, bars=tuple(cell.bars[frame.gradient] for cell in side.cells))
    return Line(*facts, cells=side.cells[: front.prompt_length - 1] if frame.only_question else side.cells)
