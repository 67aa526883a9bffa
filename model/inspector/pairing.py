"""A dumped row put beside the fresh renders of the data's rows: owners carried over where the ids are the same.

Handles pads, a further begin or end of text, cut rows, and rows in which several conversations are packed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from model.inspector.dumps import DumpRow
from model.inspector.owners import BOS, EXTRA_END, HEADER, PAD, Owned, TokenTurn

NOT_CUT_BELOW = 2
"""Tokens at least that must agree before a rest is taken for a cut conversation."""


@dataclass(frozen=True)
class Fresh:
    """A row of the data as we render and encode it. `number` is its place in the data."""

    number: int
    owned: Owned
    message_base: int = 0


@dataclass(frozen=True)
class Pairing:
    owned: Owned
    used: tuple[Fresh, ...]
    cut_from: int | None = None
    differs_at: int | None = None
    """The first token that is not as in the fresh render."""


def pair(
    dump: DumpRow, ids: list[int], fresh: Callable[[int], Fresh | None], pad: int | None, stops: frozenset[int]
) -> Pairing:
    """Whose the dumped row's `ids` are. `fresh(k)` is the k-th row of the data that no dump has used yet, or None."""
    parts = bytearray(len(ids))
    turns: list[TokenTurn] = []
    merges: list[int] = []
    spans: tuple[list[tuple[int, int, int]], ...] = ([], [], [], [])  # as Owned.spans
    at, last = _attended(dump, ids, pad)
    parts[:at], parts[last:] = bytes((PAD,)) * at, bytes((PAD,)) * (len(ids) - last)
    used: list[Fresh] = []
    starts: list[int] = []
    cut_from, messages = None, 0
    while at < last and (one := fresh(len(used))) is not None:
        skipped, length = _match(ids, at, last, one.owned.ids)
        if length == 0:
            break
        parts[at : at + skipped] = bytes((BOS,)) * skipped
        at += skipped
        starts.append(at - skipped)
        owned = one.owned
        parts[at : at + length] = owned.parts[:length]
        turns += [
            replace(_cut(turn, length).moved(at), message=turn.message + messages)
            for turn in owned.turns
            if turn.start < length
        ]
        merges += [at + place for place in owned.merges if place < length]
        for kept, mine in zip(spans, owned.spans, strict=True):
            kept += [(at + a, at + min(b, length), m + messages) for a, b, m in mine if a < length]
        used.append(replace(one, message_base=messages))
        messages += 1 + max([m for _, _, m in owned.speakers] + [turn.message for turn in owned.turns], default=-1)
        at += length
        if length < len(owned.ids) and any(part != HEADER for part in owned.parts[length:]):
            cut_from = len(owned.ids)
            break
        while at < last and ids[at] in stops and not _begins(ids, at, last, fresh(len(used))):
            parts[at], at = EXTRA_END, at + 1
    tail = at
    while tail < last and (ids[tail] == pad or ids[tail] in stops):
        tail += 1
    if used and tail == last:
        parts[at:last] = bytes((PAD,)) * (last - at)
        at = last
    differs = at if at < last and cut_from is None else None
    conversations = tuple(starts) if len(starts) > 1 else ()
    known = bool(used) and differs is None
    owned = Owned(ids, bytes(parts), tuple(turns), tuple(merges), known=known, conversations=conversations)
    owned = owned.with_spans(*map(tuple, spans))
    return Pairing(owned, tuple(used), cut_from, differs)


def _attended(dump: DumpRow, ids: list[int], pad: int | None) -> tuple[int, int]:
    first, last = 0, len(ids)
    if dump.attended is not None and len(dump.attended) >= len(dump.ids):
        while first < last and first < len(dump.attended) and not dump.attended[first]:
            first += 1
        while last > first and last <= len(dump.attended) and not dump.attended[last - 1]:
            last -= 1
    else:
        while first < last - 1 and ids[first] == pad and ids[first + 1] == pad:
            first += 1
        if first and ids[first] == pad:
            first += 1
    if first == 0 and last and ids[0] == pad and (last == 1 or ids[1] != pad) and dump.attended is None:
        first = 1
    return first, last


def _match(ids: list[int], at: int, last: int, wanted: list[int]) -> tuple[int, int]:
    """How many tokens to skip (a begin of text that the render has not), and how many then agree; 0 for none."""
    for skipped in (0, 1):
        here = ids[at + skipped : min(last, at + skipped + len(wanted))]
        want = wanted[: len(here)]
        if here and here == want and (len(here) == len(wanted) or len(here) >= NOT_CUT_BELOW):
            return skipped, len(here)
        if short := _without_end(here, want, wanted):
            return skipped, short
    return 0, 0


def _without_end(here: list[int], want: list[int], wanted: list[int]) -> int:
    """A row that lacks the last tokens of its render: the trainer took off an end, or pads follow where it would be."""
    agree = next((at for at, (a, b) in enumerate(zip(here, want, strict=False)) if a != b), min(len(here), len(want)))
    return agree if agree >= max(len(wanted) - 2, NOT_CUT_BELOW) else 0


def _begins(ids: list[int], at: int, last: int, following: Fresh | None) -> bool:
    return following is not None and _match(ids, at, last, following.owned.ids) == (0, len(following.owned.ids))


def _cut(turn: TokenTurn, length: int) -> TokenTurn:
    if turn.stop_end <= length and (turn.stops or turn.end <= length):
        return turn
    return replace(
        turn,
        text_stop=min(turn.text_stop, length),
        stop=min(turn.stop, length),
        stop_end=min(turn.stop_end, length),
        end=min(turn.end, length),
        cut=True,
    )
