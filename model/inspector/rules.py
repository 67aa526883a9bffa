"""Mask bugs read off a batch: input ids and labels in, findings out. Knows no policy, no text and no model.

What more than ids and labels it needs: that pads on the left are seen, or push positions on, is only in the attention
mask (`documents`) and the position ids; and a second user's turn in a row may be the next turn or another
conversation, which only `documents`, or the most turns a conversation of the data has, can tell. Not in any of
these, and so not found: a conversation was cut where an earlier answer ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

from model.inspector.roles import TemplateIds
from model.inspector.rows import Ids, LabelledBatch, Place, Row, read_row, shift_of
from model.text.tokenizer import ASSISTANT_START, USER_START


@dataclass(frozen=True)
class Finding:
    slug: str
    sentence: str
    """With counts and the first place. Rows are counted from 1, positions from 0."""
    row: int
    position: int
    """The first place: row and position, both from 0."""


@dataclass(frozen=True)
class Seen:
    """What a check saw: a sentence without its full stop, and the tokens it is about."""

    says: str
    places: list[Place]


def findings(
    inputs: Ids,
    labels: Ids,
    ids: TemplateIds,
    *,
    documents: Ids | None = None,
    positions: Ids | None = None,
    most_turns: int | None = None,
) -> tuple[Finding, ...]:
    """What is wrong with a batch, in the order of CHECKS; nothing for a right one.

    `labels` are the shifted targets: what position t is scored on, or IGNORE_INDEX. `documents`
    numbers what sees each other, 0 being hidden; an attention mask of ones and zeros is one document. Without it every
    position sees all before it. Without `positions` they are 0, 1, ... `most_turns`: of a conversation, if known.
    """
    shift = shift_of(inputs, labels)
    rows = tuple(
        read_row(number, row, labels[number], shift, ids, documents, positions) for number, row in enumerate(inputs)
    )
    batch = LabelledBatch(rows, shift, most_turns)
    found = []
    for slug, look in CHECKS.items():
        seen = look(batch)
        if seen.places:
            row, token = min(seen.places)
            position = max(token - shift, 0)
            first = f"; first in row {row + 1} at position {position}" if batch.trains_anything else ""
            found.append(Finding(slug, f"{seen.says}{first}.", row, position))
    return tuple(found)


def _nothing_trained(batch: LabelledBatch) -> Seen:
    positions = sum(len(row.positions) for row in batch.rows)
    return Seen(
        f"None of the {positions} positions has a label: the loss is a mean over nothing",
        [] if batch.trains_anything else [(0, batch.shift)],
    )


def _labels_not_shifted(batch: LabelledBatch) -> Seen:
    places = _all_counted(batch) if batch.shift == 0 else []
    return Seen(f"Each of {len(places)} labels is the token just read, not the next one", places)


def _labels_shifted_twice(batch: LabelledBatch) -> Seen:
    places = _all_counted(batch) if batch.shift == 2 else []
    return Seen(f"Each of {len(places)} labels is the token after the next one", places)


def _all_counted(batch: LabelledBatch) -> list[Place]:
    return [(row.number, place) for row in batch.rows for place, counted in enumerate(row.counted) if counted]


def _labels_of_other_tokens(batch: LabelledBatch) -> Seen:
    places = [
        (row.number, place)
        for row in batch.rows
        for place, (label, token) in enumerate(zip(row.labels, row.tokens, strict=True))
        if label is not None and label != token
    ]
    return Seen(f"Labels are not the tokens of their row in {len(places)} of {len(_all_counted(batch))} places", places)


def _only_prompt_trained(batch: LabelledBatch) -> Seen:
    places = [] if batch.trains_answers else batch.counted(USER_START, "user", ASSISTANT_START)
    answers = len(batch.answers())
    return Seen(
        f"Only tokens of the prompt are labels, {len(places)} of them; of {answers} answers none has any", places
    )


def _prompt_trained(batch: LabelledBatch) -> Seen:
    if not batch.trains_answers:
        return Seen("", [])
    parts = [batch.counted(role) for role in ("user", USER_START, ASSISTANT_START)]
    places = [place for part in parts for place in part]
    letters, users, answers = map(len, parts)
    return Seen(
        f"Tokens of the prompt are labels, {len(places)} of them: {letters} of the user's text, user starts {users}, "
        f"answer starts {answers}",
        places,
    )


def _answer_start_untrained(batch: LabelledBatch) -> Seen:
    trained = batch.trained_answers()
    places = [(row.number, answer.start) for row, answer in trained if not row.counted[answer.start]]
    return Seen(f"The first token has no label in {len(places)} of {len(trained)} trained answers", places)


def _answer_gap(batch: LabelledBatch) -> Seen:
    trained = batch.trained_answers()
    gaps = []
    for row, answer in trained:
        first = row.counted.index(True, answer.start)
        behind = range(first, answer.stop if answer.end is None else answer.end)
        gaps += [(row.number, place) for place in behind if not row.counted[place]][:1]
    return Seen(f"A token between labels has none in {len(gaps)} of {len(trained)} trained answers", gaps)


def _answer_untrained(batch: LabelledBatch) -> Seen:
    answers = batch.answers() if batch.trains_answers else []
    places = [
        (row.number, answer.start)
        for row, answer in answers
        if answer.stop > answer.start and not row.has_target(answer)
    ]
    return Seen(f"No label at all in {len(places)} of {len(answers)} answers, while others have some", places)


def _stop_untrained(batch: LabelledBatch) -> Seen:
    ends = _ends(batch)
    places = [] if _stop_pads(batch) else [(row.number, end) for row, end in ends if not row.counted[end]]
    return Seen(f"The stop has no label in {len(places)} of {len(ends)} trained answers", places)


def _stop_lost_to_pads(batch: LabelledBatch) -> Seen:
    ends = _ends(batch)
    places = [(row.number, end) for row, end in ends if not row.counted[end]] if _stop_pads(batch) else []
    return Seen(
        f"The pad is the stop's own id, and the stop has no label in {len(places)} of {len(ends)} trained answers",
        places,
    )


def _ends(batch: LabelledBatch) -> list[tuple[Row, int]]:
    """The stops of trained answers."""
    return [(row, answer.end) for row, answer in batch.trained_answers() if answer.end is not None]


def _stop_pads(batch: LabelledBatch) -> bool:
    return any(
        row.ids.pad == row.ids.stop or (role == "pad" and token == row.ids.stop)
        for row in batch.rows
        for token, role in zip(row.tokens, row.roles, strict=True)
    )


def _answer_cut(batch: LabelledBatch) -> Seen:
    answers = batch.answers()
    places = [(row.number, answer.stop - 1) for row, answer in answers if answer.cut]
    return Seen(f"No stop at the end of {len(places)} of {len(answers)} answers", places)


def _pads_trained(batch: LabelledBatch) -> Seen:
    places = batch.counted("pad")
    return Seen(f"Pads are labels, {len(places)} of them", places)


def _left_pads_seen(batch: LabelledBatch) -> Seen:
    padded = [row for row in batch.rows if row.left_pads]
    seen = [row for row in padded if row.documents is None or row.documents[row.left_pads - 1] != 0]
    places = [(row.number, batch.shift) for row in seen]
    return Seen(
        f"Pads stand first in {len(padded)} of {len(batch.rows)} rows, and the attention sees them in {len(seen)}",
        places,
    )


def _positions_run_on(batch: LabelledBatch) -> Seen:
    """Only where the attention restarts: a pad or another conversation that is seen is another finding."""
    begins = [
        (row, place) for row in batch.rows for place in range(1, len(row.positions)) if row.begins_document(place)
    ]
    wrong = [(row.number, place + batch.shift) for row, place in begins if row.positions[place] != 0]
    return Seen(
        f"Positions do not begin at 0 for {len(wrong)} of {len(begins)} conversations behind pads or another one", wrong
    )


def _next_document_trained(batch: LabelledBatch) -> Seen:
    begins = [(row, place) for row in batch.rows for place in range(len(row.roles)) if batch.begins_next(row, place)]
    places = [(row.number, place) for row, place in begins if row.counted[place]]
    return Seen(
        f"The first token of the next conversation is a label of the one before, {len(places)} of {len(begins)} times",
        places,
    )


def _documents_mixed(batch: LabelledBatch) -> Seen:
    most = batch.most_turns
    places = []
    for row in batch.rows:
        turns: dict[int, int] = {}
        for place, role in enumerate(row.roles[: len(row.positions)]):
            if role == USER_START:
                document = row.documents[place] if row.documents else 1
                turns[document] = turns.get(document, 0) + 1
                if most is not None and turns[document] == most + 1:
                    places.append((row.number, place + batch.shift))
    return Seen(
        f"One attention spans more user turns than a conversation has (at most {most}) in {len(places)} of "
        f"{len(batch.rows)} rows: several conversations see each other",
        places,
    )


CHECKS: dict[str, Callable[[LabelledBatch], Seen]] = {
    "nothing-trained": _nothing_trained,
    "labels-not-shifted": _labels_not_shifted,
    "labels-shifted-twice": _labels_shifted_twice,
    "labels-of-other-tokens": _labels_of_other_tokens,
    "only-prompt-trained": _only_prompt_trained,
    "prompt-trained": _prompt_trained,
    "answer-start-untrained": _answer_start_untrained,
    "answer-gap": _answer_gap,
    "answer-untrained": _answer_untrained,
    "stop-untrained": _stop_untrained,
    "stop-lost-to-pads": _stop_lost_to_pads,
    "answer-cut": _answer_cut,
    "pads-trained": _pads_trained,
    "left-pads-seen": _left_pads_seen,
    "positions-run-on": _positions_run_on,
    "next-document-trained": _next_document_trained,
    "documents-mixed": _documents_mixed,
}
"""Each looks for the bug of its slug. Which token a label is for is read with the shift found, so that a wrong shift is
one finding and not five."""
