"""One token under the glass: what predicts it, whether it is trained and should be, whose it is, what each lane says.

In: a shown row and the rules that name its tokens. Out: the words for one token, and for <token-walk> the same of all.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.charts.tokens import visible
from model.inspector.owners import CONTEXT, PAD, PART_NAMES, PART_WORDS, SAMPLED, SUPPLIED
from model.inspector.shown import ShownRow

Rules = Mapping[int, Sequence[tuple[str, bool]]]

AS_MEANT = {
    "11": "trained, as it should be",
    "00": "ignored, as it should be",
    "01": "ignored, and should be trained",
    "10": "trained, and should be ignored",
    "1": "trained",
    "0": "ignored",
}
"""By what is, and what is right if that is known."""
SAYS = {"1": "trains it", "0": "ignores it", "": "cannot tell"}
UNKNOWN = "nobody knows whose it is"


@dataclass(frozen=True)
class Dock:
    place: int
    reads: str
    target: str
    verdict: str
    whose: str
    number: int
    lanes: tuple[tuple[str, str, str, str], ...]
    """Slug, title, what it says, and its mask's sign there."""
    rules: tuple[str, ...]


def draw_dock(row: ShownRow, rules: Rules, place: int | None) -> Dock:
    """The token chosen; else the first that a rule names, the first trained, or 0."""
    if place is None:
        trained = row.trained.find("1")
        place = min((at for at in rules if at < len(row.ids)), default=max(trained, 0))
    at = min(place, len(row.ids) - 1)
    return Dock(
        at,
        visible(row.texts[at - 1]) if at else "",
        visible(row.texts[at]),
        AS_MEANT[row.trained[at] + (row.right[at] if row.right else "")],
        _whose(row, at),
        row.ids[at],
        tuple((lane.slug, lane.title, SAYS[lane.mask[at : at + 1]], lane.mask[at : at + 1]) for lane in row.lanes),
        tuple(rule for rule, _ in rules.get(at, ())),
    )


def _whose(row: ShownRow, at: int) -> str:
    message = next((one for one in row.messages if one.start <= at < one.stop), None)
    if message is None or message.number is None:
        return UNKNOWN
    return f"message {message.number + 1}, {message.role}: {_PARTS[row.parts[at]] if row.right else 'a token'}"


def _says_of(part: int) -> str:
    words = PART_WORDS[PART_NAMES[part]]
    if part in SAMPLED:
        return f"{words}, which the server samples"
    if part == CONTEXT:
        return "text, which the caller gives"
    return words if part in (SUPPLIED, PAD) else f"{words}, supplied by the server"


_PARTS = tuple(map(_says_of, range(len(PART_NAMES))))


def walk_data(row: ShownRow, rules: Rules) -> str:
    """All that <token-walk> needs to say of any token what `draw_dock` says of one, as JSON."""
    length = len(row.ids)
    return json.dumps(
        {
            "ids": " ".join(map(str, row.ids)),
            "parts": "".join("0123456789ab"[part] for part in row.parts) if row.right else "",
            "trained": row.trained,
            "right": row.right,
            "messages": [[one.start, one.stop, one.number, one.role] for one in row.messages],
            "lanes": [[lane.slug, lane.mask] for lane in row.lanes],
            "rules": {at: [rule for rule, _ in found] for at, found in sorted(rules.items()) if at < length},
            "words": {"meant": AS_MEANT, "says": SAYS, "parts": _PARTS, "unknown": UNKNOWN},
        },
        separators=(",", ":"),
    )
