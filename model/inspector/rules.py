"""Mask bugs read off a batch: input ids and labels in, findings out. Knows no policy, no text and no model.

The rules are those that any trainer's dump is held to (row_rules.py, turn_rules.py); turns are found by their markers.
What more than ids and labels they need: that pads on the left are seen, or push positions on, is only in the attention
mask (`documents`) and the position ids; and a second user's turn in a row may be the next turn or another
conversation, which only `documents`, or the most turns a conversation of the data has, can tell. Not in any of
these, and so not found: a conversation was cut where an earlier answer ends.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from model.inspector.catalogue import RULES
from model.inspector.conventions import ShiftCount, targets_of
from model.inspector.labelled import LabelledRow, Place, Setting, place, plural
from model.inspector.markers import Markers, read_by_markers
from model.inspector.owners import PAD
from model.inspector.row_rules import check_row
from model.inspector.survey import pad_in_use

Ids = Sequence[Sequence[int]]
"""(B, T) as nested lists."""

NOT_IDS = -100


@dataclass(frozen=True)
class TemplateIds:
    """The ids that give a row its structure: `<` user `>` answer `#`, then pads."""

    user_start: int
    answer_start: int
    stop: int
    pad: int | None = None

    @property
    def markers(self) -> Markers:
        headers = (((self.user_start,), "user"), ((self.answer_start,), "assistant"))
        return Markers(headers, frozenset({self.stop}), pad=self.pad)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Finding:
    rule: str
    """Its id, `M03`."""
    slug: str
    """Its name."""
    severity: str
    sentence: str
    """With counts and the first place. Rows are counted from 1, positions from 0."""
    row: int
    position: int
    """The first place: row and position, both from 0."""


def findings(
    inputs: Ids,
    labels: Ids,
    ids: TemplateIds,
    *,
    documents: Ids | None = None,
    positions: Ids | None = None,
    most_turns: int | None = None,
    texts: Mapping[int, str] | None = None,
) -> tuple[Finding, ...]:
    """What is wrong with a batch, one finding for each rule; nothing for a right one.

    `labels` are the shifted targets: what position t is scored on, or -100. `documents` numbers what sees each other, 0
    being hidden; an attention mask of ones and zeros is one document. Without it every position sees all before it.
    Without `positions` they are 0, 1, ... `most_turns`: of a conversation, if known. `texts`: of ids.
    """
    shift = shift_of(inputs, labels)
    markers = _markers_in_use(ids, inputs)
    setting = Setting(pad=markers.pad, stops=frozenset({ids.stop}), most_turns=most_turns, texts=dict(texts or {}))
    rows = [
        _row(number, row, labels[number], shift, markers, documents, positions) for number, row in enumerate(inputs)
    ]
    if shift != 1:
        return tuple(_told([*_wrong_shift(rows, shift)], shift))
    return tuple(_told([one for row in rows for one in check_row(row, setting)], shift))


def _wrong_shift(rows: Sequence[LabelledRow], shift: int) -> Iterator[Place]:
    """M10, by row: which token a label is for is read with the shift found, so one bug is not told as five."""
    for row in rows:
        trained = [at for at, one in enumerate(row.trained) if one]
        if trained:
            which = "token just read" if shift == 0 else "token after the next one"
            yield place("M10", "error", f"Each label is the {which}.", row, trained)


def shift_of(inputs: Ids, labels: Ids) -> int:
    """Position t is scored on token t + shift: 1, unless every label that can be compared says 0 or 2 and not 1."""
    counts = ShiftCount()
    for row, given in zip(inputs, labels, strict=True):
        counts.add(row, [label if label != NOT_IDS else -1 for label in given])
    shares = counts.shares()
    return next((shift for shift in (1, 0, 2) if counts.possible[shift] and shares[shift] == 1.0), 1)


def _row(
    number: int,
    inputs: Sequence[int],
    labels: Sequence[int],
    shift: int,
    markers: Markers,
    documents: Ids | None,
    positions: Ids | None,
) -> LabelledRow:
    """The token behind the last input is its label; without one it is the stop, as far as one can see."""
    tokens, trained, other = targets_of(inputs, labels, shift, NOT_IDS)
    segments = None if documents is None else [*documents[number]]
    owned = read_by_markers(tokens, markers, _attended(segments, len(tokens)))
    if len(tokens) == len(inputs) and owned.turns and owned.turns[-1].cut and owned.parts[-1] != PAD:
        tokens, trained = [*tokens, min(markers.stops)], trained + b"\0"
        owned = read_by_markers(tokens, markers, _attended(segments, len(tokens)))
    counted = range(len(inputs)) if positions is None else positions[number]
    declared = frozenset(turn.message for turn in owned.turns)
    attended = _attended(segments, len(tokens))
    return LabelledRow(
        number, owned, trained, declared, None, tuple(other), (), attended, segments, tuple(counted), full_length=True
    )


def _attended(segments: Sequence[int] | None, length: int) -> list[int] | None:
    """1 where a document is; the token behind the last input is no input, and counts as seen."""
    if segments is None:
        return None
    return [*(int(number > 0) for number in segments), *[1] * (length - len(segments))]


def _markers_in_use(ids: TemplateIds, inputs: Ids) -> Markers:
    """With the stop for the pad, if rows end with runs of stops."""
    markers = ids.markers
    if pad_in_use(inputs) == ids.stop:
        return replace(markers, pad=ids.stop)
    return markers


def _told(places: Sequence[Place], shift: int) -> Iterator[Finding]:
    by_rule: dict[str, list[Place]] = {}
    for one in places:
        by_rule.setdefault(one.rule, []).append(one)
    for rule in sorted(by_rule):
        mine = by_rule[rule]
        first = mine[0]
        row, token = first.row or 0, first.positions[0] if first.positions else shift
        position = max(token - shift, 0)
        total, rows = sum(one.count for one in mine), len({one.row for one in mine})
        says = f"{first.says} In {plural(rows, 'row')}, {plural(total, 'token')} in all"
        where = f"; first in row {row + 1} at position {position}" if first.positions else ""
        yield Finding(rule, RULES[rule].name, first.severity, f"{says}{where}.", row, position)
