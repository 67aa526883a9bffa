"""One row, token by token, as a page shows it: text, owner, trained or not, right or not, and what each oracle says.

In: a prepared inspection and a row's number. Out: ShownRow, plain values.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise, takewhile

from model.inspector.conversations import Conversation
from model.inspector.dump_inspection import DumpInspector
from model.inspector.dumps import DumpRow
from model.inspector.formats import PlainText
from model.inspector.inspection import Inspector, Rendered
from model.inspector.intents import declared_turns, right_mask
from model.inspector.labelled import LabelledRow
from model.inspector.markers import read_by_markers
from model.inspector.oracles import read_prefixes, tagged_mask
from model.inspector.owners import SEPARATOR, STOP, Owned, Ruler
from model.inspector.partial import Partial
from model.inspector.session import DataRow, Prepared
from model.inspector.shown import Lane, Lost, ShownMessage, ShownRow

MOST_SHOWN = 12_000
"""Tokens of one row that are shown."""
LONGEST_TOKEN = 200
"""Characters of one token that are shown."""
LANES = {
    "labels": "the labels given",
    "O1": "the structure of two renders",
    "O2": "prefixes of the conversation",
    "O3": "generation tags of the template",
    "O4": "a search for header and stop",
}
"""What each lane is called, as a page shows them."""


def show_row(prepared: Prepared, number: int) -> ShownRow | None:
    """The number-th row from 0, or the last there is; None if it has no tokens."""
    inspector = prepared.inspector
    if prepared.dump is None:
        rows = prepared.data or []
        return _show_data(inspector, *rows[min(number, len(rows) - 1)]) if rows else None
    against = iter(prepared.data) if prepared.data is not None else None
    last = min(number, len(prepared.dump) - 1)
    dumped = list(DumpInspector(inspector).labelled(prepared.dump[: last + 1], against))
    return _show_labelled(inspector, dumped[-1]) if dumped else None


def shown_rows(
    inspector: Inspector,
    numbers: Collection[int],
    data: Iterator[DataRow] | None,
    dump: Iterator[tuple[int, DumpRow]] | None,
) -> Iterator[ShownRow]:
    """Those of a file, in its order; it is read as far as the last of them. A row without tokens is left out."""
    last = max(numbers, default=-1)
    if dump is not None:
        for labelled in DumpInspector(inspector).labelled(takewhile(lambda one: one[0] <= last, dump), data):
            if labelled.number in numbers:
                yield _show_labelled(inspector, labelled)
    elif data is not None:
        for number, row in takewhile(lambda one: one[0] <= last, data):
            if number in numbers and (shown := _show_data(inspector, number, row)) is not None:
                yield shown


def _show_data(inspector: Inspector, number: int, row: Conversation | PlainText) -> ShownRow | None:
    made = inspector.rendered(number, row, [], Partial())
    if made is None or not made.owned.ids:
        return None
    conversation = row if isinstance(row, Conversation) else None
    intent = inspector.intent_of(row)
    declared = declared_turns(conversation, [turn.message for turn in made.owned.turns], intent)
    mask = right_mask(made.owned, declared, intent, conversation)
    labelled = LabelledRow(number, made.owned, mask, declared, conversation, labelled=False)
    return _shown(inspector, labelled, mask, made)


def _show_labelled(inspector: Inspector, row: LabelledRow) -> ShownRow:
    intent = inspector.order.intent
    right = right_mask(row.owned, row.declared, intent, row.conversation) if row.owned.known else b""
    made = None
    if row.conversation is not None and not row.owned.conversations:
        made = inspector.rendered(row.number, row.conversation, [], Partial())
        if made is not None and row.owned.ids[: len(made.owned.ids)] != made.owned.ids:
            made = None
    return _shown(inspector, row, right, made)


def _shown(inspector: Inspector, row: LabelledRow, right: bytes, made: Rendered | None) -> ShownRow:
    ids, folder = row.owned.ids[:MOST_SHOWN], inspector.folder
    known: dict[int, str] = {one: folder.text_of(one)[:LONGEST_TOKEN] if folder else str(one) for one in set(ids)}
    control = folder.control_ids if folder else frozenset()
    return ShownRow(
        row.number,
        list(ids),
        [known[one] for one in ids],
        list(row.owned.parts[: len(ids)]),
        sorted(control & set(ids)),
        _plain(row.trained, len(ids)),
        _plain(right, len(ids)) if right else "",
        row.labelled,
        list(_messages(row, inspector.setting.stops | inspector.markers.stops, len(ids), known)),
        list(_lanes(inspector, row, right, made, len(ids))),
        [Lost(one.message, one.kind, one.text[:LONGEST_TOKEN]) for one in (made.structure.lost if made else ())],
        len(row.owned.ids),
    )


def _plain(mask: bytes, length: int) -> str:
    return mask[:length].translate(bytes((48, 49)) + bytes(254)).decode()


def _messages(row: LabelledRow, stops: frozenset[int], length: int, texts: dict[int, str]) -> Iterator[ShownMessage]:
    """Each message with its header and stop: what stands between two texts is the next one's, but for the stop."""
    spans = sorted(
        [(turn.header_start, turn.stop_end, turn.message) for turn in row.owned.turns]
        + [(start, stop, message) for start, stop, message in row.owned.speakers]
    )
    if not spans:
        yield ShownMessage(None, "", 0, length)
        return
    starts = [0]
    for (_, stop, _), (begin, _, _) in pairwise(spans):
        starts.append(min(_behind_stop(row.owned, stop, begin, stops, texts), length))
    for place, (_, _, message) in enumerate(spans):
        stop = starts[place + 1] if place + 1 < len(starts) else length
        if stop > starts[place]:
            yield ShownMessage(message, _role(row, message), starts[place], stop)


def _behind_stop(owned: Owned, stop: int, begin: int, stops: frozenset[int], texts: dict[int, str]) -> int:
    def behind_blanks(at: int) -> int:
        while at < begin and (owned.parts[at] == SEPARATOR or not texts.get(owned.ids[at], "x").strip()):
            at += 1
        return at

    at = behind_blanks(stop)
    if at < begin and owned.ids[at] in stops and owned.parts[at] != STOP:
        at = behind_blanks(at + 1)
    return at


def _role(row: LabelledRow, message: int) -> str:
    if row.conversation is not None and message < len(row.conversation.turns):
        return row.conversation.turns[message].name
    return "assistant" if any(turn.message == message for turn in row.owned.turns) else "other"


def _lanes(inspector: Inspector, row: LabelledRow, right: bytes, made: Rendered | None, length: int) -> Iterator[Lane]:
    if row.labelled:
        yield _lane("labels", _plain(row.trained, length))
    yield _lane("O1", _plain(right, length), "" if right else "it cannot tell this row")
    if inspector.reader is None or made is None or row.conversation is None:
        for slug in ("O2", "O3"):
            yield _lane(slug, "", "there is no render of this row alone")
    else:
        found = read_prefixes(inspector.reader, row.conversation, made.structure, inspector.order.serving, row.number)
        ruler = Ruler(made.offsets)
        spans = [(ruler.first(start), ruler.behind(stop)) for at, start, stop in found.spans if at in row.declared]
        yield _lane("O2", _painted(spans, length) if spans else "", found.abstains)
        tagged = made.structure.tagged
        mask = _plain(tagged_mask(made.structure, made.offsets, len(row.owned.ids)), length) if tagged else ""
        yield _lane("O3", mask, "" if tagged else "the template has none")
    if inspector.markers.known:
        turns = read_by_markers(row.owned.ids, inspector.markers).turns
        if inspector.order.intent.turns in ("last-assistant", "completion"):
            turns = turns[-1:]
        yield _lane("O4", _painted([(turn.start, turn.stop_end) for turn in turns], length))
    else:
        yield _lane("O4", "", "no marker is known")


def _lane(slug: str, mask: str, why: str = "") -> Lane:
    return Lane(slug, LANES[slug], mask, why)


def _painted(spans: Sequence[tuple[int, int]], length: int) -> str:
    mask = bytearray(length)
    for start, stop in spans:
        mask[start : min(stop, length)] = b"\1" * max(min(stop, length) - start, 0)
    return _plain(bytes(mask), length)
