"""A row of input ids with its labels put back on their tokens, read as turns. Knows no policy and no text.

In: ids, labels as a training step reads them, what the template's tokens are. Out: LabelledBatch, for rules.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from model.inspector.roles import Answer, TemplateIds
from model.masks.policies import IGNORE_INDEX
from model.text.tokenizer import ASSISTANT_START, USER_START

Ids = Sequence[Sequence[int]]
"""(B, T) as nested lists."""


@dataclass(frozen=True)
class Row:
    """The tokens of a row, one more than it has positions where the last label may be one; labels put back on them."""

    number: int
    tokens: tuple[int | None, ...]
    """None: the token behind the last input, if it has no label."""
    labels: tuple[int | None, ...]
    """Of each token; None where the loss does not count it."""
    documents: tuple[int, ...] | None
    """Of the inputs."""
    positions: tuple[int, ...]
    ids: TemplateIds

    @cached_property
    def counted(self) -> tuple[bool, ...]:
        return tuple(label is not None for label in self.labels)

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """`<`, `>`, `user`, `answer`, `#` or `pad`, for each token. A stop outside an answer is a pad."""
        starts = {self.ids.user_start: (USER_START, "user"), self.ids.answer_start: (ASSISTANT_START, "answer")}
        roles, inside = [], "pad"
        for token in self.tokens:
            if token in starts:
                role, inside = starts[token]
            elif token == self.ids.stop and inside == "answer":
                role, inside = "#", "pad"
            elif token is not None and token in (self.ids.pad, self.ids.stop):
                role = inside = "pad"
            else:
                role = inside if token is not None or inside == "answer" else "pad"
            roles.append(role)
        return tuple(roles)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        return tuple(self._answer(place + 1) for place, role in enumerate(self.roles) if role == ASSISTANT_START)

    def _answer(self, start: int) -> Answer:
        last = start
        while last < len(self.roles) and self.roles[last] == "answer":
            last += 1
        if last < len(self.roles) and self.roles[last] == "#":
            return Answer(start, last + 1, last, cut=False)
        if last < len(self.roles):
            return Answer(start, last, None, cut=True)
        if self.tokens[-1] is None:
            return Answer(start, last, last - 1, cut=False)  # no label, so its stop as far as one can see
        return Answer(start, last, None, cut=len(self.tokens) > len(self.positions))

    def has_target(self, answer: Answer) -> bool:
        return any(self.counted[answer.start : answer.stop])

    @cached_property
    def left_pads(self) -> int:
        return next((place for place, role in enumerate(self.roles) if role != "pad"), 0)

    def begins_document(self, place: int) -> bool:
        """Another conversation than that of the token before begins here, as the attention has it."""
        if self.documents is None or not 0 < place < len(self.documents):
            return False
        return self.documents[place] != 0 and self.documents[place] != self.documents[place - 1]


Place = tuple[int, int]
"""The row and the token, both from 0."""


@dataclass(frozen=True)
class LabelledBatch:
    """A batch as the checks read it."""

    rows: tuple[Row, ...]
    shift: int
    """Position t is scored on token t + shift of its row."""
    most_turns: int | None

    @property
    def trains_anything(self) -> bool:
        return any(any(row.counted) for row in self.rows)

    @property
    def trains_answers(self) -> bool:
        return any(row.has_target(answer) for row in self.rows for answer in row.answers)

    def trained_answers(self) -> list[tuple[Row, Answer]]:
        return [(row, answer) for row, answer in self.answers() if row.has_target(answer)]

    def answers(self) -> list[tuple[Row, Answer]]:
        return [(row, answer) for row in self.rows for answer in row.answers]

    def counted(self, *roles: str) -> list[Place]:
        """The tokens of these roles that have a loss; first tokens of another document aside."""
        return [
            (row.number, place)
            for row in self.rows
            for place, role in enumerate(row.roles)
            if role in roles and row.counted[place] and not self.begins_next(row, place)
        ]

    def begins_next(self, row: Row, place: int) -> bool:
        """Is this the first token of a conversation that stands behind another in its row?"""
        if row.roles[place] != USER_START or "#" not in row.roles[:place]:
            return False
        return row.begins_document(place) if row.documents else self.most_turns == 1


def shift_of(inputs: Ids, labels: Ids) -> int:
    """Position t is scored on token t + shift: 1, unless every label that can be compared says 0 or 2 and not 1."""
    for shift in (1, 0, 2):
        pairs = [
            (label, row[t + shift])
            for row, labels_T in zip(inputs, labels, strict=True)
            for t, label in enumerate(labels_T[: len(row) - shift])
            if label != IGNORE_INDEX
        ]
        if pairs and all(label == token for label, token in pairs):
            return shift
    return 1


def read_row(
    number: int,
    inputs: Sequence[int],
    labels: Sequence[int],
    shift: int,
    ids: TemplateIds,
    documents: Ids | None,
    positions: Ids | None,
) -> Row:
    """Row `number` of a batch whose labels stand `shift` behind their tokens."""
    length = len(inputs)
    of_token = {t + shift: label for t, label in enumerate(labels) if label != IGNORE_INDEX}
    tokens: list[int | None] = [*inputs, *([of_token.get(length)] if shift else [])]
    return Row(
        number,
        tuple(tokens),
        tuple(of_token.get(place) for place in range(len(tokens))),
        None if documents is None else tuple(documents[number]),
        tuple(range(length) if positions is None else positions[number]),
        ids,
    )
