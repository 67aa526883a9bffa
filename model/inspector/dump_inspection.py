"""Rows of a dump judged: labels put back on their tokens, owners carried over from the data or found by markers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from model.inspector.conventions import targets_of
from model.inspector.conversations import Conversation
from model.inspector.dumps import DumpRow
from model.inspector.formats import PlainText
from model.inspector.inspection import Inspector
from model.inspector.intents import Turns, declared_turns, f_score, right_mask
from model.inspector.labelled import LabelledRow, Place
from model.inspector.markers import read_by_markers
from model.inspector.owners import Owned
from model.inspector.pairing import Fresh, pair
from model.inspector.partial import Partial
from model.inspector.row_rules import check_row


class DumpInspector:
    """Judges a dump with what an inspector knows of template and tokenizer."""

    def __init__(self, inspector: Inspector):
        self.inspector = inspector

    def inspect_dump(
        self,
        dump: Iterable[tuple[int, DumpRow]],
        against: Iterator[tuple[int, Conversation | PlainText]] | None = None,
    ) -> Partial:
        """`against`: the data that the dump was made of, in its order; rows packed together are taken in turn."""
        partial = Partial()
        waiting = Waiting(self.inspector, against, partial)
        for number, row in dump:
            partial.rows += 1
            for labelled, places in self._labelled(number, row, waiting):
                partial.add_tokens(labelled)
                partial.add([*places, *check_row(labelled, self.inspector.setting)])
        return partial

    def labelled(
        self,
        dump: Iterable[tuple[int, DumpRow]],
        against: Iterator[tuple[int, Conversation | PlainText]] | None = None,
    ) -> Iterator[LabelledRow]:
        """The rows with owners and labels, unjudged."""
        waiting = Waiting(self.inspector, against, Partial())
        for number, row in dump:
            yield from (one for one, _ in self._labelled(number, row, waiting))

    def intent_scores(
        self,
        dump: Iterable[tuple[int, DumpRow]],
        against: Iterator[tuple[int, Conversation | PlainText]] | None,
        turns: Sequence[Turns],
    ) -> dict[str, float]:
        """F1 of each intent's right mask against the labels."""
        waiting, counts = Waiting(self.inspector, against, Partial()), {name: [0, 0, 0] for name in turns}
        for number, row in dump:
            for labelled, _ in self._labelled(number, row, waiting):
                for name in turns:
                    messages = [turn.message for turn in labelled.owned.turns]
                    intent = replace(self.inspector.order.intent, turns=name)
                    declared = declared_turns(labelled.conversation, messages, intent)
                    right = right_mask(labelled.owned, declared, intent, labelled.conversation)
                    counts[name] = [a + b for a, b in zip(counts[name], f_score(right, labelled.trained), strict=True)]
        return {name: 2 * a / max(2 * a + b + c, 1) for name, (a, b, c) in counts.items()}

    def _labelled(self, number: int, dump: DumpRow, waiting: "Waiting") -> Iterator[tuple[LabelledRow, list[Place]]]:
        ids, trained, other, places = self._targets(number, dump)
        foreign = tuple(at for at in other if dump.labels is not None and _label_at(dump, at, self._shift) < 0)
        row = LabelledRow(
            number,
            Owned(ids, bytes(len(ids)), (), known=False),
            trained,
            mislabelled=tuple(at for at in other if at not in foreign),
            foreign=foreign,
            attended=dump.attended,
            segments=dump.segments,
            positions=dump.positions,
            full_length=self.inspector.order.survey.is_full(len(dump.ids)),
            mask_name=dump.mask_name,
        )
        if waiting.given:
            yield self._paired(row, dump, waiting, places)
        else:
            owned = (
                read_by_markers(ids, self.inspector.markers, dump.attended)
                if self.inspector.markers.headers
                else row.owned
            )
            owned = replace(owned, known=bool(owned.turns))
            declared = declared_turns(None, [turn.message for turn in owned.turns], self.inspector.order.intent)
            yield replace(row, owned=owned, declared=declared), places

    @property
    def _shift(self) -> int:
        return self.inspector.order.convention.read_as if self.inspector.order.convention else 0

    def _targets(self, number: int, dump: DumpRow) -> tuple[list[int], bytes, list[int], list[Place]]:
        ids = list(dump.ids)
        places: list[Place] = []
        other: list[int] = []
        length = len(ids)
        for name, given in (("labels", dump.labels), ("mask", dump.weights), ("attention mask", dump.attended)):
            if given is not None and len(given) != length:
                says = f"The row has {length:,} ids and {len(given):,} values in its {name}."
                places.append(Place("M21", "error", says, number))
        trained = b"\0" + b"\1" * (length - 1) if length else b""
        if dump.labels is not None:
            ignore = self.inspector.order.convention.ignore_index if self.inspector.order.convention else -100
            ids, trained, other = targets_of(ids, dump.labels, self._shift, ignore)
        if dump.weights is not None:
            mask = bytes(int(weight > 0) for weight in dump.weights[:length]) + bytes(
                len(ids) - len(dump.weights[:length])
            )
            trained = bytes(a & b for a, b in zip(trained, b"\0" + mask[1:], strict=True))
        return ids, trained, other, places

    def _paired(
        self, row: LabelledRow, dump: DumpRow, waiting: "Waiting", places: list[Place]
    ) -> tuple[LabelledRow, list[Place]]:
        found = pair(
            dump,
            row.owned.ids,
            waiting.peek,
            self.inspector.markers.pad,
            self.inspector.setting.stops | self.inspector.markers.stops,
        )
        rows = waiting.take(max(len(found.used), 1), places, 1 in row.trained)
        conversation = rows[0] if len(rows) == 1 else _joined(rows)
        if found.differs_at is not None or not found.used:
            owned = read_by_markers(row.owned.ids, self.inspector.markers, dump.attended)
            owned = replace(owned, known=bool(owned.turns))
            if not row.is_all_pads(self.inspector.markers.pad) and waiting.rendered:
                at = found.differs_at or 0
                says = f"The dumped ids are not those of a fresh render: they differ from token {at} on."
                places.append(Place("M30", "warning", says, row.number, None, (at,)))
            declared = declared_turns(None, [turn.message for turn in owned.turns], self.inspector.order.intent)
            return replace(row, owned=owned, declared=declared), places
        declared = frozenset()
        for fresh, one in zip(found.used, rows, strict=True):
            mine = [turn.message for turn in fresh.owned.turns]
            part = one if isinstance(one, Conversation) else None
            intent = self.inspector.intent_of(one)
            declared |= {at + fresh.message_base for at in declared_turns(part, mine, intent)}
        plain = conversation if isinstance(conversation, Conversation) else None
        full = replace(row, owned=found.owned, declared=declared, conversation=plain, cut_from=found.cut_from)
        return full, places


def _label_at(dump: DumpRow, token: int, shift: int) -> int:
    assert dump.labels is not None
    return dump.labels[token - shift] if 0 <= token - shift < len(dump.labels) else 0


def _joined(rows: Sequence[Conversation | PlainText]) -> Conversation | None:
    """Packed conversations as one, messages numbered on."""
    if not rows or not all(isinstance(row, Conversation) for row in rows):
        return None
    conversations = [row for row in rows if isinstance(row, Conversation)]
    return Conversation(
        [message for one in conversations for message in one.messages],
        tuple(turn for one in conversations for turn in one.turns),
    )


class Waiting:
    """Rows of the data that no row of the dump has used yet, rendered when they are looked at."""

    def __init__(
        self, inspector: Inspector, rows: Iterator[tuple[int, Conversation | PlainText]] | None, partial: Partial
    ):
        self.given = rows is not None
        self.rendered = False
        self._inspector, self._partial = inspector, partial
        self._rows = rows if rows is not None else iter(())
        self._ready: list[tuple[int, Conversation | PlainText, Fresh | None, list[Place]]] = []

    def peek(self, place: int) -> Fresh | None:
        while len(self._ready) <= place:
            following = next(self._rows, None)
            if following is None:
                return None
            self._ready.append(self._render(*following))
        return self._ready[place][2]

    def _render(
        self, number: int, row: Conversation | PlainText
    ) -> tuple[int, Conversation | PlainText, Fresh | None, list[Place]]:
        found: list[Place] = []
        rendered = self._inspector.rendered(number, row, found, self._partial)
        if rendered is None or not rendered.owned.ids:
            return number, row, None, found
        self.rendered = True
        if isinstance(row, Conversation) and rendered.owned.known:
            whole = LabelledRow(
                number, rendered.owned, bytes(len(rendered.owned.ids)), conversation=row, labelled=False
            )
            found += [
                one for one in self._inspector.shape_places(number, row, rendered, whole) if one.rule in ("M17", "M18")
            ]
        return number, row, Fresh(number, rendered.owned), found

    def take(self, count: int, places: list[Place], trained: bool) -> list[Conversation | PlainText]:
        """The first rows, used now; what is wrong with their messages is added to `places`."""
        self.peek(count - 1)
        used, self._ready = self._ready[:count], self._ready[count:]
        for number, row, _, found in used:
            places += [*self._inspector.message_places(number, row, trained), *found]
        return [row for _, row, _, _ in used]
