"""How a dump's labels lie: what marks an ignored token, and how far a label stands from its token. Never assumed.

Inside the inspector there is one form: whether token j, j >= 1, is a target. The position that predicts it is j - 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

SHIFTS = (0, 1, 2, -1)
"""labels[i] == ids[i + d]: aligned, shifted once, shifted twice, shifted the wrong way."""
SHIFT_NAMES = {0: "aligned", 1: "pre-shifted", 2: "shifted twice", -1: "shifted the wrong way"}

ACCEPTED = 0.995
NEXT_BEST = 0.9
TARGETS = 20
IGNORE_INDICES = (-100, -1)

Loss = Literal["shifts", "does-not-shift"]
"""What the loss does with the labels it is given. transformers' models shift."""


@dataclass
class ShiftCount:
    """How many targets each shift explains, over all rows. Merges."""

    targets: int = 0
    hits: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SHIFTS, 0))
    possible: dict[int, int] = field(default_factory=lambda: dict.fromkeys(SHIFTS, 0))
    negatives: set[int] = field(default_factory=set)

    def add(self, ids: Sequence[int], labels: Sequence[int]) -> None:
        targets = [(i, label) for i, label in enumerate(labels) if label >= 0]
        self.negatives.update(label for label in set(labels) if label < 0)
        self.targets += len(targets)
        for shift in SHIFTS:
            within = [(i + shift, label) for i, label in targets if 0 <= i + shift < len(ids)]
            self.possible[shift] += len(within)
            self.hits[shift] += sum(ids[i] == label for i, label in within)

    def merge(self, other: "ShiftCount") -> None:
        self.targets += other.targets
        self.negatives |= other.negatives
        for shift in SHIFTS:
            self.hits[shift] += other.hits[shift]
            self.possible[shift] += other.possible[shift]

    def shares(self) -> dict[int, float]:
        """Of the targets that a shift can be tried on, those it explains."""
        return {shift: self.hits[shift] / self.possible[shift] if self.possible[shift] else 0.0 for shift in SHIFTS}


@dataclass(frozen=True)
class Convention:
    """What was found. `shift` is None for "cannot tell"; `read_as` is what the labels are read as all the same."""

    shift: int | None
    read_as: int
    ignore_index: int | None
    targets: int
    why: str
    share: float = 0.0

    @property
    def few_and_aligned(self) -> bool:
        """Too few targets to tell it by, or none, and none that contradicts."""
        return not self.targets or (self.targets < TARGETS and self.share == 1.0)

    def as_plain(self) -> dict[str, object]:
        return {
            "alignment": None if self.shift is None else SHIFT_NAMES[self.shift],
            "read_as": SHIFT_NAMES[self.read_as],
            "shift": self.shift,
            "ignore_index": self.ignore_index,
            "targets": self.targets,
            "why": self.why,
        }


def find_convention(counts: ShiftCount) -> Convention:
    """From counts over all rows."""
    ignore = ignore_index(counts.negatives)
    if not counts.targets:
        return Convention(None, 0, ignore, 0, "there is no target to tell it by")
    shares = counts.shares()
    ranked = sorted(SHIFTS, key=lambda shift: (-shares[shift], SHIFTS.index(shift)))
    best, second = ranked[0], ranked[1]
    said = f"{shares[best]:.1%} of {counts.targets} targets lie {SHIFT_NAMES[best]}, "
    said += f"{shares[second]:.1%} {SHIFT_NAMES[second]}"
    if counts.targets < TARGETS:
        return Convention(
            None, best, ignore, counts.targets, f"only {counts.targets} targets, {TARGETS} are needed", shares[best]
        )
    if shares[best] < ACCEPTED or shares[second] > NEXT_BEST:
        return Convention(None, best, ignore, counts.targets, said, shares[best])
    return Convention(best, best, ignore, counts.targets, said, shares[best])


def ignore_index(negatives: Iterable[int]) -> int | None:
    """The only negative label, if it is a usual one; -100 where others stand beside it."""
    found = sorted(set(negatives))
    if len(found) == 1 and found[0] in IGNORE_INDICES:
        return found[0]
    return next((index for index in IGNORE_INDICES if index in found), None)


def targets_of(
    ids: Sequence[int], labels: Sequence[int], shift: int, ignore: int | None
) -> tuple[list[int], bytes, list[int]]:
    """The ids, for each 1 if it is a target, and the places whose label is not their token.

    A shifted label may stand for the token behind the last one: then the ids are one longer than they were.
    """
    ignored = -100 if ignore is None else ignore
    of_token = {i + shift: label for i, label in enumerate(labels) if label != ignored and i + shift > 0}
    tokens = list(ids)
    if len(ids) in of_token:
        tokens.append(of_token[len(ids)])
    trained, other = bytearray(len(tokens)), []
    for place, label in of_token.items():
        if place < len(tokens):
            trained[place] = 1
            if tokens[place] != label:
                other.append(place)
    return tokens, bytes(trained), other
