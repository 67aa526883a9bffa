"""What all seeds of one setting could do at one step: a figure beside which a single run can be read.

In: an Ablation. Out: plain values and their sentence. A recipe's own setting holds the runs of that recipe, trained as
the shipped ones and measured on fewer words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from model.experiments.ablation.runs import Ablation, Setting
from model.intervals import SeedRate, rate_over_seeds, wilson
from model.masks.policies import RIGHT, UNMASKED
from model.writing import percent


@dataclass(frozen=True)
class SeedPair:
    """The exact match of one seed's two runs: same first weights, same words in the same order."""

    seed: int
    masked: float
    unmasked: float


@dataclass(frozen=True)
class SeedsAtStep:
    setting: Setting
    step: int
    pairs: tuple[SeedPair, ...]
    masked: SeedRate
    unmasked: SeedRate

    @property
    def ahead(self) -> int:
        """Pairs in which mask on has more words right."""
        return sum(pair.masked > pair.unmasked for pair in self.pairs)

    @property
    def behind(self) -> int:
        return sum(pair.masked < pair.unmasked for pair in self.pairs)

    def sentence(self) -> str:
        """Who is ahead in how many pairs, by how much on average, and what one pair says then."""
        seeds = len(self.pairs)
        if not (self.ahead or self.behind):
            mean = percent(self.masked.value, 1)
            return f"At step {self.step:,} both are level in all {seeds} seeds, with {mean} right on average."
        behind = "" if self.ahead == seeds else f", mask off in {self.behind}"
        means = f"{percent(self.masked.value, 1)} against {percent(self.unmasked.value, 1)}"
        count = f"At step {self.step:,} mask on is ahead in {self.ahead} of {seeds} seeds{behind}: {means} on average."
        if seeds in (self.ahead, self.behind):
            return f"{count} Every pair says the same."
        return f"{count} One pair says little."


def seeds_at(ablation: Ablation, setting: Setting, step: int) -> SeedsAtStep:
    """At the last measured step that is not after the one given."""
    steps = setting.evaluated_steps()
    place = max(i for i, measured in enumerate(steps) if measured <= step)
    runs = {p: [ablation.run(setting, p, seed) for seed in ablation.seeds] for p in (RIGHT.slug, UNMASKED.slug)}
    rights = {policy: [run.exact_match[place] for run in of_policy] for policy, of_policy in runs.items()}
    masked, unmasked = rights[RIGHT.slug], rights[UNMASKED.slug]
    return SeedsAtStep(
        setting,
        steps[place],
        tuple(SeedPair(*row) for row in zip(ablation.seeds, masked, unmasked, strict=True)),
        *(rate_over_seeds([wilson(value, setting.evaluation_words) for value in values]) for values in rights.values()),
    )


def telling_step(
    ablation: Ablation, setting: Setting, steps: Sequence[int], learned: float, otherwise: int
) -> SeedsAtStep:
    """The first of the steps at which mask on has learned the task in every seed, else at the one given."""
    return next(
        (at for at in _at_each(ablation, setting, steps) if min(pair.masked for pair in at.pairs) >= learned),
        seeds_at(ablation, setting, otherwise),
    )


def _at_each(ablation: Ablation, setting: Setting, steps: Sequence[int]) -> Iterable[SeedsAtStep]:
    return (seeds_at(ablation, setting, step) for step in steps)
