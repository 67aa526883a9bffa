"""Pack -> pad -> mask -> shift -> Rows. The only place that shifts. In: rendered conversations. Out: inputs, targets.

Rows are padded on the right, where causal attention hides the pads from every real token, unless the policy says
otherwise. The padding mask and the loss mask compose by AND: a pad is never a target unless the policy is that bug.
Numpy arrays, so that a mask can be shown without torch; batches.py has the same as tensors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.masks.policies import IGNORE_INDEX, MaskPolicy, supervised_tokens
from model.masks.shift import shift
from model.text.chat_template import Rendered, Segment
from model.text.tokenizer import Tokenizer

PADS_ARE_SEEN = ("left-seen", "left-bare")
"""The paddings under which attention reaches pads: what happens at a pad then matters."""


@dataclass(frozen=True)
class Rows:
    """What a training step reads. T here counts positions: one less than the longest row has tokens."""

    inputs_BT: NDArray[np.int64]
    """Token ids; pads on one side."""
    targets_BT: NDArray[np.int64]
    """The token that position t is scored on (`s[t+1]`), or IGNORE_INDEX."""
    real_BT: NDArray[np.bool_]
    """False where neither the position has a loss nor any position with one sees it."""
    positions_BT: NDArray[np.int64] | None = None
    """The place each input is told it has; None: 0, 1, ... in every row."""
    documents_BT: NDArray[np.int64] | None = None
    """A position sees those before it with the same number; 0 for pads. None: all before it."""


@dataclass(frozen=True)
class Layout:
    """Which conversations stand in which row, and where the (B, T) cells of their tokens are."""

    rows: tuple[tuple[Rendered, ...], ...]
    real_BT: NDArray[np.bool_]
    """False at pads."""

    def conversations(self) -> Iterator[Rendered]:
        return (conversation for row in self.rows for conversation in row)

    def fill(self, pad: int, values: Sequence[int]) -> NDArray[Any]:
        """(B, T): one value for each token, conversation after conversation, and `pad` at the pads."""
        values_N = np.array(values)
        filled_BT = np.full(self.real_BT.shape, pad, values_N.dtype)
        filled_BT[self.real_BT] = values_N
        return filled_BT


def make_rows(
    conversations: Sequence[Rendered], policy: MaskPolicy, tokenizer: Tokenizer, *, row_tokens: int | None = None
) -> Rows:
    """The B rows under a policy, padded to the longest; a row is one conversation unless the policy packs.

    A packed row has at most `row_tokens` tokens. The tokenizer may be one without a pad token if nothing pads.
    """
    layout = lay_out(conversations, policy, row_tokens)
    pad_id = tokenizer.end_of_turn_id if policy.pad_is_end_of_turn else tokenizer.pad_id
    assert pad_id is not None or layout.real_BT.all(), "rows differ in length but there is no pad id"
    tokens_BT = layout.fill(pad_id or 0, [token for c in layout.conversations() for token in c.token_ids])
    supervised = [counted for c in layout.conversations() for counted in supervised_tokens(c, policy)]
    counted_BT = layout.fill(policy.supervises_pads, supervised)
    if policy.pad_is_end_of_turn:
        counted_BT &= tokens_BT != pad_id
    if policy.padding != "right" or policy.packing != "none":
        # Nothing predicts a conversation's first token: what stands before it is a pad or another conversation.
        counted_BT &= ~layout.fill(False, [i == 0 for c in layout.conversations() for i in range(len(c.token_ids))])
    labels_BT = np.where(counted_BT, tokens_BT, IGNORE_INDEX)
    positions_BT, documents_BT = _places(layout, policy)
    return Rows(
        tokens_BT[:, :-1],
        shift(labels_BT, policy.shift),
        _needed(layout.real_BT, policy),
        None if positions_BT is None else positions_BT[:, :-1],
        None if documents_BT is None else documents_BT[:, :-1],
    )


def lay_out(conversations: Sequence[Rendered], policy: MaskPolicy, row_tokens: int | None = None) -> Layout:
    """Cut, pack and pad, as `make_rows` does."""
    if policy.max_tokens is not None:
        conversations = [truncate(c, policy.max_tokens) for c in conversations]
    rows: tuple[tuple[Rendered, ...], ...] = tuple((c,) for c in conversations)
    if policy.packing != "none":
        assert row_tokens is not None, "a policy that packs needs row_tokens"
        rows = pack(conversations, row_tokens)
    lengths_B1 = np.array([[sum(len(c.token_ids) for c in row)] for row in rows])
    T = int(lengths_B1.max())
    places_T = np.arange(T)
    return Layout(rows, places_T < lengths_B1 if policy.padding == "right" else places_T >= T - lengths_B1)


def pack(conversations: Sequence[Rendered], row_tokens: int) -> tuple[tuple[Rendered, ...], ...]:
    """Rows of at most `row_tokens` tokens, each conversation in the first that has room."""
    rows: list[list[Rendered]] = []
    room: list[int] = []
    for conversation in conversations:
        length = len(conversation.token_ids)
        assert length <= row_tokens, (length, row_tokens)
        place = next((i for i, left in enumerate(room) if left >= length), None)
        if place is None:
            rows.append([])
            room.append(row_tokens)
            place = len(rows) - 1
        rows[place].append(conversation)
        room[place] -= length
    return tuple(map(tuple, rows))


def truncate(rendered: Rendered, max_tokens: int) -> Rendered:
    """The first `max_tokens` tokens of a conversation and the segments they lie in."""
    kept = [Segment(s.kind, s.start, min(s.stop, max_tokens)) for s in rendered.segments if s.start < max_tokens]
    return Rendered(rendered.token_ids[:max_tokens], tuple(kept))


def _needed(real_BT: NDArray[np.bool_], policy: MaskPolicy) -> NDArray[np.bool_]:
    """Of the positions. The last real token of a row is no input that anything follows."""
    if policy.supervises_pads or policy.padding in PADS_ARE_SEEN or policy.shift == 0:
        return np.ones_like(real_BT[:, :-1])
    return real_BT[:, :-1] & real_BT[:, 1:]


def _places(layout: Layout, policy: MaskPolicy) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """The positions and documents of the (B, T) tokens, where they are not what a model takes them for by itself."""
    if policy.packing != "separated" and policy.padding in ("right", "left-bare"):
        return None, None
    places = [i for c in layout.conversations() for i in range(len(c.token_ids))]
    documents = [number for row in layout.rows for number, c in enumerate(row, 1) for _ in c.token_ids]
    return (
        None if policy.padding == "left-without-positions" else layout.fill(0, places),
        None if policy.padding in PADS_ARE_SEEN else layout.fill(0, documents),
    )
