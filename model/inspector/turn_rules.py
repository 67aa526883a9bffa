"""Rules on the turns of a labelled row: what of each answer is trained, and what besides the answers."""

from collections.abc import Iterator

from model.inspector.details import left_open
from model.inspector.labelled import LabelledRow, Place, Setting, place, plural, they
from model.inspector.owners import (
    ANSWER,
    CALL,
    CONTEXT,
    HEADER,
    INJECTED,
    PAD,
    REASONING,
    SEPARATOR,
    STOP,
    SUPPLIED,
    TokenTurn,
)
from model.inspector.rule import Severity


def stop_not_supervised(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M03, or M05 where the stop is the pad."""
    for turn in row.declared_turns():
        if not turn.stops or turn.shared or not row.trains_text(turn):
            continue
        missing = [at for at in range(turn.stop, turn.stop_end) if not row.trained[at]]
        if not missing:
            continue
        name = setting.name(row.owned.ids[turn.stop])
        if row.owned.ids[turn.stop] == setting.pad:
            says = f"The stop {name} is also the pad, and behind this answer it has no label though it is attended to."
            yield place("M05", "error", says, row, missing, turn.message)
        else:
            says = f"The answer is trained and its stop {name} is not."
            yield place("M03", "error", says, row, missing, turn.message)


def first_token_not_trained(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M11. Injected tokens may be left out, and so may parts that the intent ignores."""
    skipped = {INJECTED, SUPPLIED}
    skipped |= set() if setting.intent.reasoning else {REASONING}
    skipped |= set() if setting.intent.tool_calls else {CALL}
    for turn in row.declared_turns():
        start = turn.start + (1 if turn.merged_start else 0)
        while start < turn.stop and (row.owned.parts[start] in skipped or left_open(row, start)):
            start += 1
        if start >= turn.stop or row.trained[start] or not row.trains(turn):
            continue
        first = row.trained.find(1, start)
        if start < first < turn.stop_end:
            tokens = "token" if first - start == 1 else f"{first - start:,} tokens"
            says = f"The first {tokens} of the answer {_have(first - start)} no label."
            yield place("M11", "error", says, row, range(start, first), turn.message)


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def supplied_supervised(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M12."""
    if setting.intent.supplied:
        return
    for turn in row.turns():
        found = [
            at for at in range(turn.header_start, turn.start) if row.trained[at] and row.owned.parts[at] == SUPPLIED
        ]
        if found and row.trains_answers:
            texts = "".join(setting.texts.get(row.owned.ids[at], "") for at in found)
            said = f" ({texts})" if texts else ""
            says = f"{plural(len(found), 'token')}{said} before the answer {_have(len(found))} a label, and the server "
            says += "supplies them." if len(found) > 1 else "supplies it."
            if not setting.serving_given:
                says += " That is so for a server that renders without further arguments."
            yield place("M12", "warning", says, row, found, turn.message)


def other_role_supervised(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M13. A shared stop, the first token of a packed conversation and white space are told elsewhere or allowed."""
    if row.conversation is not None and not row.conversation.answers():
        return  # M35 says so
    marked = [(start, stop) for start, stop, _ in row.owned.marked]
    begins = {*row.begins(), *row.owned.conversations}
    free = {at for turn in row.turns() if turn.shared for at in range(turn.stop, turn.stop_end)} | begins
    for start, stop, message in row.owned.speakers:
        role = row.conversation.turns[message].role if row.conversation else None
        if role in setting.intent.roles:
            free |= set(range(start, stop))
    for start, stop in marked:
        free |= set(range(start, stop))
    found = [at for at in row.places(bytes((CONTEXT, HEADER))) if at not in free]
    if not row.trains_answers:
        found += row.places(bytes((SUPPLIED,)))
    if setting.intent.separator == "ignore":
        found += row.places(bytes((SEPARATOR,)))
    if not found:
        return
    texts = sum(row.owned.parts[at] == CONTEXT for at in found)
    said = f"{texts:,} of them text" if texts else "none of them text"
    says = f"{plural(len(found), 'token')} of other roles {_have(len(found))} a label, {said}."
    if not row.trains_answers:
        says = f"Only the prompt is trained: {plural(len(found), 'token')} of it, and none of the answers'."
    yield place("M13", "error", says, row, sorted(found), _message_at(row, min(found)))


def _message_at(row: LabelledRow, at: int) -> int | None:
    return next((message for start, stop, message in row.owned.speakers if start <= at < stop), None)


def turn_not_supervised(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M14, or M36 where the turn's own switch asks for it. Only where other answers of the row are trained."""
    if not row.trains_answers:
        return
    for turn in row.declared_turns():
        if turn.cut or turn.blank or row.trains(turn) or turn.stop_end <= turn.start:
            continue
        if any(message == turn.message for *_, message in row.owned.unwanted):
            continue  # parts of it are meant to be ignored, and perhaps the rest is
        key = _switch(row, turn)
        where = range(turn.start, turn.stop_end)
        if key:
            says = f"The message's own `{key}` says that it is trained, but none of its tokens has a label."
            yield place("M36", "error", says, row, where, turn.message)
        else:
            says = f"None of the {plural(len(where), 'token')} of this answer has a label; other answers have labels."
            yield place("M14", "error", says, row, where, turn.message)


def undeclared_supervised(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M36, M39, or M15 for a lone stop."""
    for turn in row.turns():
        if turn.message in row.declared:
            continue
        found = [at for at in range(turn.start, turn.stop_end) if row.trained[at]]
        if turn.shared:
            found = [at for at in found if at < turn.stop]
        if not found:
            continue
        key = _switch(row, turn)
        if all(row.owned.parts[at] == STOP for at in found):
            says = "The stop of a turn that is not to be trained has a label, and nothing else of it."
            yield place("M15", "warning", says, row, found, turn.message)
        elif key:
            says = f"The message's own `{key}` says that it is not trained, and {plural(len(found), 'token')} of it "
            yield place("M36", "error", f"{says}{_have(len(found))} a label.", row, found, turn.message)
        else:
            says = f"{plural(len(found), 'token')} of an answer that is not declared {_have(len(found))} a label."
            yield place("M39", "error", says, row, found, turn.message)


def _switch(row: LabelledRow, turn: TokenTurn) -> str:
    return row.conversation.turns[turn.message].switch if row.conversation else ""


def empty_answer(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M29."""
    for turn in row.declared_turns():
        if turn.blank and not turn.calls and row.trains(turn):
            where = [at for at in range(turn.start, turn.stop_end) if row.trained[at]]
            yield place("M29", "warning", "The answer is empty, and its stop is trained.", row, where, turn.message)


def boundary_merge(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M19."""
    trained = [at for at in row.owned.merges if any(turn.start <= at <= turn.stop_end for turn in row.declared_turns())]
    if trained:
        says = f"{they(len(trained), 'token', 'stands', 'stand')} across the border of an answer."
        yield place("M19", "warning", says, row, trained)


def double_stop(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M08."""
    ids, parts = row.owned.ids, row.owned.parts
    for turn in row.turns():
        if not turn.stops:
            continue
        at = turn.stop_end
        while at < len(ids) and parts[at] == SEPARATOR:
            at += 1
        if (
            at >= len(ids)
            or ids[at] not in setting.stops
            or row.owned.parts[at] in (SUPPLIED, ANSWER, PAD)
            or turn.shared
        ):
            continue
        if ids[at] == setting.pad and not row.trained[at]:
            continue
        both = row.trained[turn.stop] and row.trained[at]
        last = turn is row.owned.turns[-1]
        names = f"{setting.name(ids[turn.stop])} and {setting.name(ids[at])}"
        says = f"Two stops follow one another: {names}, {'both trained' if both else 'the second not trained'}."
        severity: Severity = "error" if both else "info" if last else "warning"
        yield place("M08", severity, says, row, (turn.stop, at), turn.message)


def control_in_content(row: LabelledRow, setting: Setting) -> Iterator[Place]:
    """M37."""
    answers = {turn.message for turn in row.turns()}
    for start, stop, message in row.owned.marked:
        inside = [at for at in range(start, stop) if row.owned.ids[at] in setting.control]
        inside = [at for at in inside if row.owned.ids[at] not in setting.allowed_tokens]
        if not inside:
            continue
        wanted = message in row.declared if message in answers else False
        followed = [at for at in range(start, stop) if bool(row.trained[at]) != wanted and row.labelled]
        if message in answers and 1 not in row.trained[start:stop]:
            followed = []  # the turn as a whole is told elsewhere
        names = ", ".join(dict.fromkeys(setting.name(row.owned.ids[at]) for at in inside))
        says = f"A message's own text holds {names}, which becomes {plural(len(inside), 'control token')}."
        if followed:
            says += f" The labels follow it: {they(len(followed), 'token', 'has', 'have')} the wrong label."
        yield place("M37", "error" if followed else "warning", says, row, followed or inside, message)
