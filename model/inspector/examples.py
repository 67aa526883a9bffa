"""The tokenizer that ships by its name, and what goes wrong in its example rows. How they are made: shipped.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.inspector.owners import STOP
from model.masks.policies import IGNORE_INDEX

if TYPE_CHECKING:
    from model.inspector.inspection import Rendered

NAME = "chatml"

Labels = list[int]


@dataclass(frozen=True)
class Mistake:
    """One way of making labels from a rendered row and its right mask. `what` says what went wrong."""

    slug: str
    title: str
    what: str
    labels: Callable[["Rendered", bytes], Labels]


def _right(made: "Rendered", mask: bytes) -> Labels:
    return [token if trained else IGNORE_INDEX for token, trained in zip(made.owned.ids, mask, strict=True)]


def _stop_lost(made: "Rendered", mask: bytes) -> Labels:
    labels = _right(made, mask)
    return [IGNORE_INDEX if part == STOP else label for part, label in zip(made.owned.parts, labels, strict=True)]


def _all_trained(made: "Rendered", mask: bytes) -> Labels:
    return list(made.owned.ids)


def _late(made: "Rendered", mask: bytes) -> Labels:
    labels = _right(made, mask)
    for turn in made.owned.turns:
        labels[turn.start] = IGNORE_INDEX
    return labels


def _shifted(made: "Rendered", mask: bytes) -> Labels:
    return [*_right(made, mask)[1:], IGNORE_INDEX]


MISTAKES = (
    Mistake("stop-lost", "the stop is lost", "the end of each answer is ignored", _stop_lost),
    Mistake("all-trained", "all is trained", "questions are trained as well as answers", _all_trained),
    Mistake("late", "a token too late", "the first token of each answer is ignored", _late),
    Mistake("shifted", "shifted twice", "the labels were shifted before a loss that shifts", _shifted),
    Mistake("right", "right", "what a trainer should see", _right),
)
