"""The inspector: rows of data, or rows of a dump, in; what is wrong with them out, as partial results that merge.

One Inspector holds a template, a tokenizer and an intent. It is made where templates may be rendered: in a worker.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from model.inspector.contract import PLAIN_PROBES, StopContract, generation_prompt_of, read_contract, shape_of
from model.inspector.conventions import Convention
from model.inspector.conversations import Conversation, text_of_content
from model.inspector.details import detail_spans
from model.inspector.dumps import DumpRow
from model.inspector.folders import TokenizerFolder
from model.inspector.formats import PlainText
from model.inspector.intents import Intent, declared_turns, right_mask
from model.inspector.labelled import LabelledRow, Place, Setting
from model.inspector.markers import Markers, markers_by_name
from model.inspector.message_rules import escaped_arguments, lost_content, role_problems, value_problems
from model.inspector.oracles import learn_markers, marker_places, read_prefixes, tag_places, tagged_mask
from model.inspector.owners import ANSWER, CONTEXT, Offsets, Owned, Ruler, TokenTurn, own_tokens, paint_ends
from model.inspector.pairing import Fresh, pair
from model.inspector.partial import Partial
from model.inspector.refusals import LimitHit, TemplateRefused, UnreadableInput
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
        """A dump that is padded with a stop has that for its pad, whatever the tokenizer calls its own."""
        markers, tails = self._own_markers(), self.order.survey.tails
        in_use = tails.most_common(1)[0][0] if tails else None
        return replace(markers, pad=in_use) if in_use in markers.stops else markers

    def _own_markers(self) -> Markers:
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
        said = (one for one in self.contract.transitions if one.name in PLAIN_PROBES and not one.shared)
        ends = {one.stop_ids[0] for one in said if len(one.stop_ids) == 1}
        if folder and (eos := folder.special_id("eos_token")) is not None:
            ends.add(eos)
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
        found = self.message_places(number, row, trained=False)
        made = self.rendered(number, row, found, partial)
        if made is None:
            return found
        conversation = row if isinstance(row, Conversation) else None
        intent = self.intent_of(row)
        declared = declared_turns(conversation, [turn.message for turn in made.owned.turns], intent)
        owned, cut_from = made.owned, None
        if self.order.max_length is not None and len(owned.ids) > self.order.max_length:
            cut_from, owned = len(owned.ids), _cut_owned(owned, self.order.max_length)
        right = right_mask(owned, declared, intent, conversation)
        labelled = LabelledRow(number, owned, right, declared, conversation, cut_from=cut_from, labelled=False)
        partial.add_tokens(labelled)
        if owned.known:
            found += check_row(labelled, replace(self.setting, intent=intent))
        if conversation is not None and owned.known and cut_from is None:
            found += self.shape_places(number, conversation, made, labelled)
        return found

    def intent_of(self, row: Conversation | PlainText) -> Intent:
        """A plain text has no turns: its completion is meant, or all of it."""
        if isinstance(row, PlainText):
            return replace(self.order.intent, turns="completion" if row.prompt_chars else "full")
        return self.order.intent

    def message_places(self, number: int, row: Conversation | PlainText, trained: bool) -> list[Place]:
        if isinstance(row, PlainText):
            return []
        keys = self.order.survey.keys_with_values
        return [*role_problems(row, number, trained), *value_problems(row, number, keys)]

    def rendered(
        self, number: int, row: Conversation | PlainText, found: list[Place], partial: Partial
    ) -> Rendered | None:
        """None if there is nothing to render with, or the row cannot be rendered, which is then found."""
        if isinstance(row, PlainText):
            return self._plain(number, row)
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
        ids, offsets = encode(self.folder, structure.text, number)
        owned = paint_ends(own_tokens(structure, ids, offsets), self.setting.bos, self.setting.stops)
        owned = replace(owned, marked=self._marked(row, structure, offsets))
        if any(turn.details for turn in row.turns):
            wanted, unwanted = detail_spans(row, structure, offsets)
            owned = replace(owned, wanted=wanted, unwanted=unwanted)
        return Rendered(structure, owned, offsets)

    def _plain(self, number: int, row: PlainText) -> Rendered | None:
        if self.folder is None:
            return None
        ids, offsets = encode(self.folder, row.text, number)
        ruler = Ruler(offsets)
        start = ruler.first(row.prompt_chars)
        stop = len(ids) - 1 if ids and ids[-1] in self.setting.stops else len(ids)
        parts = bytes((CONTEXT,)) * start + bytes((ANSWER,)) * (len(ids) - start)
        merged = ruler.splits(row.prompt_chars) if row.prompt_chars else None
        turn = TokenTurn(1, start, start, start, stop, stop, len(ids), len(ids), merged_start=merged is not None)
        speakers = ((0, start, 0),) if start else ()
        merges = () if merged is None else (merged,)
        return Rendered(Structure(row.text, (), (), ()), Owned(ids, parts, (turn,), merges, speakers), offsets)

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

    def shape_places(
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


def encode(folder: TokenizerFolder, text: str, row: int) -> tuple[list[int], Offsets]:
    """Ids, and of each the characters that it stands for. Raises UnreadableInput."""
    try:
        encoded = folder.tokenizer.encode(text, add_special_tokens=False)
    except TypeError as error:
        raise UnreadableInput(f"row {row + 1}: half of a surrogate pair is not text", param="data") from error
    return encoded.ids, encoded.offsets


def _cut_owned(owned: Owned, length: int) -> Owned:
    found = pair(
        DumpRow(owned.ids[:length], None, None, None, None, None, ""),
        owned.ids[:length],
        lambda number: Fresh(0, owned) if number == 0 else None,
        None,
        frozenset(),
    )
    return replace(found.owned, known=owned.known)
