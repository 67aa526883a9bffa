"""Whose token each one of a row is: the template's ids, and the answers they mark. Knows no label."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TemplateIds:
    """The ids that give a row its structure: `<` user `>` answer `#`, then pads."""

    user_start: int
    answer_start: int
    stop: int
    pad: int | None = None


@dataclass(frozen=True)
class Answer:
    """Tokens start (inclusive) to stop (exclusive) of a row."""

    start: int
    stop: int
    end: int | None
    """The place of its stop token; None if none is there."""
    cut: bool
    """It ends, and not with a stop."""
