"""A row of tokens with owners and labels, as the rules on labels read it, and what a rule finds in it: a place.

Knows no rule. `Setting` is what holds for all rows of a run of the inspector.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from model.inspector.conversations import Conversation
from model.inspector.intents import Intent
from model.inspector.owners import PAD, Owned, TokenTurn
from model.inspector.rule import Severity

MOST_POSITIONS = 20
"""Of one place, that are kept."""


@dataclass(frozen=True, slots=True)
class Place:
    """One rule's finding at one place. Rows and tokens are counted from 0; `turn` is the message."""

    rule: str
    severity: Severity
    says: str
    row: int | None = None
    turn: int | None = None
    positions: tuple[int, ...] = ()
    count: int = 1
    """Tokens, or rows for what is said once of many."""


@dataclass(frozen=True)
class Setting:
    """What the rules know besides the row. Ids are None where no tokenizer or dump told them."""

    intent: Intent = field(default_factory=Intent)
    pad: int | None = None
    bos: int | None = None
    stops: frozenset[int] = frozenset()
    """Ids that end a turn or a text."""
    media: frozenset[int] = frozenset()
    largest_id: int | None = None
    control: frozenset[int] = frozenset()
    allowed_tokens: frozenset[int] = frozenset()
    texts: dict[int, str] = field(default_factory=dict)
    """Of control tokens, for sentences."""
    serving_given: bool = False
    """The arguments that the server renders with were declared."""
    most_turns: int | None = None
    """User turns of one conversation at most, if known."""
    template_tags: bool | None = None

    def name(self, token: int) -> str:
        return self.texts.get(token, f"id {token}")


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """`trained` has 1 for each token that is a target. All sequences are as long as the ids, or None if not given."""

    number: int
    owned: Owned
    trained: bytes
    declared: frozenset[int] = frozenset()
    conversation: Conversation | None = None
    mislabelled: tuple[int, ...] = ()
    foreign: tuple[int, ...] = ()
    """Labels that are no ids at all: negative, and not the ignore index."""
    attended: Sequence[int] | None = None
    segments: Sequence[int] | None = None
    positions: Sequence[int] | None = None
    full_length: bool = False
    cut_from: int | None = None
    """How long the row would be, if it is known to be cut."""
    labelled: bool = True
    """False: `trained` is the right mask of the intent, made by us."""
    mask_name: str = ""

    def turns(self) -> Iterator[TokenTurn]:
        return iter(self.owned.turns)

    def declared_turns(self) -> list[TokenTurn]:
        return [turn for turn in self.owned.turns if turn.message in self.declared]

    def trains(self, turn: TokenTurn) -> bool:
        """Has any token that the assistant said in this turn a label?"""
        return 1 in self.trained[turn.start : turn.stop_end]

    def trains_text(self, turn: TokenTurn) -> bool:
        return 1 in self.trained[turn.start : turn.text_stop]

    @property
    def trains_answers(self) -> bool:
        return any(self.trains(turn) for turn in self.owned.turns)

    def places(self, parts: bytes, start: int = 0, stop: int | None = None) -> list[int]:
        """Trained tokens of these parts."""
        if not any(part in self.owned.parts for part in parts):
            return []
        stop = len(self.owned.ids) if stop is None else stop
        owner, trained = self.owned.parts, self.trained
        return [place for place in range(start, stop) if trained[place] and owner[place] in parts]

    def begins(self) -> list[int]:
        """Where another conversation begins, as segments or positions have it."""
        if self.segments is not None:
            numbers = self.segments
            return [at for at in range(1, len(numbers)) if numbers[at] != numbers[at - 1] and numbers[at] != 0]
        if self.positions is not None:
            return [
                at for at in range(1, len(self.positions)) if self.positions[at] == 0 and self.positions[at - 1] > 0
            ]
        return []

    def is_all_pads(self, pad: int | None) -> bool:
        return bool(self.owned.ids) and all(
            part == PAD or token == pad for part, token in zip(self.owned.parts, self.owned.ids, strict=True)
        )


def place(
    rule: str,
    severity: Severity,
    says: str,
    row: LabelledRow,
    positions: Sequence[int] = (),
    turn: int | None = None,
) -> Place:
    return Place(rule, severity, says, row.number, turn, tuple(positions[:MOST_POSITIONS]), max(len(positions), 1))


def they(count: int, noun: str, one: str, many: str) -> str:
    """`1 token is`, `3 tokens are`."""
    return f"{plural(count, noun)} {one if count == 1 else many}"


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
