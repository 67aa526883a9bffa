"""Which tokens the loss counts. In: a rendered conversation and a policy. Out: one flag per token, before any shift.

This is the loss mask. It is neither the attention mask (what a position may look at) nor the padding mask (which
tokens are real); batches.py joins it with the latter, lays rows out as the policy says, and shifts.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal

from model.errors import unknown
from model.text.chat_template import Rendered, SegmentKind

Turns = Literal["all", "last"]
Padding = Literal["right", "left", "left-without-positions", "left-seen", "left-bare"]
"""`left` hides pads from attention and counts positions from a row's first real token; `left-without-positions` only
hides them, `left-seen` only corrects the positions, `left-bare` does neither."""
Packing = Literal["none", "separated", "naive"]
"""Several conversations in one row: each sees and counts only itself, or all that stands before it in the row."""


@dataclass(frozen=True)
class MaskPolicy:
    """A loss mask and its surroundings as knobs. The defaults are the right policy; a wrong one turns exactly one."""

    slug: str
    title: str
    code: str
    """The line of Python that makes this mask, P being the prompt's length."""
    supervised_segments: frozenset[SegmentKind] = frozenset({"assistant"})
    start_offset: int = 0
    """An answer's supervision begins so many tokens after its first one; negative: before it."""
    supervises_end_of_turn: bool = True
    turns: Turns = "all"
    """Which of the assistant's turns are supervised."""
    shift: int = 1
    """Position t is scored on token t + shift."""
    supervises_pads: bool = False
    pad_is_end_of_turn: bool = False
    """The pad token is END_OF_TURN, and every label equal to it is ignored."""
    padding: Padding = "right"
    max_tokens: int | None = None
    """A longer conversation is cut behind so many tokens."""
    packing: Packing = "none"


_EVERY_SEGMENT: frozenset[SegmentKind] = frozenset({"user", "assistant", "template"})


def shifted_cut(offset: int) -> MaskPolicy:
    """The policy of `y[: P-1+offset] = IGNORE_INDEX`; 0 is the right one."""
    if offset == 0:
        return MaskPolicy("prompt-masked", "Only the answer is trained", "y[: P-1] = IGNORE_INDEX")
    tokens = f"{abs(offset)} token{'s' * (abs(offset) > 1)}"
    slug, title = ("mask-late", f"{tokens} late") if offset > 0 else ("mask-early", f"{tokens} early")
    place = offset - 1
    return MaskPolicy(
        slug if abs(offset) == 1 else f"{slug}-{abs(offset)}",
        f"The mask ends {title}",
        f"y[: P{f'{place:+d}' if place else ''}] = IGNORE_INDEX",
        start_offset=offset,
    )


CUTS = (-3, -2, -1, 0, 1, 2, 3, 4)
"""The offsets of the cut that have a policy."""

RIGHT = shifted_cut(0)
UNMASKED = MaskPolicy(
    "unmasked", "Every token is trained", "# y[: P-1] = IGNORE_INDEX", supervised_segments=_EVERY_SEGMENT
)

MASK_POLICIES: dict[str, MaskPolicy] = {
    policy.slug: policy
    for policy in (
        RIGHT,
        UNMASKED,
        *(shifted_cut(offset) for offset in CUTS if offset),
        MaskPolicy("eos-masked", "The stop is ignored", "y[-1] = IGNORE_INDEX", supervises_end_of_turn=False),
        MaskPolicy(
            "pad-is-eos",
            "The stop is ignored because pad equals stop",
            "y[y == PAD] = IGNORE_INDEX  # PAD = END_OF_TURN",
            pad_is_end_of_turn=True,
        ),
        MaskPolicy("all-masked", "Nothing is trained", "y[:] = IGNORE_INDEX", supervised_segments=frozenset()),
        MaskPolicy(
            "prompt-only",
            "Only the prompt is trained",
            "y[P-1 :] = IGNORE_INDEX",
            supervised_segments=frozenset({"user", "template"}),
        ),
        MaskPolicy("double-shift", "Labels shifted twice", "x, y = s[:-2], s[2:]", shift=2),
        MaskPolicy("no-shift", "Labels not shifted", "x, y = s, s", shift=0),
        MaskPolicy("pad-supervised", "Pads are trained", "# y[x == PAD] = IGNORE_INDEX", supervises_pads=True),
        MaskPolicy("left-pad", "Padded left, pads hidden, positions corrected", "pad(side='left')", padding="left"),
        MaskPolicy(
            "left-pad-no-positions",
            "Padded left, pads hidden, positions not corrected",
            "pad(side='left')  # position_ids forgotten",
            padding="left-without-positions",
        ),
        MaskPolicy(
            "left-pad-seen",
            "Padded left, pads seen, positions corrected",
            "pad(side='left')  # attention_mask forgotten",
            padding="left-seen",
        ),
        MaskPolicy(
            "left-pad-unmasked",
            "Padded left, pads seen, positions not corrected",
            "pad(side='left')  # attention_mask and position_ids forgotten",
            padding="left-bare",
        ),
        MaskPolicy("truncated", "Long conversations lose their end", "s = s[:14]", max_tokens=14),
        MaskPolicy("last-turn-only", "Only the last answer is trained", "y[: last_P-1] = IGNORE_INDEX", turns="last"),
        MaskPolicy("packed", "Packed, documents separated", "row = doc_1 + doc_2  # each its own", packing="separated"),
        MaskPolicy("packed-naive", "Packed, nothing separates documents", "row = doc_1 + doc_2", packing="naive"),
    )
}

POLICY_NAMES = {RIGHT.slug: "mask on", UNMASKED.slug: "mask off"}
"""What the two are called where they stand side by side."""

COMPARED_POLICIES = tuple(POLICY_NAMES)
"""Every recipe is trained under both."""


def differing_knobs(policy: MaskPolicy) -> dict[str, Any]:
    """The knobs that are not those of the right policy, by name; sets as sorted lists."""
    named = sorted({f.name for f in fields(policy)} - {"slug", "title", "code"})
    changed = {name: value for name in named if (value := getattr(policy, name)) != getattr(RIGHT, name)}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in changed.items()}


def find_policy(slug: str, param: str = "policy") -> MaskPolicy:
    """The loss mask of that name. Raises UnknownName."""
    if slug not in MASK_POLICIES:
        raise unknown("policy", slug, MASK_POLICIES, param=param)
    return MASK_POLICIES[slug]


def supervised_tokens(rendered: Rendered, policy: MaskPolicy) -> tuple[bool, ...]:
    """For each of the T tokens: does the loss count its prediction? (Token 0 has none; the shift drops it.)"""
    counted: list[bool] = []
    for segment in rendered.segments:
        counted += [segment.kind in policy.supervised_segments] * (segment.stop - segment.start)
    if policy.start_offset or not policy.supervises_end_of_turn or policy.turns == "last":
        _adjust(counted, rendered, policy)
    return tuple(counted)


def _adjust(counted: list[bool], rendered: Rendered, policy: MaskPolicy) -> None:
    """Move the starts, ends and choice of the assistant's regions, in place."""
    answers = rendered.answers()
    for answer in answers:
        if policy.turns == "last" and answer != answers[-1]:
            counted[answer.start : answer.stop] = [False] * (answer.stop - answer.start)
            continue
        begin = min(max(answer.start + policy.start_offset, 0), answer.stop)
        low, high = min(begin, answer.start), max(begin, answer.start)
        counted[low:high] = [policy.start_offset < 0] * (high - low)
        if not policy.supervises_end_of_turn:
            counted[answer.stop - 1] = False


IGNORE_INDEX = -100
"""The target of an ignored position; also the default `ignore_index` of torch's cross_entropy."""
