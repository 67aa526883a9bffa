"""Whose each token is: a row's structure carried from characters to ids. One form for rendered rows, dumps and the toy.

A token belongs to the part that its characters overlap; a token over two owners is a merge. Knows no labels.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.inspector.structure import Answer, Structure

HEADER, CONTEXT, ANSWER, REASONING, CALL, STOP, SEPARATOR, SUPPLIED, INJECTED, BOS, PAD, EXTRA_END = range(12)
PART_NAMES = (
    *("header", "text", "answer", "reasoning", "tool call", "stop", "separator", "supplied", "injected"),
    *("begin of text", "pad", "extra end"),
)
"""As reports have them."""
PART_WORDS = {name: name for name in PART_NAMES} | {
    "separator": "space behind a stop",
    "supplied": "supplied by the server",
    "injected": "put in by the template",
}
"""As a reader is told them."""
SAMPLED = bytes((ANSWER, REASONING, CALL, STOP, INJECTED))
"""What a server samples."""

Offsets = Sequence[tuple[int, int]]
"""Of each token, the characters that it stands for."""
Spans = tuple[tuple[int, int, int], ...]
"""(start, stop, message), in tokens."""
END = 1 << 60
BLANK = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class TokenTurn:
    """An assistant's turn in tokens: header_start..start supplied, start..text_stop said, stop..stop_end its stop."""

    message: int
    header_start: int
    start: int
    text_start: int
    text_stop: int
    stop: int
    stop_end: int
    end: int
    shared: bool = False
    blank: bool = False
    calls: bool = False
    cut: bool = False
    """The row ends before the turn does."""
    merged_start: bool = False
    """Its first token also holds characters of the header."""

    @property
    def stops(self) -> bool:
        return self.stop_end > self.stop

    def moved(self, by: int) -> "TokenTurn":
        return replace(
            self,
            header_start=self.header_start + by,
            start=self.start + by,
            text_start=self.text_start + by,
            text_stop=self.text_stop + by,
            stop=self.stop + by,
            stop_end=self.stop_end + by,
            end=self.end + by,
        )


@dataclass(frozen=True, slots=True)
class Owned:
    """The tokens of a row with their owners. `parts` has one code for each token."""

    ids: list[int]
    parts: bytes
    turns: tuple[TokenTurn, ...]
    merges: tuple[int, ...] = ()
    """Tokens over two owners, of which one is the assistant."""
    speakers: Spans = ()
    """Each text that is not the assistant's."""
    known: bool = True
    """False: no oracle says whose these are."""
    marked: Spans = ()
    """Texts that hold control tokens of their own."""
    wanted: Spans = ()
    """Parts of answers that the messages' own details have trained."""
    unwanted: Spans = ()
    """And those that they have ignored."""
    conversations: tuple[int, ...] = ()
    """Where each conversation of a packed row begins, if several were recognised."""

    @property
    def spans(self) -> tuple[Spans, ...]:
        """All that have tokens of a message's; whoever cuts or moves the row cuts and moves them."""
        return self.speakers, self.marked, self.wanted, self.unwanted

    def with_spans(self, *spans: Spans) -> "Owned":
        """In the order of `spans`."""
        speakers, marked, wanted, unwanted = spans
        return replace(self, speakers=speakers, marked=marked, wanted=wanted, unwanted=unwanted)


class Ruler:
    """Finds tokens by characters."""

    def __init__(self, offsets: Offsets):
        self.offsets = offsets

    def first(self, char: int) -> int:
        """The first token that ends behind a character's begin."""
        offsets = self.offsets
        place = bisect_right(offsets, (char, END)) - 1
        if place < 0 or offsets[place][1] <= char:
            return place + 1
        while place and offsets[place - 1][1] > char:
            place -= 1
        return place

    def behind(self, char: int) -> int:
        """One past the last token that begins before a character."""
        return bisect_left(self.offsets, (char,))

    def splits(self, char: int) -> int | None:
        """The token that holds characters on both sides of a border."""
        place = self.first(char)
        return place if place < len(self.offsets) and self.offsets[place][0] < char else None


def own_tokens(structure: Structure, ids: list[int], offsets: Offsets) -> Owned:
    """`offsets`: of each token, the characters of the structure's text that it stands for."""
    if structure.abstains:
        return Owned(ids, bytes(len(ids)), (), known=False)
    ruler, parts = Ruler(offsets), bytearray(len(ids))
    texts = structure.placed
    answering = {answer.message for answer in structure.answers}
    speakers = []
    for one in texts:
        if one.leaf.message not in answering and one.stop > one.start:
            start, stop = ruler.first(one.start), ruler.behind(one.stop)
            parts[start:stop] = bytes((CONTEXT,)) * (stop - start)
            speakers.append((start, stop, one.leaf.message))
    for answer in structure.answers:
        _paint_answer(parts, ruler, answer, structure.text)
    for one in texts:
        if one.leaf.message in answering and one.leaf.kind != "content":
            start, stop = ruler.first(one.start), ruler.behind(one.stop)
            code = REASONING if one.leaf.kind == "reasoning" else CALL
            parts[start:stop] = bytes((code,)) * (stop - start)
    turns = tuple(_turn(ruler, answer) for answer in structure.answers)
    merges = {place for answer in structure.answers for place in _merges(ruler, answer)}
    return Owned(ids, bytes(parts), turns, tuple(sorted(merges)), tuple(speakers))


def _paint_answer(parts: bytearray, ruler: Ruler, answer: Answer, text: str) -> None:
    inner = CALL if answer.calls else INJECTED
    blank = BLANK.match(text, answer.stop_end, answer.end)
    separator = blank.end() if blank and answer.stops else answer.stop_end
    for start, stop, code in (
        (answer.header_start, answer.start, SUPPLIED),
        (answer.stop_end, separator, SEPARATOR),
        (answer.start, answer.text_start, INJECTED),
        (answer.text_stop, answer.stop_start, inner),
        (answer.text_start, answer.text_stop, CALL if answer.calls else ANSWER),
        (answer.stop_start, answer.stop_end, STOP),
    ):
        if stop > start:
            first, behind = ruler.first(start), ruler.behind(stop)
            parts[first:behind] = bytes((code,)) * (behind - first)


def _turn(ruler: Ruler, answer: Answer) -> TokenTurn:
    start, stop = ruler.first(answer.start), ruler.first(answer.stop_start)
    stop_end = ruler.behind(answer.stop_end) if answer.stops else stop
    text_stop = (
        ruler.behind(answer.text_stop) if answer.text_stop > answer.text_start else ruler.first(answer.text_stop)
    )
    return TokenTurn(
        answer.message,
        ruler.first(answer.header_start),
        start,
        ruler.first(answer.text_start),
        text_stop,
        stop,
        stop_end,
        max(ruler.behind(answer.end), stop_end),
        answer.shared,
        answer.blank,
        answer.calls,
        merged_start=ruler.splits(answer.start) is not None,
    )


def _merges(ruler: Ruler, answer: Answer) -> list[int]:
    """A token over the header and the answer, or over the answer and its stop."""
    borders = [answer.start, *([answer.stop_start, answer.stop_end] if answer.stops else [])]
    found = (ruler.splits(char) for char in borders)
    return [place for place in found if place is not None]


def paint_ends(owned: Owned, bos: int | None, ends: frozenset[int]) -> Owned:
    """The begin of the text and further ends behind the last stop, told apart from headers."""
    parts = bytearray(owned.parts)
    if owned.ids and owned.ids[0] == bos and parts[0] == HEADER:
        parts[0] = BOS
    place = len(parts) - 1
    while place >= 0 and parts[place] in (HEADER, SEPARATOR) and owned.turns and place >= owned.turns[-1].stop_end:
        if parts[place] == HEADER and owned.ids[place] in ends:
            parts[place] = EXTRA_END
        place -= 1
    return replace(owned, parts=bytes(parts))
