"""A claim in one line: which of its figures stand there, and the few words that they get. Literal data."""

from collections.abc import Mapping
from dataclasses import dataclass

from model.claims.claim import Figure, Figures

LINES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "worksheet": (("continues", "go on"), ("answers", "answer")),
    "knowledge": (("sft_0.5", "from the base"), ("scratch_0.5", "from random")),
    "machinery": (("sft_same", "settings same"),),
    "gibberish": (("reverse_seen", "a letter just read"),),
    "gap": (("helped", "ahead"), ("hurt", "behind")),
    "speed": (("helped", "faster"), ("hurt", "slower")),
    "collapse": (("unmasked_early", "mask off"), ("masked_early", "mask on")),
    "mask-late": (("bug_first_right", "y[:P]"), ("right_first_right", "y[:P-1]")),
    "mask-early": (("bug_exact_match", "y[:P-2]"), ("right_exact_match", "y[:P-1]")),
    "budget": (("reverse4", "toy"), ("answers", "requests")),
    "right-padding": (("exact", "right"),),
    "left-padding": (("neither", "bare"), ("both", "put right")),
    "turns": (("bug_by_turn", "last only"), ("right_by_turn", "all")),
    "packing": (("separated", "apart"), ("naive", "mixed")),
    "intact": (("continues_after", "after"), ("continues_before", "before")),
    "drift": (("assistant", "answers"), ("statement", "statements")),
    "steps": (("sft", "SFT"), ("pretraining", "pretraining")),
    "learning-rate": (("new_inside_right", "inside"), ("new_outside_right", "outside")),
    "preferences": (("p_first", "one"), ("p_second", "other")),
    "answers": (("p_first", "one"), ("p_second", "other")),
    "labeller": (("scattered_0.3", "answers"), ("scattered_0.3_labeller", "labels")),
    "reasoning": (("numbers-thought", "in steps"), ("numbers-direct", "at once")),
}
"""By claim the keys of its figures with their words: first what the claim speaks of, then what it is held against."""


@dataclass(frozen=True)
class Lined:
    words: str
    figure: Figure

    @property
    def value(self) -> str:
        """A count says of how many: `13 of 15`."""
        figure = self.figure
        return f"{figure} of {figure.n}" if figure.unit == "count" and figure.n else str(figure)


def line_of(slug: str, figures: Figures) -> tuple[Lined, ...]:
    """One or two of the claim's figures, of one unit; the first, in its own words, of a claim that has no line."""
    first = next(iter(figures))
    return tuple(Lined(words, figures[key]) for key, words in LINES.get(slug, ((first, figures[first].label),)))
