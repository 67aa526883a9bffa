"""The other oracles, asked of the first row of each shape: prefixes (O2), generation tags (O3), markers (O4).

Where they and O1 disagree a trainer that uses the other way trains other tokens. Each may abstain.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from model.inspector.contract import StopContract, common_length, probe
from model.inspector.conversations import Conversation
from model.inspector.folders import TokenizerFolder
from model.inspector.labelled import LabelledRow, Place, Setting, plural
from model.inspector.leaves import TAGS
from model.inspector.markers import Markers, read_by_markers
from model.inspector.owners import Offsets, Ruler
from model.inspector.refusals import TemplateRefused
from model.inspector.row_rules import check_row
from model.inspector.structure import Structure, StructureReader

MOST_ANSWERS = 8
"""Of one row, that are asked by prefixes: each costs two renders."""


@dataclass(frozen=True)
class Prefixes:
    """What prefixes of a conversation render to. `spans`: (message, start, stop) in characters, where O2 is valid."""

    places: tuple[Place, ...]
    spans: tuple[tuple[int, int, int], ...]
    abstains: str = ""


def read_prefixes(
    reader: StructureReader, conversation: Conversation, structure: Structure, serving: Mapping[str, Any], row: int
) -> Prefixes:
    """O2, with what it says of the template: M17 and M18."""
    answers = conversation.answers()
    if len(answers) > MOST_ANSWERS:
        answers = [*answers[: MOST_ANSWERS // 2], *answers[-MOST_ANSWERS // 2 :]]
    text, abstains = structure.text, ""
    places: dict[str, Place] = {}
    spans: list[tuple[int, int, int]] = []
    for at in answers:
        before = replace(conversation, messages=conversation.messages[:at], turns=conversation.turns[:at])
        upto = replace(conversation, messages=conversation.messages[: at + 1], turns=conversation.turns[: at + 1])
        try:
            plain = reader.render(before, serving) if at else ""
            prompt = reader.render(before, serving, generation_prompt=True) if at else ""
            whole = reader.render(upto, serving)
        except TemplateRefused:
            continue
        if at and (place := _rewritten(reader, whole, text, row, at)):
            places.setdefault(place.rule + place.severity, place)
            abstains = abstains or place.says
        if at and not text.startswith(prompt) and (place := _served_otherwise(reader, plain, prompt, whole, row, at)):
            places.setdefault(place.rule, place)
            abstains = abstains or place.says
        if at and text.startswith(prompt) and text.startswith(whole):
            spans.append((at, len(prompt), len(whole)))
    return Prefixes(tuple(places.values()), tuple(spans), abstains)


def _rewritten(reader: StructureReader, prefix: str, text: str, row: int, at: int) -> Place | None:
    """M17: the render up to an answer is no prefix of the whole."""
    if text.startswith(prefix):
        return None
    common = _token_start(reader, prefix, common_length(prefix, text))
    rest = prefix[common:]
    stripped = reader.endings.control_pattern.sub("", rest) if reader.endings.control_pattern else rest
    only_end = not stripped.strip() and common >= len(prefix.rstrip()) - len(rest)
    shown, instead = _shown(rest), _shown(text[common:])
    says = f"Rendered up to this answer, the row has {shown} where the whole row has {instead}."
    return Place("M17", "info" if only_end else "warning", says, row, at)


def _token_start(reader: StructureReader, text: str, place: int) -> int:
    """The place, or the begin of the control token that it lies in."""
    near = max(place - 64, 0)
    patterns = (TAGS, reader.endings.control_pattern or TAGS)
    found = (one.span() for pattern in patterns for one in pattern.finditer(text, near))
    return next((start for start, stop in found if start < place < stop), place)


def _served_otherwise(reader: StructureReader, plain: str, prompt: str, whole: str, row: int, at: int) -> Place | None:
    """M18: the generation prompt is no prefix of the training text, though the row up to it is."""
    if whole.startswith(prompt) or not prompt.startswith(plain[: common_length(plain, prompt)]):
        return None
    common = _token_start(reader, prompt, common_length(prompt, whole))
    if common < common_length(plain, whole) and common < len(plain.rstrip()):
        return None  # the text before it differs already: M17
    surplus = prompt[common:]
    if not surplus.strip():
        return None
    says = f"A server puts {_shown(surplus)} before the answer, where the training text has {_shown(whole[common:])}."
    return Place("M18", "warning", says, row, at)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...") if text else "nothing"


def tagged_mask(structure: Structure, offsets: Offsets, length: int) -> bytes:
    """O3: tokens that lie in generation tags."""
    ruler, mask = Ruler(offsets), bytearray(length)
    for start, stop in structure.tagged:
        if stop > start:
            first, behind = ruler.first(start), ruler.behind(stop)
            mask[first:behind] = b"\1" * (behind - first)
    return bytes(mask)


def tag_places(row: LabelledRow, mask: bytes, setting: Setting) -> Iterator[Place]:
    """What is wrong with the mask that the template's own generation tags make."""
    for one in check_row(replace(row, trained=mask, labelled=True), setting):
        if one.rule in ("M01", "M02", "M03", "M11", "M12", "M13", "M14", "M39", "M30"):
            says = f"By the template's own generation tags: {one.says}"
            if one.rule in ("M03", "M12"):
                yield replace(one, severity="warning", says=says)
            else:
                yield replace(one, rule="M30", severity="warning", says=says)


def learn_markers(reader: StructureReader, folder: TokenizerFolder, contract: StopContract, prompt: str) -> Markers:
    """Headers and stops of a template as ids, from its own renders."""
    headers: list[tuple[tuple[int, ...], Any]] = []

    def add(text: str, role: str) -> None:
        ids = tuple(folder.tokenizer.encode(text, add_special_tokens=False).ids)
        if ids and any(one in folder.control_ids for one in ids):
            headers.append((ids, role))

    for name, system in (("answer, user", False), ("answer, user", True), ("call, tool", False)):
        try:
            structure = reader.read(probe(name, system), {}, prompt)
        except TemplateRefused:
            continue
        ends = {answer.text_stop: answer.stop_end for answer in structure.answers}
        starts = {answer.text_start: answer for answer in structure.answers}
        previous = 0
        roles = [turn.role for turn in probe(name, system).turns]
        for one in structure.placed:
            role = roles[one.leaf.message]
            if role == "assistant" and one.start in starts:
                answer = starts[one.start]
                add(structure.text[answer.header_start : answer.start], "assistant")
            elif role in ("user", "system", "tool") and previous:
                between = structure.text[ends.get(previous, previous) : one.start]
                ends_at = [found.end() for stop in contract.stops if (found := _find(stop, between))]
                add(between[max(ends_at, default=0) :].lstrip(), role)
            elif role in ("user", "system"):
                bos = reader.special.get("bos_token", "")
                add(structure.text[: one.start].removeprefix(bos), role)
            previous = one.stop
    stops = {
        one.stop_ids[0] for one in contract.transitions if len(one.stop_ids) == 1 and not one.name.startswith("call")
    }
    pad, bos_id = folder.special_id("pad_token"), folder.special_id("bos_token")
    eos = folder.special_id("eos_token")
    return Markers(tuple(dict.fromkeys(headers)), frozenset(stops | ({eos} if eos is not None else set())), bos_id, pad)


def _find(stop: str, text: str) -> Any:
    return re.search(re.escape(stop), text)


def marker_places(row: LabelledRow, markers: Markers, right: bytes) -> Iterator[Place]:
    """M30: tokens that a search for markers takes for an answer and O1 does not, or the other way round."""
    if not markers.known or row.owned.marked or row.owned.wanted or row.owned.unwanted:
        return
    found = read_by_markers(row.owned.ids, markers)
    mask = bytearray(len(right))
    declared = [turn.message for turn in row.owned.turns]
    if len(found.turns) != len(declared):
        answers = plural(len(found.turns), "answer")
        says = f"A search for markers finds {answers}, the structure of the row {len(declared)}."
        yield Place("M30", "info", says, row.number)
        return
    for turn, true in zip(found.turns, row.owned.turns, strict=True):
        if true.message in row.declared:
            mask[turn.start : turn.stop_end] = b"\1" * (turn.stop_end - turn.start)
    wrong = [at for at, (a, b) in enumerate(zip(mask, right, strict=True)) if a != b]
    if wrong:
        says = f"A search for markers and the structure of the row disagree on {plural(len(wrong), 'token')}."
        yield Place("M30", "info", says, row.number, None, tuple(wrong[:20]), len(wrong))
