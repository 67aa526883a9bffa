"""What has to be known of all rows before any is judged: conventions, greatest length, switches. Merges."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.inspector.conventions import ShiftCount
from model.inspector.conversations import ALL_SWITCHES, Conversation
from model.inspector.dumps import DumpRow
from model.inspector.message_rules import keys_with_values

PAD_RUN = 3
"""So many times the same id at a row's end is padding."""
MOST_KEYS = 10_000


TELLING = tuple(f'"{name}"'.encode() for name in sorted({*ALL_SWITCHES, "tool_calls", "tools"}))
ESCAPED_LETTERS = (b"\\u005", b"\\u006", b"\\u007")
"""A key may be written with these, though nobody does."""


def may_tell(line: bytes) -> bool:
    """Could this row of data change a survey but for its count? If no name of a switch, call or tool stands in it, no.

    Twenty times as fast as to parse it, and every row has to be surveyed before the first is judged.
    """
    return any(name in line for name in TELLING) or any(letters in line for letters in ESCAPED_LETTERS)


def tail_of(ids: Sequence[int]) -> int | None:
    """The id that a row ends with PAD_RUN times."""
    return ids[-1] if len(ids) >= PAD_RUN and len(set(ids[-PAD_RUN:])) == 1 else None


def pad_in_use(rows: Iterable[Sequence[int]]) -> int | None:
    """What rows are padded with, whatever the tokenizer calls its pad."""
    tails = Counter(tail for row in rows if (tail := tail_of(row)) is not None)
    return tails.most_common(1)[0][0] if tails else None


@dataclass
class Survey:
    rows: int = 0
    shifts: ShiftCount = field(default_factory=ShiftCount)
    has_labels: bool = False
    longest: int = 0
    at_longest: int = 0
    lengths: set[int] = field(default_factory=set)
    """Two at most: enough to know whether rows differ."""
    tails: Counter[int] = field(default_factory=Counter)
    """Ids that rows end with several times."""
    has_switches: bool = False
    has_calls: bool = False
    keys: set[str] = field(default_factory=set)

    def add_dump(self, row: DumpRow) -> None:
        self.rows += 1
        if row.labels is not None:
            self.has_labels = True
            self.shifts.add(row.ids, row.labels)
        self._add_length(len(row.ids), 1)
        if (tail := tail_of(row.ids)) is not None:
            self.tails[tail] += 1
        if len(self.lengths) < 2:
            self.lengths.add(len(row.ids))

    def add_data(self, row: Any) -> None:
        self.rows += 1
        if isinstance(row, Conversation):
            self.has_switches = self.has_switches or row.has_switches
            self.has_calls = self.has_calls or any(message.get("tool_calls") for message in row.messages)
            if row.tools and len(self.keys) < MOST_KEYS:
                self.keys.update(keys_with_values(row.tools))

    def _add_length(self, length: int, count: int) -> None:
        if length > self.longest:
            self.longest, self.at_longest = length, count
        elif length == self.longest:
            self.at_longest += count

    @property
    def keys_with_values(self) -> frozenset[str]:
        return frozenset(self.keys)

    def is_full(self, length: int) -> bool:
        """A row of the greatest length: with several of them, that is a limit."""
        return length == self.longest and self.at_longest > 0

    def merge(self, other: "Survey") -> None:
        self.rows += other.rows
        self.shifts.merge(other.shifts)
        self._add_length(other.longest, other.at_longest)
        self.lengths = set(sorted(self.lengths | other.lengths)[:2])
        self.tails.update(other.tails)
        self.has_labels |= other.has_labels
        self.has_switches |= other.has_switches
        self.has_calls |= other.has_calls
        self.keys |= other.keys
