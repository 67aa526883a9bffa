"""A row as running text: messages of stretches of tokens, each with its marks; long stretches that nothing trains fold.

In: a shown row and what was found in it. Out: plain values for a template, of thousands of tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from model.inspector.owners import BOS, CONTEXT, EXTRA_END, HEADER, PAD, SEPARATOR, SUPPLIED
from model.inspector.shown import Lane, ShownMessage, ShownRow

FRAME = frozenset((HEADER, SUPPLIED, BOS, SEPARATOR, EXTRA_END, PAD))
"""What no one says: the template or the server writes it."""
FOLD_FROM = 60
"""Tokens in a stretch of which none is trained or wrong, from which on it folds."""
MOST_STRETCHES, LONGEST_STRETCH, AROUND = 6, 16, 1
SIGNS = str.maketrans({" ": "·", "\n": "↵", "\t": "→", "\r": "␍"})


@dataclass(frozen=True)
class TokenChip:
    """`classes` for its look; `wrong` says in words what it should be; `rules` that name it first."""

    place: int
    text: str
    breaks: bool
    classes: str
    says: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Stretch:
    chips: tuple[TokenChip, ...]
    folded: bool

    @property
    def says(self) -> str:
        return f"{len(self.chips):,} tokens, none trained ({self.chips[0].place} to {self.chips[-1].place})"


@dataclass(frozen=True)
class MessageBand:
    number: int | None
    role: str
    tokens: int
    trained: int
    missing: int
    surplus: int
    stretches: tuple[Stretch, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True)
class LaneCut:
    """Tokens at which the oracles differ, with a little around: for each lane whether it trains each; None: no word."""

    start: int
    texts: tuple[str, ...]
    lanes: tuple[tuple[str, str, tuple[bool, ...]], ...]


def draw_row(row: ShownRow, rules: Mapping[int, Sequence[str]]) -> tuple[MessageBand, ...]:
    """`rules`: of tokens that findings name."""
    return tuple(_band(row, message, rules) for message in row.messages)


def _band(row: ShownRow, message: ShownMessage, rules: Mapping[int, Sequence[str]]) -> MessageBand:
    places = range(message.start, message.stop)
    trained = sum(row.trained[at] == "1" for at in places)
    missing = sum(row.right[at] == "1" and row.trained[at] == "0" for at in places) if row.right else 0
    surplus = sum(row.right[at] == "0" and row.trained[at] == "1" for at in places) if row.right else 0
    lost = tuple(visible(one.text) for one in row.lost if one.message == message.number)
    chips = [_chip(row, at, tuple(rules.get(at, ()))) for at in places]
    return MessageBand(
        message.number, message.role, len(chips), trained, missing, surplus, tuple(_stretches(chips)), lost
    )


def _chip(row: ShownRow, at: int, rules: tuple[str, ...]) -> TokenChip:
    trained, text = row.trained[at] == "1", row.texts[at]
    wrong = bool(row.right) and row.right[at] != row.trained[at]
    frame = row.parts[at] in FRAME and bool(row.right)
    classes = ["t", "tr" if trained else "su" if frame else "ig"]
    classes += ["sp"] if row.ids[at] in row.special else []
    classes += ["x"] if wrong else []
    typed = row.parts[at] == CONTEXT and row.ids[at] in row.special and bool(row.right)
    classes += ["typed"] if typed else []
    says = (
        f"should be {'ignored' if trained else 'trained'}" if wrong else "typed, and read as a marker" if typed else ""
    )
    return TokenChip(at, visible(text), text.endswith("\n"), " ".join(classes), says, rules)


def _stretches(chips: Sequence[TokenChip]) -> Iterator[Stretch]:
    for quiet, group in groupby(chips, lambda chip: not (chip.says or chip.rules or " tr" in chip.classes)):
        found = tuple(group)
        if quiet and len(found) >= FOLD_FROM:
            head, tail = found[:12], found[-6:]
            yield Stretch(head, False)
            yield Stretch(found[12:-6], True)
            yield Stretch(tail, False)
        else:
            yield Stretch(found, False)


def visible(text: str) -> str:
    """Spaces and line ends as signs."""
    return text.translate(SIGNS) or "∅"


def cut_lanes(row: ShownRow) -> tuple[LaneCut, ...]:
    """Where lanes that say something differ."""
    saying = [lane for lane in row.lanes if lane.mask]
    differ = [at for at in range(len(row.ids)) if len({lane.mask[at] for lane in saying}) > 1]
    cuts: list[tuple[int, int]] = []
    for at in differ:
        if cuts and at <= cuts[-1][1] + 2 * AROUND and at - cuts[-1][0] < LONGEST_STRETCH:
            cuts[-1] = cuts[-1][0], at + 1
        elif not cuts or at > cuts[-1][1] + LONGEST_STRETCH:
            cuts.append((at, at + 1))
    return tuple(_cut(row, saying, start, stop) for start, stop in cuts[:MOST_STRETCHES])


def _cut(row: ShownRow, saying: Sequence[Lane], start: int, stop: int) -> LaneCut:
    first, last = max(start - AROUND, 0), min(stop + AROUND, len(row.ids))
    lanes = tuple((lane.slug, lane.title, tuple(one == "1" for one in lane.mask[first:last])) for lane in saying)
    return LaneCut(first, tuple(map(visible, row.texts[first:last])), lanes)
