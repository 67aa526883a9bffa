"""One row, token by token, as a page shows it: plain values, which the inspection's process makes (showing.py)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lane:
    """What one oracle would train: "1" for each token. `why` it says nothing, if it does not."""

    slug: str
    title: str
    mask: str
    why: str = ""


@dataclass(frozen=True)
class ShownMessage:
    """Tokens start to stop are a message's: its header, its text, its stop. `number` is from 0; None: no message's."""

    number: int | None
    role: str
    start: int
    stop: int


@dataclass(frozen=True)
class Lost:
    """A text of a message that does not stand in the render."""

    message: int
    kind: str
    text: str


@dataclass(frozen=True)
class ShownRow:
    """All sequences are as long as `ids`. `right` is what the intent trains, "" where nobody knows."""

    number: int
    ids: list[int]
    texts: list[str]
    parts: list[int]
    """Codes of owners.PART_NAMES."""
    special: list[int]
    """Ids of control tokens."""
    trained: str
    right: str
    labelled: bool
    messages: list[ShownMessage]
    lanes: list[Lane]
    lost: list[Lost]
    tokens: int
    """In all: more than there are ids, if the row was too long to show."""
