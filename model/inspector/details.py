"""Which tokens of an answer its own details ask for: ranges of characters of the content, each trained or not.

What no range names is left open: trainers differ on it.
"""

from collections.abc import Iterator

from model.inspector.conversations import Conversation, text_of_content
from model.inspector.labelled import LabelledRow, Place, Setting, place, they
from model.inspector.owners import ANSWER, Offsets, Ruler, Spans
from model.inspector.structure import Structure


def detail_spans(conversation: Conversation, structure: Structure, offsets: Offsets) -> tuple[Spans, Spans]:
    """What is to be trained, and what is not. Only tokens whose text lies in one range."""
    found: dict[bool, list[tuple[int, int, int]]] = {True: [], False: []}
    seen: dict[int, int] = {}
    for one in structure.placed:
        message, text = one.leaf.message, one.leaf.text
        details = conversation.turns[message].details
        if not details or one.leaf.field != "content" or one.stop - one.start != len(text):
            continue
        at = text_of_content(conversation.messages[message].get("content")).find(text, seen.get(message, 0))
        if at < 0:
            continue
        seen[message] = at + len(text)
        for begin, end, trained in details:
            start, stop = max(begin - at, 0) + one.start, min(end + 1 - at, len(text)) + one.start
            if start < stop:
                tokens = _within(structure.text, offsets, start, stop)
                found[trained] += [(*tokens, message)] if tokens[0] < tokens[1] else []
    return tuple(found[True]), tuple(found[False])


def _within(text: str, offsets: Offsets, start: int, stop: int) -> tuple[int, int]:
    """Tokens of which nothing but white space lies outside of these characters."""
    ruler = Ruler(offsets)
    first, behind = ruler.first(start), ruler.behind(stop)
    if first < behind and text[offsets[first][0] : start].strip():
        first += 1
    if first < behind and text[stop : offsets[behind - 1][1]].strip():
        behind -= 1
    return first, behind


def detail_ignored(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M36, of a part of an answer."""
    trained_turns = {turn.message for turn in row.declared_turns() if row.trains(turn)}
    for spans, wanted in ((row.owned.wanted, True), (row.owned.unwanted, False)):
        for start, stop, message in spans:
            wrong = [at for at in range(max(start, 1), stop) if bool(row.trained[at]) is not wanted]
            if not wrong or message not in trained_turns:
                continue
            key = row.conversation.turns[message].details_key if row.conversation else "train_detail"
            asked, label = ("trained", "no label") if wanted else ("ignored", "a label")
            says = f"The message's own `{key}` says that a part of the answer is {asked}, but "
            says += f"{they(len(wrong), 'token', 'of it has', 'of it have')} {label}."
            yield place("M36", "error", says, row, wrong, message)


def left_open(row: LabelledRow, at: int) -> bool:
    """A token of an answer with details: they are held to `detail_ignored` alone."""
    detailed = {message for _, _, message in (*row.owned.wanted, *row.owned.unwanted)}
    return row.owned.parts[at] == ANSWER and any(
        turn.message in detailed and turn.start <= at < turn.stop_end for turn in row.turns()
    )
