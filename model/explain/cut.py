"""Where the answer's loss begins: one conversation's s, x and y under a cut. In: a conversation and an offset. Out: an
Alignment, plain data, made from the batch that training reads. Needs no model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from model.explain.cells import Cell, inspect_mask
from model.masks.policies import CUTS, MaskPolicy, shifted_cut
from model.text.chat_template import Rendered
from model.training.recipes import Recipe


@dataclass(frozen=True)
class Alignment:
    """Of a conversation of T tokens: x = s[:-1] and y = s[1:] have T-1 entries, and x[i] predicts y[i] = s[i+1]."""

    policy: MaskPolicy
    tokens: tuple[str, ...]
    """s, all T of them."""
    prompt_length: int
    """P: tokens before the first one of the answer."""
    cells: tuple[Cell, ...]
    """The T-1 positions."""

    @property
    def sequence_length(self) -> int:
        return len(self.tokens)

    @property
    def response_length(self) -> int:
        """R = T - P."""
        return self.sequence_length - self.prompt_length

    @property
    def cut(self) -> int:
        """y[:cut] is ignored, as a slice takes it: never before 0 nor behind the end."""
        return min(max(self.prompt_length - 1 + self.policy.start_offset, 0), len(self.cells))

    @property
    def trained(self) -> tuple[int, ...]:
        """The indices of y that have a loss."""
        return tuple(cell.position for cell in self.cells if cell.supervised)


def align(recipe: Recipe, conversation: Rendered, offset: int) -> Alignment:
    """The alignment under the policy `shifted_cut(offset)`, one of CUTS."""
    assert offset in CUTS, offset
    inspection = inspect_mask(recipe, [conversation], shifted_cut(offset))
    tokens = tuple(recipe.tokenizer.tokens[i] for i in conversation.token_ids)
    return Alignment(inspection.policy, tokens, conversation.prompt_length, inspection.cells())


def describe_trained(alignment: Alignment) -> str:
    """`y[6..11], 6 of 12`: the trained indices as ranges."""
    spans = ", ".join(_span(run) for run in _runs(alignment.trained)) or "nothing"
    return f"{spans}, {len(alignment.trained)} of {len(alignment.cells)}"


def describe_mistakes(alignment: Alignment) -> str:
    """What the cut loses or leaks against the right one, in a sentence or two."""
    lost = [cell for cell in alignment.cells if cell.mistake == "lost"]
    leaked = [cell for cell in alignment.cells if cell.mistake == "leaked"]
    if lost:
        kept = "" if alignment.trained else " Nothing is left to train on."
        first = "the step from reading to answering" if len(lost) == 1 else "the answer's beginning"
        return f"Lost: {_transitions(lost)}. Nothing trains {first}, {_letters(lost)}.{kept}"
    if leaked:
        said = f"The model is also trained to say {_letters(leaked)}, which belongs to the prompt."
        return f"Leaked: {_transitions(leaked)}. {said}"
    return "Right: every token of the answer has a loss, the stop included, and no token of the prompt has one."


def _transitions(cells: Iterable[Cell]) -> str:
    return _and([f"{cell.input} → {cell.next}" for cell in cells])


def _letters(cells: Sequence[Cell]) -> str:
    return _and([cell.next for cell in cells])


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _runs(indices: Sequence[int]) -> list[list[int]]:
    """Runs of neighbouring indices."""
    return [[i for _, i in run] for _, run in groupby(enumerate(indices), lambda pair: pair[1] - pair[0])]


def _span(run: Sequence[int]) -> str:
    return f"y[{run[0]}..{run[-1]}]" if len(run) > 1 else f"y[{run[0]}]"
