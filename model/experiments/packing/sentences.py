"""What packing does, in plain sentences. In: counts, effects, symptoms. Out: text made of their numbers alone."""

from collections.abc import Sequence

from model.experiments.bugs.gallery import Measured
from model.experiments.packing.effects import LEAST_LEAK, DocumentChange, Effects
from model.experiments.packing.rows import Filling, SeenRow, boundaries
from model.explain.cells import Inspection
from model.intervals import Rate
from model.writing import number


def sight_sentence(row: SeenRow) -> str:
    """What of a row's looks back goes astray, or would."""
    own, other, hidden = (row.count(sight) for sight in ("own", "other", "hidden"))
    if other:
        part = share(other / (own + other))
        return f"{other:,} of {own + other:,} attention links, {part}, lead into another conversation."
    if hidden:
        return f"All {own:,} attention links stay inside one conversation; {hidden:,} between conversations are hidden."
    return f"The row holds one conversation: all {own:,} attention links stay inside it."


def labels_sentence(inspection: Inspection) -> str:
    """Whether the first token of a conversation is a target of the one before it."""
    found = boundaries(inspection)
    if not found:
        return "No conversation follows another one here, so no row has a seam."
    trained = sum(cell.supervised for cell in found)
    seams = "1 conversation begins" if len(found) == 1 else f"{len(found)} conversations begin"
    before = "The position before it" if len(found) == 1 else "The position before each"
    if trained:
        return f"{seams} after another one, and at {trained} of these seams the next one's first token is a target."
    return (
        f"{seams} after another one. {before} is ignored: the first token of the next conversation "
        "is never a target of the last one."
    )


def filling_sentence(padded: Filling, packed: Filling) -> str:
    """Of the same conversations."""
    saved = 1 - packed.cells / padded.cells
    less = f"{share(saved)} fewer" if saved > 0 else "no fewer" if saved == 0 else f"{share(-saved)} more"
    conversations = "1 conversation" if padded.conversations == 1 else f"{padded.conversations} conversations"
    return (
        f"{conversations} of {padded.real:,} tokens in all. Padded: {padded.cells:,} cells, {share(padded.share)} of "
        f"them tokens. Packed: {packed.cells:,} cells, {share(packed.share)}: {less}."
    )


def effects_sentence(step: int, effects: Effects) -> str:
    """The loss and the gradient of one model under both policies."""
    separated, naive = effects.effect("packed"), effects.effect("packed-naive")
    begin = f"At step {step:,} the loss of these conversations unpacked is {number(effects.loss)}."
    if separated.leaks:
        kept = f"Packed and kept apart it is {number(separated.loss)}, which is more than rounding."
    else:
        kept = (
            f"Packed and kept apart it differs by {number(abs(separated.loss_difference))}, and no weight's gradient "
            f"by more than {number(separated.gradient_difference)}: rounding."
        )
    if naive.leaks:
        lost = (
            f"Packed and not kept apart it is {number(naive.loss)}, and a weight's gradient differs by up to "
            f"{number(naive.gradient_difference)}, where the largest unpacked is {number(effects.largest_gradient)}."
        )
    else:
        lost = "Packed and not kept apart it is the same too."
    return f"{begin} {kept} {lost}"


def documents_sentence(changes: Sequence[DocumentChange]) -> str:
    """Which conversations notice their neighbours."""
    changed = [change for change in changes if change.logit_change > LEAST_LEAK]
    if not changed:
        return "Packed like this, every conversation gets the same logits as alone, up to rounding."
    first = sum(change.start == 0 for change in changes)
    kept = len(changes) - len(changed)
    largest = max(changed, key=lambda change: change.logit_change)
    words = (
        f"{len(changed)} of {len(changes)} conversations get different logits than alone; "
        f"the most, {number(largest.logit_change)}, in {largest.text}."
    )
    if kept == first and all(change.start > 0 for change in changed):
        words += " Those at the start of a row see nothing before them and do not change."
    return words


def outcome_sentence(right: Measured, separated: Measured, naive: Measured) -> str:
    """What the models trained this way answer, on unseen words one at a time."""
    reference, apart, together = (model.symptoms.exact_match for model in (right, separated, naive))
    return (
        f"Trained unpacked, the model gets {rate(reference)} of unseen words right. "
        f"Trained on rows kept apart: {rate(apart)}, {_against(apart, reference)}. "
        f"Trained on rows not kept apart: {rate(together)}, {_against(together, reference)}."
    )


def rate(value: Rate) -> str:
    """`90.6 % (95 % Wilson interval 87.7 to 92.9 %, n = 500)`"""
    interval = f"{share(0.95)} Wilson interval {100 * value.low:.1f} to {share(value.high, 1)}"
    return f"{share(value.value, 1)} ({interval}, n = {value.n})"


def share(value: float, digits: int = 0) -> str:
    return f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def _against(value: Rate, reference: Rate) -> str:
    if value.high < reference.low:
        return "clearly fewer than unpacked"
    if value.low > reference.high:
        return "clearly more than unpacked"
    return "no clear difference from unpacked"
