"""The 2 x 2 of left padding as pictures: what is asked, what is written, and bars by word length. In: values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.experiments.padding.accuracies import LengthCount, PaddedAccuracy
from model.experiments.padding.arms import LeftPadding
from model.intervals import Rate
from model.masks.batches import Batch
from model.text.tokenizer import PAD

BAR_HEIGHT = 100
"""Of a bar at 100 %, in the picture's units."""


@dataclass(frozen=True)
class PromptCell:
    token: str
    real: bool
    place: int
    """The position that the model is told."""


@dataclass(frozen=True)
class LengthBar:
    count: LengthCount
    height: float
    has_pads: bool


@dataclass(frozen=True)
class PaddingPanel:
    """One of the four: how pads are treated, an example, and how often the answer is right."""

    arm: LeftPadding
    right: int
    rate: Rate
    """Of the words that get pads."""
    bars: tuple[LengthBar, ...]
    cells: tuple[PromptCell, ...] = ()
    written: tuple[tuple[str, bool], ...] = ()
    """The letters behind the prompt, and whether each is the right one; empty if no word is shown."""

    @property
    def all_right(self) -> bool:
        return self.right == self.rate.n

    def described(self) -> str:
        """The bars in words."""
        return ", ".join(f"length {b.count.letters}: {b.count.right} of {b.count.n}" for b in self.bars)


def draw_panel(arm: LeftPadding, measured: PaddedAccuracy) -> PaddingPanel:
    longest = measured.by_length[-1]
    bars = tuple(LengthBar(c, BAR_HEIGHT * c.right / c.n, c is not longest) for c in measured.by_length)
    return PaddingPanel(arm, measured.right_with_pads(), measured.with_pads, bars)


def prompt_cells(batch: Batch, row: int, tokens: Sequence[str]) -> tuple[PromptCell, ...]:
    """A row of prompts as they are asked; pads stand on the left. `tokens` by id."""
    ids = batch.inputs_BT[row].tolist()
    places = range(len(ids)) if batch.positions_BT is None else batch.positions_BT[row].tolist()
    return tuple(PromptCell(tokens[i], tokens[i] != PAD, place) for i, place in zip(ids, places, strict=True))


def marked(written: str, right: str) -> tuple[tuple[str, bool], ...]:
    """Each character, and whether the right answer has it at that place."""
    return tuple((character, right[i : i + 1] == character) for i, character in enumerate(written))


def draw_panels(
    arms: Sequence[LeftPadding], measured: Mapping[tuple[str, str], PaddedAccuracy], trained: str
) -> tuple[PaddingPanel, ...]:
    """One for each arm, of the model trained under one policy."""
    return tuple(draw_panel(arm, measured[trained, arm.policy]) for arm in arms)
