"""Rules on a labelled row as a whole: nothing or everything trained, cut, padded, packed, misaligned."""

from collections.abc import Callable, Iterator, Sequence

from model.inspector import turn_rules
from model.inspector.details import detail_ignored, left_open
from model.inspector.intents import right_mask
from model.inspector.labelled import LabelledRow, Place, Setting, place, plural, they
from model.inspector.owners import CONTEXT, HEADER, INJECTED, PAD, SAMPLED, SEPARATOR, STOP, SUPPLIED

BETTER = 0.1
GOOD = 0.95

Check = Callable[[LabelledRow, Setting], Iterator[Place]]


def nothing_supervised(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M01, with its cause; and M20 where pads are all that is left."""
    if 1 in row.trained or not row.owned.ids:
        return
    if row.conversation is not None and not row.conversation.answers():
        return  # M35 says so
    if row.labelled or row.cut_from is not None or row.is_all_pads(setting.pad):
        yield place("M01", "error", f"No token has a label: {_cause(row, setting)}.", row)


def _cause(row: LabelledRow, setting: Setting) -> str:
    ids = row.owned.ids
    if row.is_all_pads(setting.pad):
        return f"all {plural(len(ids), 'token')} are pads"
    if row.cut_from is not None and not any(turn.start < len(ids) for turn in row.turns()):
        return f"the row was cut at {len(ids):,} of {row.cut_from:,} tokens, before the answer"
    if row.conversation is not None:
        unmapped = [
            turn.name for turn in row.conversation.turns if turn.role == "assistant" and turn.name != "assistant"
        ]
        if unmapped:
            return f"the role is called {unmapped[0]!r}, and trainers look for 'assistant'"
    if row.mask_name in ("assistant_masks", "assistant_mask") and setting.template_tags is False:
        return "the template has no generation tags, from which this mask is made"
    if row.owned.turns:
        turn = row.owned.turns[0]
        header = ids[turn.header_start : turn.start]
        near = ids[max(turn.start - 4, 0) : turn.start + 2]
        looked = f"its header is {header}" if header else "it has no header of its own"
        return f"the answer was not found; {looked}, and the ids around its start are {near}"
    return "no answer was found by its marker"


def everything_supervised(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M02. The first token is never a target."""
    if setting.intent.turns == "full" or not row.labelled:
        return
    parts, ids = row.owned.parts, row.owned.ids
    first = next((at for at, part in enumerate(parts) if part != PAD), len(ids))
    rest = [at for at in range(first + 1, len(ids)) if parts[at] != PAD]
    missing = [at for at in rest if not row.trained[at] and ids[at] != setting.pad]
    begins = {*row.begins(), *row.owned.conversations}
    if len(rest) < 2 or any(at not in begins for at in missing):
        return
    said = any(parts[at] in SAMPLED for at in rest)
    others = [at for at in rest if parts[at] in (CONTEXT, HEADER, SUPPLIED)]
    if row.owned.known and row.owned.turns and said and any(parts[at] == CONTEXT for at in rest):
        says = f"Every token has a label, {plural(len(others), 'token')} of other roles among them."
        yield place("M02", "error", says, row, others)
    elif not (row.owned.known and row.owned.turns):
        says = f"All {plural(len(rest), 'token')} behind the first have a label; whose they are is not known."
        yield place("M02", "warning", says, row, rest)


def mislabelled(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M21, by labels of other tokens, or by a shift at which the mask fits better."""
    wrong = [at for at in row.mislabelled if row.owned.ids[at] not in setting.media]
    if wrong:
        says = f"{plural(len(wrong), 'label')} {'is' if len(wrong) == 1 else 'are'} not the token that they lie on."
        yield place("M21", "error", says.replace("they lie", "it lies") if len(wrong) == 1 else says, row, wrong)
        return
    if not row.labelled or not row.owned.known or not row.owned.turns or 1 not in row.trained:
        return
    right = right_mask(row.owned, row.declared, setting.intent, row.conversation)
    here = _f1(right, row.trained)
    if here >= GOOD - BETTER:
        return
    pads = sum(part == PAD for part in row.owned.parts)
    for shift in {1, -1, 2, -2, pads, -pads} - {0}:
        moved = right[-shift:] + bytes(-shift) if shift < 0 else bytes(shift) + right[: len(right) - shift]
        fits = _f1(moved, row.trained) if moved.count(1) == right.count(1) else 0.0
        if fits >= max(here + BETTER, GOOD):
            side = "right" if shift > 0 else "left"
            says = f"The mask lies {plural(abs(shift), 'token')} too far {side}: moved, it fits "
            where = [at for at, (a, b) in enumerate(zip(right, row.trained, strict=True)) if a != b]
            yield place("M21", "error", f"{says}{fits:.0%}, and {here:.0%} as it is (F1).", row, where)
            return


def _f1(one: bytes, other: bytes) -> float:
    both = sum(a & b for a, b in zip(one, other, strict=False))
    return 2 * both / max(one.count(1) + other.count(1), 1)


def truncated(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M20."""
    length = len(row.owned.ids)
    if row.labelled and row.is_all_pads(setting.pad) and length:
        yield place("M20", "error", f"The row holds {plural(length, 'pad')} and no text: nothing fitted into it.", row)
        return
    turns = row.owned.turns
    cut = bool(turns) and (turns[-1].cut or (not turns[-1].stops and row.cut_from is not None))
    if row.cut_from is None and not (row.full_length and cut):
        return
    if row.cut_from is None or not turns or turns[-1].cut or turns[-1].stop_end > length:
        to = f"{length:,} of {row.cut_from:,} tokens" if row.cut_from else f"the greatest length, {length:,} tokens"
        left = 1 in row.trained
        says = f"The row is cut at {to}; {'its last stop is gone' if left else 'no target is left'}."
        yield place("M20", "warning" if left else "error", says, row, (length - 1,))


def pads_supervised(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M22."""
    found = row.places(bytes((PAD,)))
    if found:
        says = f"{plural(len(found), 'pad')} {'has' if len(found) == 1 else 'have'} a label."
        yield place("M22", "error", says, row, found)


def pads_attended(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M23: pads on the left that are seen."""
    left = next((at for at, part in enumerate(row.owned.parts) if part != PAD), 0)
    if left and (row.attended is None or row.attended[left - 1]):
        says = (
            f"{plural(left, 'pad')} {'stands' if left == 1 else 'stand'} before the text, and the attention sees them."
        )
        yield place("M23", "error", says, row, range(left))


def positions_run_on(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M25: only where the attention begins again, since a pad or conversation that is seen is told elsewhere."""
    if row.positions is None:
        return
    starts = list(row.begins()) if row.segments is not None else []
    left = next((at for at, part in enumerate(row.owned.parts) if part != PAD), 0)
    if left and row.attended is not None and not row.attended[left - 1]:
        starts.append(left)
    wrong = sorted(at for at in set(starts) if at < len(row.positions) and row.positions[at] != 0)
    if wrong:
        says = f"Positions do not begin at 0 at {plural(len(wrong), 'place')} where a conversation begins."
        yield place("M25", "warning", says, row, wrong)


def packing_seam(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M24."""
    begins = [at for at in row.begins() if at < len(row.trained) and row.owned.parts[at] != PAD]
    recognised = [at for at in row.owned.conversations if at]
    trained = [at for at in {*begins, *recognised} if row.trained[at]]
    if trained and row.labelled:
        says = f"The first token of {plural(len(trained), 'packed conversation')} is a target of the one before."
        yield place("M24", "error", says, row, sorted(trained))
    missing = [at for at in recognised if at not in begins]
    if missing:
        says = (
            f"{plural(len(missing) + 1, 'conversation')} share the row; neither segments nor positions tell them apart."
        )
        yield place("M24", "error", says, row, missing)
    else:
        yield from _too_many_turns(row, setting)
    inside = [at for at in begins for turn in row.turns() if turn.start < at < turn.stop_end]
    if inside:
        says = f"{they(len(inside), 'conversation', 'begins', 'begin')} inside an answer."
        yield place("M24", "warning", says, row, inside)


def _too_many_turns(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """One attention over more user turns than a conversation has."""
    if setting.most_turns is None:
        return
    turns: dict[int, int] = {}
    for start, _, _ in row.owned.speakers:
        segment = row.segments[start] if row.segments is not None and start < len(row.segments) else 1
        turns[segment] = turns.get(segment, 0) + 1
        if turns[segment] == setting.most_turns + 1:
            says = f"One attention spans more user turns than a conversation has, at most {setting.most_turns}."
            yield place("M24", "error", says, row, (start,))
            return


def media_supervised(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M38."""
    ids, largest = row.owned.ids, setting.largest_id
    found: list[int] = []
    if not setting.media.isdisjoint(ids) or min(ids, default=0) < 0:
        found = [at for at, token in enumerate(ids) if row.trained[at] and (token in setting.media or token < 0)]
    if found:
        says = f"{they(len(found), 'placeholder', 'of an image or sound is', 'of images or sound are')} trained: "
        says += f"{setting.name(ids[found[0]])}."
        yield place("M38", "error", says, row, found)
    outside: list[int] = []
    if largest is not None and max(ids, default=0) > largest:
        outside = [at for at, token in enumerate(ids) if row.trained[at] and token > largest]
    outside += [at for at in row.foreign if at not in outside]
    if outside:
        says = f"{plural(len(outside), 'label')} {'is' if len(outside) == 1 else 'are'} no id of the vocabulary."
        yield place("M38", "error", says, row, outside)


def double_bos(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M09."""
    ids = row.owned.ids
    start = next((at for at, part in enumerate(row.owned.parts) if part != PAD), 0)
    if setting.bos is not None and ids[start : start + 2] == [setting.bos, setting.bos]:
        says = f"The row begins with {setting.name(setting.bos)} twice."
        yield place("M09", "warning", says, row, (start, start + 1))


def unexplained(row: LabelledRow, setting: Setting, told: set[int]) -> Iterator[Place]:
    """M30: labels that are not as O1 has them, and that no other rule told."""
    if (
        not row.labelled
        or not row.owned.known
        or not row.owned.turns
        or (row.conversation is not None and not row.declared)
    ):
        return
    right = right_mask(row.owned, row.declared, setting.intent, row.conversation)
    if right == row.trained:
        return
    for turn in row.declared_turns():
        if not row.trains(turn):
            told |= set(range(turn.start, turn.stop_end))  # M13 or M14 says so
    differing = [
        at
        for at, (wanted, given) in enumerate(zip(right, row.trained, strict=True))
        if wanted != given and at not in told and at not in row.owned.merges and not _allowed(row, at, setting)
    ]
    if differing:
        says = (
            f"{they(len(differing), 'token', 'is', 'are')} labelled differently from what the row's structure asks for."
        )
        yield place("M30", "warning", says, row, differing)


def _allowed(row: LabelledRow, at: int, setting: Setting) -> bool:
    part = row.owned.parts[at]
    if left_open(row, at):
        return True
    if part == STOP:
        return any(turn.shared and turn.stop <= at < turn.stop_end for turn in row.turns())
    return at == 0 or part == INJECTED or (part == SEPARATOR and setting.intent.separator == "any")


ON_ROWS: tuple[Check, ...] = (
    *(truncated, pads_supervised, pads_attended, positions_run_on, packing_seam, media_supervised, double_bos),
    *(turn_rules.double_stop, turn_rules.boundary_merge, turn_rules.empty_answer, turn_rules.control_in_content),
)
"""Asked of every row."""
ON_TURNS: tuple[Check, ...] = (
    *(turn_rules.stop_not_supervised, turn_rules.first_token_not_trained, turn_rules.supplied_supervised),
    *(
        turn_rules.other_role_supervised,
        turn_rules.turn_not_supervised,
        turn_rules.undeclared_supervised,
        detail_ignored,
    ),
)
"""Asked of a row where neither nothing nor everything is trained, and whose mask lies on its tokens."""


def check_row(row: LabelledRow, setting: Setting) -> list[Place]:
    """All that is wrong with a labelled row. What one rule explains, no other tells again."""
    found = [*nothing_supervised(row, setting), *everything_supervised(row, setting)]
    if not found:
        found += mislabelled(row, setting)
    explained = bool(found)
    for check in ON_ROWS:
        found += check(row, setting)
    if not explained and row.labelled and row.owned.known:
        for check in ON_TURNS:
            found += check(row, setting)
        found += unexplained(row, setting, {at for one in found for at in _all_of(one, row)})
    return found


def _all_of(one: Place, row: LabelledRow) -> Sequence[int]:
    """The positions that a place is about, those too that it does not keep."""
    if one.count > len(one.positions) and one.positions:
        return range(one.positions[0], len(row.owned.ids))
    return one.positions
