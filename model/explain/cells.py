"""A mask policy spelled out, position by position, beside the right one. In: conversations. Out: rows of cells.

Made from the very rows that training reads, so what is shown is what is trained. Needs no model.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.masks.policies import IGNORE_INDEX, RIGHT, MaskPolicy
from model.masks.rows import lay_out
from model.text.chat_template import Rendered, SegmentKind
from model.text.tokenizer import END_OF_TURN, PAD, Tokenizer
from model.training.conversations import rows_of
from model.training.recipes import Recipe

Value = TypeVar("Value")
Mistake = Literal["lost", "leaked", "other-token"]
"""Against the right policy: a target is missing; there is one too many; it is another token."""
Kind = SegmentKind | Literal["pad"]


@dataclass(frozen=True)
class Cell:
    """Position t of a row: reads token t."""

    position: int
    place: int
    """The position the model is told, from 0; not `position` where documents or padding restart it."""
    document: int
    """Which of the row's conversations the input belongs to, from 1; 0 for a pad."""
    turn: int
    """Which of the conversation's answers the next token belongs to, from 1; 0 if to none."""
    input: str
    input_kind: Kind
    next: str
    """Token t+1 of the row."""
    next_kind: Kind
    target: str | None
    """What the loss scores the position on; None where ignored."""
    right_target: str | None
    """The same under the right policy in the same layout."""
    mistake: Mistake | None
    weight: float
    """Of this position in the mean loss: 1/|S| where supervised, else 0."""

    @property
    def supervised(self) -> bool:
        return self.target is not None


@dataclass(frozen=True)
class Inspection:
    recipe: str
    policy: MaskPolicy
    rows: tuple[tuple[Cell, ...], ...]
    cut_tokens: int
    """Tokens that no row holds because the policy cuts long conversations."""

    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for row in self.rows for cell in row)

    @property
    def supervised_count(self) -> int:
        return sum(cell.supervised for cell in self.cells())

    @property
    def ignored_count(self) -> int:
        return len(self.cells()) - self.supervised_count

    @property
    def mistakes(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells() if cell.mistake)

    def as_plain(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {
            "recipe": self.recipe,
            "policy": self.policy.slug,
            "code": self.policy.code,
            "supervised_count": self.supervised_count,
            "ignored_count": self.ignored_count,
            "mistake_count": len(self.mistakes),
            "cut_tokens": self.cut_tokens,
            "rows": [[asdict(cell) for cell in row] for row in self.rows],
        }


def inspect_mask(
    recipe: Recipe, conversations: Sequence[Rendered], policy: MaskPolicy, row_tokens: int | None = None
) -> Inspection:
    """The cells of all rows under a policy. `row_tokens` as in `rows_of`."""
    tokenizer = recipe.tokenizer
    layout = lay_out(conversations, policy, row_tokens or recipe.row_tokens)
    made = rows_of(recipe, conversations, policy, row_tokens)
    right = rows_of(recipe, conversations, right_in_this_layout(policy), row_tokens)
    supervised = int((made.targets_BT != IGNORE_INDEX).sum())
    pad = END_OF_TURN if policy.pad_is_end_of_turn else PAD

    def spread(blank: Value, value_of: Callable[[Rendered], Sequence[Value]]) -> list[list[Value]]:
        """A value for each token of each row, `blank` at the pads."""
        values = iter([value for c in layout.conversations() for value in value_of(c)])
        return [[next(values) if real else blank for real in row] for row in layout.real_BT.tolist()]

    tokens = spread(pad, lambda c: [tokenizer.tokens[i] for i in c.token_ids])
    kinds: list[list[Kind]] = spread("pad", lambda c: c.segment_kinds())
    turns = spread(0, _turns)
    documents = layout.fill(0, [n for row in layout.rows for n, c in enumerate(row, 1) for _ in c.token_ids]).tolist()
    targets, right_targets = (_named(b.targets_BT, tokenizer) for b in (made, right))
    places = [list(range(len(row) - 1)) for row in tokens] if made.positions_BT is None else made.positions_BT.tolist()
    rows = tuple(
        tuple(
            Cell(
                position=t,
                place=places[b][t],
                document=documents[b][t],
                turn=turns[b][t + 1],
                input=tokens[b][t],
                input_kind=kinds[b][t],
                next=tokens[b][t + 1],
                next_kind=kinds[b][t + 1],
                target=targets[b][t],
                right_target=right_targets[b][t],
                mistake=_mistake(targets[b][t], right_targets[b][t]),
                weight=0.0 if targets[b][t] is None else 1 / supervised,
            )
            for t in range(len(tokens[b]) - 1)
        )
        for b in range(len(tokens))
    )
    given, kept = (sum(len(c.token_ids) for c in some) for some in (conversations, layout.conversations()))
    return Inspection(recipe.slug, policy, rows, given - kept)


def _mistake(target: str | None, right: str | None) -> Mistake | None:
    if target == right:
        return None
    if target is None:
        return "lost"
    return "leaked" if right is None else "other-token"


def right_in_this_layout(policy: MaskPolicy) -> MaskPolicy:
    """The right policy, padded, cut and packed as the given one."""
    return replace(RIGHT, padding=policy.padding, max_tokens=policy.max_tokens, packing=policy.packing)


def _turns(conversation: Rendered) -> list[int]:
    """For each token the number of the answer it belongs to, from 1; 0 outside of answers."""
    turns = [0] * len(conversation.token_ids)
    for number, answer in enumerate(conversation.answers(), 1):
        turns[answer.start : answer.stop] = [number] * (answer.stop - answer.start)
    return turns


def _named(targets_BT: NDArray[np.int64], tokenizer: Tokenizer) -> list[list[str | None]]:
    """Targets as tokens, None where ignored."""
    names: dict[int, str | None] = dict(enumerate(tokenizer.tokens))
    return [[names[i] if i != IGNORE_INDEX else None for i in row] for row in targets_BT.tolist()]
