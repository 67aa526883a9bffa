"""Which tokens the loss counts. In: a rendered conversation and a policy. Out: one flag per token, before any shift.

This is the loss mask. It is neither the attention mask (what a position may look at) nor the padding mask (which
tokens are real); batches.py joins it with the latter and shifts.
"""

from dataclasses import dataclass

from model.chat import Rendered, SegmentKind


@dataclass(frozen=True)
class MaskPolicy:
    """A loss mask as knobs. The defaults are the right policy; a wrong policy turns exactly one."""

    slug: str
    title: str
    code: str
    """The line of Python that makes this mask, P being the prompt's length."""
    supervised_segments: frozenset[SegmentKind] = frozenset({"assistant"})


MASK_POLICIES: dict[str, MaskPolicy] = {
    policy.slug: policy
    for policy in (
        MaskPolicy("prompt-masked", "Only the answer is trained", "y[: P-1] = IGNORE_INDEX"),
        MaskPolicy(
            "unmasked",
            "Every token is trained",
            "# y[: P-1] = IGNORE_INDEX",
            supervised_segments=frozenset({"user", "assistant", "template"}),
        ),
    )
}


def supervised_tokens(rendered: Rendered, policy: MaskPolicy) -> tuple[bool, ...]:
    """For each of the T tokens: does the loss count its prediction? (Token 0 has none; the shift drops it.)"""
    counted: list[bool] = []
    for segment in rendered.segments:
        counted += [segment.kind in policy.supervised_segments] * (segment.stop - segment.start)
    return tuple(counted)
