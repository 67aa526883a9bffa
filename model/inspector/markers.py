"""Oracle O4: turns found by searching ids for the headers and stops of a template. The weakest, and what trainers use.

Where no template is known the headers are told by the names of the control tokens.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from model.inspector.conversations import ROLES, Role
from model.inspector.folders import TokenizerFolder
from model.inspector.owners import ANSWER, BOS, CONTEXT, EXTRA_END, HEADER, PAD, STOP, SUPPLIED, Owned, TokenTurn

SHORT_NAMES: dict[str, Role] = {
    "u": "user", "a": "assistant", "s": "system", "t": "tool", "inst": "user", "/inst": "assistant"
}  # fmt: skip
ENDS = re.compile(
    r"^\W*(e|z|eos|/s|eot|eom|eot_id|eom_id|(im_)?end|end_of_(turn|text|sentence|msg)|endoftext|im_end)\W*$"
)
OPENS = re.compile(r"(start_header|im_start|start_of_(turn|role)|^\W*start\W*$)")


@dataclass(frozen=True)
class Markers:
    """Headers as sequences of ids with the role that each opens, and the ids that end a turn."""

    headers: tuple[tuple[tuple[int, ...], Role], ...]
    stops: frozenset[int]
    bos: int | None = None
    pad: int | None = None

    @cached_property
    def by_first(self) -> dict[int, list[tuple[tuple[int, ...], Role]]]:
        found: dict[int, list[tuple[tuple[int, ...], Role]]] = {}
        for ids, role in sorted(self.headers, key=lambda header: -len(header[0])):
            if ids:
                found.setdefault(ids[0], []).append((ids, role))
        return found

    def header_at(self, ids: Sequence[int], place: int) -> tuple[int, Role] | None:
        for header, role in self.by_first.get(ids[place], ()):
            if tuple(ids[place : place + len(header)]) == header:
                return len(header), role
        return None

    @property
    def known(self) -> bool:
        return any(role == "assistant" for _, role in self.headers)


def read_by_markers(ids: list[int], markers: Markers, attended: Sequence[int] | None = None) -> Owned:
    """Owners by headers and stops alone. Messages are counted by the headers seen."""
    parts, place, message = bytearray(len(ids)), 0, -1
    turns: list[TokenTurn] = []
    speakers: list[tuple[int, int, int]] = []
    first, last = _real(ids, markers, attended)
    parts[:first] = bytes((PAD,)) * first
    parts[last:] = bytes((PAD,)) * (len(ids) - last)
    place = first
    if place < last and ids[place] == markers.bos:
        parts[place], place = BOS, place + 1
    while place < last:
        header = markers.header_at(ids, place)
        if header is None:
            parts[place] = EXTRA_END if ids[place] in markers.stops and turns else HEADER
            place += 1
            continue
        message += 1
        start, role = place + header[0], header[1]
        end = _end_of_turn(ids, markers, start, last, until_header=role != "assistant")
        if role == "assistant":
            turns.append(_turn(message, place, start, end, last, ids, markers, parts))
        else:
            parts[start:end] = bytes((CONTEXT,)) * (end - start)
            speakers.append((start, end, message))
        place = turns[-1].stop_end if role == "assistant" else end
        if role != "assistant" and place < last and ids[place] in markers.stops and not markers.header_at(ids, place):
            place += 1
    return Owned(ids, bytes(parts), tuple(turns), speakers=tuple(speakers))


def _real(ids: Sequence[int], markers: Markers, attended: Sequence[int] | None) -> tuple[int, int]:
    """First and behind the last token that is no pad."""
    first, last = 0, len(ids)
    if attended is not None and len(attended) >= len(ids):
        while first < last and not attended[first]:
            first += 1
        while last > first and not attended[last - 1]:
            last -= 1
    if markers.pad is not None:
        while first < last and ids[first] == markers.pad and ids[first] != markers.bos:
            first += 1
        while last > first and ids[last - 1] == markers.pad:
            last -= 1
        if markers.pad in markers.stops and last < len(ids) and (attended is None or attended[last]):
            last += 1  # the first of the run is the stop itself
    return first, last


def _end_of_turn(ids: Sequence[int], markers: Markers, start: int, last: int, until_header: bool) -> int:
    place = start
    while place < last and ids[place] not in markers.stops:
        if ids[place] in markers.by_first and markers.header_at(ids, place):
            break
        place += 1
    return place


def _turn(
    message: int, header: int, start: int, end: int, last: int, ids: list[int], markers: Markers, parts: bytearray
) -> TokenTurn:
    stop_end = end + 1 if end < last and ids[end] in markers.stops else end
    parts[header:start] = bytes((SUPPLIED,)) * (start - header)
    parts[start:end] = bytes((ANSWER,)) * (end - start)
    parts[end:stop_end] = bytes((STOP,)) * (stop_end - end)
    cut = stop_end == end and end >= last
    return TokenTurn(
        message, header, start, start, end, end, stop_end, stop_end, blank=end == start and not cut, cut=cut
    )


def markers_by_name(folder: TokenizerFolder) -> Markers:
    """By what the control tokens are called: `<|user|>`, `<u>`, or an opener and the name of a role behind it."""
    headers: list[tuple[tuple[int, ...], Role]] = []
    stops = set()
    pad, bos = folder.special_id("pad_token"), folder.special_id("bos_token")
    closing = next((number for text, number in folder.control.items() if "end_header" in text), None)
    for text, number in folder.control.items():
        name = re.sub(r"[^\w/]", "", text).lower()
        role = SHORT_NAMES.get(name) or ROLES.get(name)
        if OPENS.search(text):
            headers += _opened(folder, number, closing)
        elif role:
            headers.append(((number,), role))
        elif ENDS.match(text) and number != closing:
            stops.add(number)
    if (eos := folder.special_id("eos_token")) is not None:
        stops.add(eos)
    if pad is None:
        pad = next((number for text, number in folder.control.items() if re.fullmatch(r"\W*(p|pad)\W*", text)), None)
    return Markers(tuple(headers), frozenset(stops), bos, pad)


def _opened(folder: TokenizerFolder, opener: int, closing: int | None) -> list[tuple[tuple[int, ...], Role]]:
    headers = []
    for name in ("system", "user", "assistant", "model", "tool", "ipython", "developer"):
        for behind in ("\n", ""):
            ids = folder.tokenizer.encode(name + ("" if closing else behind), add_special_tokens=False).ids
            if closing is not None:
                ids = [*ids, closing, *folder.tokenizer.encode("\n\n", add_special_tokens=False).ids]
            headers.append(((opener, *ids), ROLES[name]))
    return headers
