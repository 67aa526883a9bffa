"""The inspector: rows of data, or rows of a dump, in; what is wrong with them out, as partial results that merge.

One Inspector holds a template, a tokenizer and an intent. It is made where templates may be rendered: in a worker.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from model.inspector.contract import StopContract, generation_prompt_of, read_contract, shape_of
from model.inspector.conventions import Convention, targets_of
from model.inspector.conversations import Conversation, text_of_content
from model.inspector.dumps import DumpRow
from model.inspector.folders import TokenizerFolder
from model.inspector.formats import PlainText
from model.inspector.intents import Intent, Turns, declared_turns, f_score, right_mask
from model.inspector.labelled import LabelledRow, Place, Setting
from model.inspector.markers import Markers, markers_by_name, read_by_markers
from model.inspector.message_rules import escaped_arguments, lost_content, role_problems, value_problems
from model.inspector.oracles import learn_markers, marker_places, read_prefixes, tag_places, tagged_mask
from model.inspector.owners import ANSWER, CONTEXT, Offsets, Owned, Ruler, TokenTurn, own_tokens, paint_ends
from model.inspector.pairing import Fresh, pair
from model.inspector.partial import Partial
from model.inspector.refusals import LimitHit, TemplateRefused
from model.inspector.row_rules import check_row
from model.inspector.structure import Structure, StructureReader
from model.inspector.survey import Survey
from model.inspector.template_rules import template_places
from model.inspector.templates import ChatTemplate, Message

MOST_SHAPES = 32
"""Of conversations, of which the first row is asked all oracles."""


@dataclass(frozen=True)
class Order:
    """What is inspected, and how. `survey` is of all rows, made before."""

    intent: Intent = field(default_factory=Intent)
    serving: Mapping[str, Any] = field(default_factory=dict)
    convention: Convention | None = None
    survey: Survey = field(default_factory=Survey)
    server_stops: frozenset[int] = frozenset()
    allowed_tokens: frozenset[int] = frozenset()
    max_length: int | None = None
    most_turns: int | None = None


@dataclass(frozen=True)
class Rendered:
    structure: Structure
    owned: Owned
    offsets: Offsets


def _quiet() -> None:
    """Nobody waits for a word."""


class Inspector:
    """Raises TemplateRefused or LimitHit if the template cannot be compiled."""

    def __init__(
        self,
        folder: TokenizerFolder | None,
        template: str | None,
        order: Order,
        now: datetime,
        beat: Callable[[], None] = _quiet,
    ):
        self.folder, self.order = folder, order
        self.reader: StructureReader | None = None
        self.contract = StopContract(())
        self.prompt = ""
        self._prompts: dict[str, str] = {}
        self._shapes: dict[Any, int] = {}
        if template is not None:
            self.reader = StructureReader(ChatTemplate(template, now), folder.special if folder else {})
            beat()
            self.contract = read_contract(self.reader, folder, order.serving, self._all_stops())
            beat()
            self.prompt = generation_prompt_of(self.reader, order.serving)
        self.markers = self._markers()
        self.setting = self._setting()

    def _all_stops(self) -> frozenset[int] | None:
        if self.folder is None or not (self.folder.stops or self.order.server_stops):
            return None
        return frozenset().union(self.order.server_stops, *self.folder.stops.values())

    def _markers(self) -> Markers:
        self.markers_learned = False
        if self.folder is None:
            return Markers((), frozenset())
        named = markers_by_name(self.folder)
        if self.reader is None:
            return named
        learned = learn_markers(self.reader, self.folder, self.contract, self.prompt)
        self.markers_learned = learned.known
        return replace(learned, pad=named.pad) if learned.known else named

    def _setting(self) -> Setting:
        folder = self.folder
        ends = {one.stop_ids[0] for one in self.contract.transitions if len(one.stop_ids) == 1}
        ends |= {folder.special_id("eos_token")} - {None} if folder else set()  # type: ignore[assignment]
        return Setting(
            self.order.intent,
            self.markers.pad,
            folder.special_id("bos_token") if folder else None,
            frozenset(ends) or self.markers.stops,
            folder.media if folder else frozenset(),
            folder.largest_id if folder else None,
            folder.control_ids if folder else frozenset(),
            self.order.allowed_tokens,
            {number: token.content for number, token in folder.added.items()} if folder else {},
            bool(self.order.serving),
            self.order.most_turns,
            self.reader.template.has_generation_tags if self.reader else None,
        )

    # What holds for all rows

    def template_partial(self) -> Partial:
        partial = Partial()
        if self.reader is not None:
            places = template_places(
                self.contract, self.reader, self.folder, self.order.server_stops, self.order.survey.has_calls
            )
            partial.add(places)
        return partial

    # Rows of data

    def inspect_rows(self, rows: Iterable[tuple[int, Conversation | PlainText]]) -> Partial:
        partial = Partial()
        for number, row in rows:
            partial.rows += 1
            partial.add(self._data_places(number, row, partial))
        return partial

    def _data_places(self, number: int, row: Conversation | PlainText, partial: Partial) -> list[Place]:
        found = self._message_places(number, row, trained=False)
        rendered = self._rendered(number, row, found, partial)
        if rendered is None:
            return found
        conversation = row if isinstance(row, Conversation) else None
        intent = self._intent_of(row)
        declared = declared_turns(conversation, [turn.message for turn in rendered.owned.turns], intent)
        owned, cut_from = rendered.owned, None
        if self.order.max_length is not None and len(owned.ids) > self.order.max_length:
            cut_from, owned = len(owned.ids), _cut_owned(owned, self.order.max_length)
        right = right_mask(owned, declared, intent, conversation)
        labelled = LabelledRow(number, owned, right, declared, conversation, cut_from=cut_from, labelled=False)
        partial.add_tokens(labelled)
        if owned.known:
            found += check_row(labelled, replace(self.setting, intent=intent))
        if conversation is not None and owned.known and cut_from is None:
            found += self._shape_places(number, conversation, rendered, labelled)
        return found

    def _intent_of(self, row: Conversation | PlainText) -> Intent:
        """A plain text has no turns: its completion is meant, or all of it."""
        if isinstance(row, PlainText):
            return replace(self.order.intent, turns="completion" if row.prompt_chars else "full")
        return self.order.intent

    def _message_places(self, number: int, row: Conversation | PlainText, trained: bool) -> list[Place]:
        if isinstance(row, PlainText):
            return []
        keys = self.order.survey.keys_with_values
        return [*role_problems(row, number, trained), *value_problems(row, number, keys)]

    def _rendered(
        self, number: int, row: Conversation | PlainText, found: list[Place], partial: Partial
    ) -> Rendered | None:
        """None if there is nothing to render with, or the row cannot be rendered, which is then found."""
        if isinstance(row, PlainText):
            return self._plain(row)
        if self.reader is None:
            return None
        try:
            structure = self.reader.read(row, self.order.serving, self._prompt_for(row))
        except TemplateRefused as error:
            found.append(Place("M31", "error", f"The template refuses the row: {error.message}", number))
            return None
        except LimitHit as error:
            partial.limits += 1
            found.append(Place("M31", "error", f"A limit was hit: {error.message}", number))
            return None
        if structure.abstains:
            partial.abstained[structure.abstains[:60]] += 1
        found += lost_content(row, structure, number, self.reader.template.source)
        found += escaped_arguments(row, structure, number)
        if self.folder is None:
            return Rendered(structure, Owned([], b"", (), known=False), ())
        encoded = self.folder.tokenizer.encode(structure.text, add_special_tokens=False)
        ids, offsets = encoded.ids, encoded.offsets
        owned = paint_ends(own_tokens(structure, ids, offsets), self.setting.bos, self.setting.stops)
        return Rendered(structure, replace(owned, marked=self._marked(row, structure, offsets)), offsets)

    def _plain(self, row: PlainText) -> Rendered | None:
        if self.folder is None:
            return None
        encoded = self.folder.tokenizer.encode(row.text, add_special_tokens=False)
        ids, ruler = encoded.ids, Ruler(encoded.offsets)
        start = ruler.first(row.prompt_chars)
        stop = len(ids) - 1 if ids and ids[-1] in self.setting.stops else len(ids)
        parts = bytes((CONTEXT,)) * start + bytes((ANSWER,)) * (len(ids) - start)
        merged = ruler.splits(row.prompt_chars) if row.prompt_chars else None
        turn = TokenTurn(1, start, start, start, stop, stop, len(ids), len(ids), merged_start=merged is not None)
        speakers = ((0, start, 0),) if start else ()
        merges = () if merged is None else (merged,)
        return Rendered(Structure(row.text, (), (), ()), Owned(ids, parts, (turn,), merges, speakers), encoded.offsets)

    def _prompt_for(self, row: Conversation) -> str:
        """The generation prompt depends on a row's arguments, and on whether it has tools or a system turn."""
        assert self.reader
        system = bool(row.turns) and row.turns[0].role == "system"
        key = f"{sorted(row.arguments.items(), key=str)}{bool(row.tools)}{system}"
        if key not in self._prompts:
            if len(self._prompts) > 256:
                self._prompts = {}
            self._prompts[key] = generation_prompt_of(self.reader, self.order.serving, row)
        return self._prompts[key]

    def _marked(
        self, conversation: Conversation, structure: Structure, offsets: Offsets
    ) -> tuple[tuple[int, int, int], ...]:
        """Texts of messages that hold the template's control tokens; thought tags and the like are no markers."""
        assert self.reader
        pattern = self.reader.endings.control_pattern
        if pattern is None:
            return ()
        found, ruler = [], None
        for one in structure.placed:
            hit = pattern.search(one.leaf.text) if one.stop > one.start else None
            if hit and not self._is_tag(hit[0], conversation.messages[one.leaf.message]):
                ruler = ruler or Ruler(offsets)
                found.append((ruler.first(one.start), ruler.behind(one.stop), one.leaf.message))
        return tuple(found)

    def _is_tag(self, token: str, message: Message) -> bool:
        """A tag that the text opens and closes itself."""
        text = text_of_content(message.get("content"))
        name = token.strip("</>")
        return f"<{name}>" in text and f"</{name}>" in text

    def _shape_places(
        self, number: int, conversation: Conversation, rendered: Rendered, row: LabelledRow
    ) -> Iterator[Place]:
        """The other oracles, once for each shape of conversations."""
        shape = shape_of(conversation.messages), tuple(sorted(conversation.arguments)), bool(conversation.tools)
        self._shapes[shape] = self._shapes.get(shape, 0) + 1
        if self._shapes[shape] > 1 or len(self._shapes) > MOST_SHAPES or self.reader is None:
            return
        yield from read_prefixes(self.reader, conversation, rendered.structure, self.order.serving, number).places
        if rendered.structure.tagged and row.owned.ids:
            mask = tagged_mask(rendered.structure, rendered.offsets, len(row.owned.ids))
            yield from tag_places(row, mask, self.setting)
        if row.owned.ids and row.owned.turns and self.markers_learned:
            yield from marker_places(row, self.markers, row.trained)

    # Rows of a dump

    def inspect_dump(
        self,
        dump: Iterable[tuple[int, DumpRow]],
        against: Iterator[tuple[int, Conversation | PlainText]] | None = None,
    ) -> Partial:
        """`against`: the data that the dump was made of, in its order; rows packed together are taken in turn."""
        partial = Partial()
        waiting = Waiting(self, against, partial)
        for number, row in dump:
            partial.rows += 1
            for labelled, places in self._labelled(number, row, waiting):
                partial.add_tokens(labelled)
                partial.add([*places, *check_row(labelled, self.setting)])
        return partial

    def intent_scores(
        self,
        dump: Iterable[tuple[int, DumpRow]],
        against: Iterator[tuple[int, Conversation | PlainText]] | None,
        turns: Sequence[Turns],
    ) -> dict[str, float]:
        """F1 of each intent's right mask against the labels."""
        waiting, counts = Waiting(self, against, Partial()), {name: [0, 0, 0] for name in turns}
        for number, row in dump:
            for labelled, _ in self._labelled(number, row, waiting):
                for name in turns:
                    messages = [turn.message for turn in labelled.owned.turns]
                    intent = replace(self.order.intent, turns=name)
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
            full_length=self.order.survey.is_full(len(dump.ids)),
            mask_name=dump.mask_name,
        )
        if waiting.given:
            yield self._paired(row, dump, waiting, places)
        else:
            owned = read_by_markers(ids, self.markers, dump.attended) if self.markers.headers else row.owned
            owned = replace(owned, known=bool(owned.turns))
            declared = declared_turns(None, [turn.message for turn in owned.turns], self.order.intent)
            yield replace(row, owned=owned, declared=declared), places

    @property
    def _shift(self) -> int:
        return self.order.convention.read_as if self.order.convention else 0

    def _targets(self, number: int, dump: DumpRow) -> tuple[list[int], bytes, list[int], list[Place]]:
        ids, places, other = list(dump.ids), [], []
        length = len(ids)
        for name, given in (("labels", dump.labels), ("mask", dump.weights), ("attention mask", dump.attended)):
            if given is not None and len(given) != length:
                says = f"The row has {length:,} ids and {len(given):,} values in its {name}."
                places.append(Place("M21", "error", says, number))
        trained = b"\0" + b"\1" * (length - 1) if length else b""
        if dump.labels is not None:
            ignore = self.order.convention.ignore_index if self.order.convention else -100
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
        found = pair(dump, row.owned.ids, waiting.peek, self.markers.pad, self.setting.stops | self.markers.stops)
        rows = waiting.take(max(len(found.used), 1), places, 1 in row.trained)
        conversation = rows[0] if len(rows) == 1 else _joined(rows)
        if found.differs_at is not None or not found.used:
            owned = read_by_markers(row.owned.ids, self.markers, dump.attended)
            owned = replace(owned, known=bool(owned.turns))
            if not row.is_all_pads(self.markers.pad) and waiting.rendered:
                at = found.differs_at or 0
                says = f"The dumped ids are not those of a fresh render: they differ from token {at} on."
                places.append(Place("M30", "warning", says, row.number, None, (at,)))
            declared = declared_turns(None, [turn.message for turn in owned.turns], self.order.intent)
            return replace(row, owned=owned, declared=declared), places
        declared = frozenset()
        for fresh, one in zip(found.used, rows, strict=True):
            mine = [turn.message for turn in fresh.owned.turns]
            part = one if isinstance(one, Conversation) else None
            intent = self._intent_of(one)
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


def _cut_owned(owned: Owned, length: int) -> Owned:
    found = pair(
        DumpRow(owned.ids[:length], None, None, None, None, None, ""),
        owned.ids[:length],
        lambda number: Fresh(0, owned) if number == 0 else None,
        None,
        frozenset(),
    )
    return replace(found.owned, known=owned.known)


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
        rendered = self._inspector._rendered(number, row, found, self._partial)
        if rendered is None or not rendered.owned.ids:
            return number, row, None, found
        self.rendered = True
        if isinstance(row, Conversation) and rendered.owned.known:
            whole = LabelledRow(
                number, rendered.owned, bytes(len(rendered.owned.ids)), conversation=row, labelled=False
            )
            found += [
                one for one in self._inspector._shape_places(number, row, rendered, whole) if one.rule in ("M17", "M18")
            ]
        return number, row, Fresh(number, rendered.owned), found

    def take(self, count: int, places: list[Place], trained: bool) -> list[Conversation | PlainText]:
        """The first rows, used now; what is wrong with their messages is added to `places`."""
        self.peek(count - 1)
        used, self._ready = self._ready[:count], self._ready[count:]
        for number, row, _, found in used:
            places += [*self._inspector._message_places(number, row, trained), *found]
        return [row for _, row, _, _ in used]
