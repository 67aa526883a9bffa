"""What a chunk of rows gave, in a form that merges: the same for one process, a process per core, and a cluster."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from model.inspector.labelled import LabelledRow, Place
from model.inspector.owners import PART_NAMES

MOST_PLACES = 100
"""Of one rule and severity, that are kept; all are counted."""

IS_PART = tuple(bytes(int(byte == part) for byte in range(256)) for part in range(len(PART_NAMES)))
"""For each part a table that has 1 for it and 0 for all others."""

Key = str
"""Rule and severity, as `key_of` joins them."""


def key_of(rule: str, severity: str) -> Key:
    return f"{rule} {severity}"


@dataclass
class Partial:
    rows: int = 0
    tokens: int = 0
    trained: int = 0
    places: dict[str, list[Place]] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    rows_with: Counter[str] = field(default_factory=Counter)
    owners: Counter[str] = field(default_factory=Counter)
    """Tokens by part."""
    owners_trained: Counter[str] = field(default_factory=Counter)
    abstained: Counter[str] = field(default_factory=Counter)
    """Why O1 said nothing, and of how many rows."""
    limits: int = 0
    intents: dict[str, list[int]] = field(default_factory=dict)
    """Tokens in both, too many, missing, for each intent that a dump was tried with."""

    def add(self, places: Iterable[Place]) -> None:
        """All places of one row, or of the template."""
        seen = set()
        for place in places:
            key = key_of(place.rule, place.severity)
            self.counted[key] += 1
            if key not in seen:
                seen.add(key)
                self.rows_with[key] += 1
            kept = self.places.setdefault(key, [])
            if len(kept) < MOST_PLACES:
                kept.append(place)

    def add_tokens(self, row: LabelledRow) -> None:
        self.tokens += len(row.owned.ids)
        self.trained += row.trained.count(1)
        trained = int.from_bytes(row.trained)
        for part in set(row.owned.parts):
            name = PART_NAMES[part] if row.owned.known else "unknown"
            self.owners[name] += row.owned.parts.count(part)
            if both := (int.from_bytes(row.owned.parts.translate(IS_PART[part])) & trained).bit_count():
                self.owners_trained[name] += both

    def merge(self, other: "Partial") -> None:
        """`other` is of later rows."""
        self.rows += other.rows
        self.tokens += other.tokens
        self.trained += other.trained
        self.limits += other.limits
        for mine, theirs in (
            *((self.counted, other.counted), (self.rows_with, other.rows_with)),
            *((self.owners, other.owners), (self.owners_trained, other.owners_trained)),
            (self.abstained, other.abstained),
        ):
            mine.update(theirs)
        for key, places in other.places.items():
            kept = self.places.setdefault(key, [])
            kept += places[: MOST_PLACES - len(kept)]
        for name, counts in other.intents.items():
            ours = self.intents.setdefault(name, [0, 0, 0])
            self.intents[name] = [a + b for a, b in zip(ours, counts, strict=True)]
