"""Oracle O1: whose every character of a rendered conversation is, from two renders of it. Knows no token ids.

In: a template, a conversation, what the server's generation prompt is, what ends an answer. Out: Structure, or why not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any

from model.inspector.conversations import Conversation, text_of_content
from model.inspector.leaves import Leaf, Placed, Replacement, put_back, tags_of
from model.inspector.refusals import TemplateRefused
from model.inspector.templates import ChatTemplate, Spans

LONGEST_PIECE = 2_000
"""Of the text before an answer, in characters, in which its header is looked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An assistant's message in the render, in characters.

    header_start..start is what the server supplies, start..text_stop what the assistant says, stop_start..stop_end its
    stop, which may be nothing, and may be `shared` with the next header.
    """

    message: int
    header_start: int
    start: int
    text_start: int
    """Its first leaf; what stands before that, from `start` on, the template injects."""
    text_stop: int
    stop_start: int
    stop_end: int
    shared: bool
    end: int
    """Where the next text begins."""
    blank: bool
    calls: bool

    @property
    def stops(self) -> bool:
        return self.stop_end > self.stop_start


@dataclass(frozen=True, slots=True)
class Structure:
    text: str
    placed: tuple[Placed, ...]
    answers: tuple[Answer, ...]
    lost: tuple[Leaf, ...]
    """Leaves that do not stand in the render."""
    tagged: Spans = ()
    """What generation tags mark."""
    abstains: str = ""
    """Why O1 says nothing of this row: then there are no placed leaves and no answers."""


@dataclass(frozen=True)
class Endings:
    """What ends an answer in this template: its own stops first, then whatever controls."""

    stops: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    """Stops that open the next turn as well."""
    stop_pattern: re.Pattern[str] | None = field(init=False, compare=False)
    control_pattern: re.Pattern[str] | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop_pattern", any_of(self.stops))
        object.__setattr__(self, "control_pattern", any_of(self.control))

    def first(self, text: str) -> tuple[int, int] | None:
        for pattern in (self.stop_pattern, self.control_pattern):
            if pattern and (found := pattern.search(text)):
                return found.span()
        return None


def any_of(texts: Sequence[str]) -> re.Pattern[str] | None:
    longest_first = sorted({text for text in texts if text}, key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


class StructureReader:
    """Reads the structure of rows under one template. Headers and stops once found are remembered."""

    def __init__(self, template: ChatTemplate, special: Mapping[str, str]):
        self.template = template
        self.special = special
        self.endings = Endings()
        self._tags = tags_of(template.source)
        self._headers: dict[tuple[str, str], tuple[int, int]] = {}
        self._stops: dict[str, tuple[int, int] | None] = {}

    def use_endings(self, endings: Endings) -> None:
        self.endings = endings
        self._stops = {}

    def arguments(self, conversation: Conversation, serving: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.special, **serving, **conversation.arguments}

    def render(self, conversation: Conversation, serving: Mapping[str, Any], generation_prompt: bool = False) -> str:
        return self.template.render(
            conversation.messages,
            tools=conversation.tools,
            arguments=self.arguments(conversation, serving),
            generation_prompt=generation_prompt,
        )

    def read(self, conversation: Conversation, serving: Mapping[str, Any], generation_prompt: str) -> Structure:
        """Raises TemplateRefused or LimitHit if the row itself cannot be rendered."""
        arguments = self.arguments(conversation, serving)
        text, tagged = self.template.render_tagged(conversation.messages, tools=conversation.tools, arguments=arguments)
        why = ""
        for blanks, calls in ((True, True), (False, True), (False, False)):
            replaced = Replacement(conversation, self._tags, blanks=blanks, calls=calls)
            try:
                worded = self.template.render(replaced.messages, tools=conversation.tools, arguments=arguments)
            except TemplateRefused as error:
                why = why or f"with other texts the template refuses: {error.message}"
                continue
            placed = put_back(text, worded, replaced.leaves)
            if not isinstance(placed, str):
                there = {id(one.leaf) for one in placed}
                lost = [leaf for leaf in replaced.leaves if id(leaf) not in there]
                placed = joined_pieces(text, placed, conversation)
                return self._structure(conversation, text, placed, lost, tagged, generation_prompt)
            why = why or placed
        return Structure(text, (), (), (), tagged, why)

    def _structure(
        self,
        conversation: Conversation,
        text: str,
        placed: list[Placed],
        lost: list[Leaf],
        tagged: Spans,
        generation_prompt: str,
    ) -> Structure:
        lost = [leaf for leaf in lost if not _same_thought_elsewhere(leaf, placed)]
        by_message: dict[int, list[int]] = {}
        for number, one in enumerate(placed):
            by_message.setdefault(one.leaf.message, []).append(number)
        answers = tuple(
            self._answer(text, placed, by_message[message], generation_prompt)
            for message in conversation.answers()
            if message in by_message
        )
        return Structure(text, tuple(placed), answers, tuple(lost), tagged)

    def _answer(self, text: str, placed: list[Placed], mine: list[int], generation_prompt: str) -> Answer:
        first, last = placed[mine[0]], placed[mine[-1]]
        before = placed[mine[0] - 1].stop if mine[0] else 0
        after = placed[mine[-1] + 1].start if mine[-1] + 1 < len(placed) else len(text)
        header_start, start = self._header(text[before : first.start], generation_prompt)
        behind = text[last.stop : after]
        found = self._stop(behind)
        stop_start, stop_end = (last.stop + found[0], last.stop + found[1]) if found else (last.stop, last.stop)
        kinds = {placed[number].leaf.kind for number in mine}
        return Answer(
            last.leaf.message,
            before + header_start,
            before + start,
            first.start,
            last.stop,
            stop_start,
            stop_end,
            bool(found) and text[stop_start:stop_end] in self.endings.shared,
            after,
            blank=all(not placed[number].leaf.text for number in mine),
            calls="call" in kinds,
        )

    def _header(self, piece: str, generation_prompt: str) -> tuple[int, int]:
        """Where in the piece before an answer its header lies."""
        key = piece, generation_prompt
        if key not in self._headers:
            if len(self._headers) > 4_096:
                self._headers = {}
            self._headers[key] = header_in(piece, generation_prompt)
        return self._headers[key]

    def _stop(self, piece: str) -> tuple[int, int] | None:
        if piece not in self._stops:
            if len(self._stops) > 4_096:
                self._stops = {}
            self._stops[piece] = self.endings.first(piece)
        return self._stops[piece]


def joined_pieces(text: str, placed: list[Placed], conversation: Conversation) -> list[Placed]:
    """Pieces of one content, with the tags between them, as one text again, where it stands in the render as it is.

    An answer that thinks keeps its pieces: which of them are thoughts is known by them.
    """
    pieces: dict[int, list[Placed]] = {}
    for one in placed:
        if one.leaf.field == "content":
            pieces.setdefault(one.leaf.message, []).append(one)
    whole: dict[int, Placed] = {}
    for message, mine in pieces.items():
        content = text_of_content(conversation.messages[message].get("content")).strip()
        if len(mine) == 1 and len(mine[0].leaf.text) == len(content):
            continue
        if any(one.leaf.kind != "content" for one in mine):
            continue
        start = text.find(content, max(mine[0].start - len(content), 0))
        if 0 <= start <= mine[0].start and start + len(content) >= mine[-1].stop:
            whole[message] = Placed(start, start + len(content), replace(mine[0].leaf, text=content))
    if not whole:
        return placed
    joined = []
    for one in placed:
        if one.leaf.field != "content" or one.leaf.message not in whole:
            joined.append(one)
        elif one is pieces[one.leaf.message][0]:
            joined.append(whole[one.leaf.message])
    return joined


def header_in(piece: str, generation_prompt: str) -> tuple[int, int]:
    """Start and end of the header; the end is the piece's where there is no generation prompt to tell it by."""
    if not generation_prompt.strip():
        return len(piece), len(piece)
    skipped = max(len(piece) - LONGEST_PIECE, 0)
    backwards = SequenceMatcher(None, piece[skipped:][::-1], generation_prompt[::-1], autojunk=False)
    run = backwards.find_longest_match()
    if not run.size or not piece[len(piece) - run.a - run.size : len(piece) - run.a].strip():
        return len(piece), len(piece)
    return len(piece) - run.a - run.size, len(piece) - run.a


def _same_thought_elsewhere(leaf: Leaf, placed: Sequence[Placed]) -> bool:
    """A thought given under two names stands in the render once."""
    return any(
        one.leaf.message == leaf.message and one.leaf.field != leaf.field and one.leaf.text == leaf.text
        for one in placed
    )
