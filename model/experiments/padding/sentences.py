"""What was measured of padding, in plain sentences made of the numbers and of nothing else."""

from collections.abc import Mapping

from model.experiments.padding.accuracies import PaddedAccuracy
from model.experiments.padding.arms import TWO_BY_TWO
from model.experiments.padding.rows import PaddedRow
from model.masks.policies import RIGHT
from model.writing import compact, percent

ENOUGH, HALF = 0.9, 0.5
"""An arm with so many words right counts as repaired; one with fewer than half of them does not."""
SHORT = 2
"""Words of at most so many letters are told apart from the longer ones."""

Measured = Mapping[tuple[str, str], PaddedAccuracy]
"""By the padding a model was trained with, and the one it is asked with."""


def headline(measured: Measured) -> str:
    """The page's title, which says that both repairs are needed only if they were."""
    arms = [measured[RIGHT.slug, arm.policy] for arm in TWO_BY_TWO]
    both, *others = [arm.right_with_pads() / arm.with_pads.n for arm in arms]
    if both > ENOUGH and max(others) < HALF:
        return "Pads on the left: two things to put right, and one alone is not enough"
    return "Pads on the left: hidden or seen, positions corrected or not"


def two_by_two_sentence(measured: Measured) -> str:
    """What each repair does by itself and what both do, in the model that was trained with pads on the right."""
    both, hidden, corrected, neither = (
        measured[RIGHT.slug, used]
        for used in ("left-pad", "left-pad-no-positions", "left-pad-seen", "left-pad-unmasked")
    )
    short = corrected.right_with_pads(SHORT)
    return (
        f"Hide the pads and correct the positions, and {both.right_with_pads()} of {both.with_pads.n} padded words "
        f"are right. Hide the pads only: {hidden.right_with_pads()}. Correct the positions only: "
        f"{corrected.right_with_pads()}, of which {short} have {SHORT} letters or fewer. Do neither: "
        f"{neither.right_with_pads()}."
    )


def interaction_sentence(measured: Measured) -> str:
    """What each repair does without the other, and with it."""
    both, hidden, corrected, neither = (measured[RIGHT.slug, arm.policy].right_with_pads() for arm in TWO_BY_TWO)
    return (
        f"Correcting the positions takes the right answers from {neither} to {corrected} while the pads are seen, "
        f"but from {hidden} to {both} once they are hidden. Hiding the pads takes them from {neither} to {hidden} "
        f"while the positions count them, but from {corrected} to {both} once they do not."
    )


def mistakes_sentence(measured: Measured) -> str:
    """In which way the answers are wrong where a repair is left undone."""
    _, hidden, corrected, neither = (_mistakes(measured[RIGHT.slug, arm.policy]) for arm in TWO_BY_TWO)
    return (
        f"The two faults go wrong in different ways. Of the answers, with the pads hidden but counted, {hidden}; "
        f"with the pads seen but not counted, {corrected}; with both faults at once, {neither}."
    )


def _mistakes(row: PaddedAccuracy) -> str:
    """`124 are too short and 136 too long`; ways that do not occur are left out."""
    found = [f"{count} {way}" for way, count in row.wrong_with_pads().items() if count]
    if not found:
        return "none is wrong"
    first, *others = found[0].split(" ", 1)
    return " and ".join([f"{first} are {others[0]}", *found[1:]])


def trained_sentence(measured: Measured) -> str:
    """What models answer that were trained with pads on the left; words that need no pads are told apart."""
    right, bare = RIGHT.slug, "left-pad-unmasked"

    def told(trained: str, used: str) -> str:
        row = measured[trained, used]
        return f"{row.right_with_pads()} of {row.with_pads.n}"

    least = min(measured.values(), key=lambda row: row.without_pads.value).without_pads
    spared = f"all {least.n}" if least.value == 1 else f"at least {round(least.value * least.n)} of the {least.n}"
    return (
        f"Trained and asked with pads on the right, the model gets {told(right, right)} padded words right. "
        f"Trained and asked with left pads that it sees and counts, it gets {told(bare, bare)} right; "
        f"asked with pads on the right, {told(bare, right)}. The words that need no pads show none of this: "
        f"every model gets {spared} of them right, however it is asked."
    )


def changes_sentence(changes: Mapping[str, float]) -> str:
    """How far each repair brings the logits back; `changes` by padding."""
    both, hidden, corrected, neither = (
        compact(changes[slug]) for slug in ("left-pad", "left-pad-no-positions", "left-pad-seen", "left-pad-unmasked")
    )
    return (
        f"With neither repair a logit changes by up to {neither}; with the pads hidden only, by {hidden}; "
        f"with the positions corrected only, by {corrected}; with both, by {both}."
    )


def attention_sentence(row: PaddedRow, layer: int, position: int) -> str:
    """How much of their attention a layer's heads spend on pads."""
    spent = [row.on_pads(layer, head, position) for head in range(len(row.weights[layer]))]
    return (
        f"At the position shown, the heads of this layer spend {percent(min(spent), 1)} to {percent(max(spent), 1)} "
        "of their attention on pads."
    )
