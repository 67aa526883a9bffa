"""Two rows of dots, one for each seed under each mask, joined by pairs. In: seeds at a step. Out: places, plain data.

Places are in the picture's units: x from 0 to WIDTH is exact match from 0 to 100 %.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.charts.curves import SIDE
from model.experiments.ablation.runs import Ablation, Setting
from model.experiments.ablation.seeds import SeedPair, SeedsAtStep
from model.intervals import SeedRate
from model.masks.policies import RIGHT, UNMASKED

WIDTH, DOT = 240.0, 5.0
TOP, BOTTOM = 58.0, 92.0
"""The lines that the dots stand on and hang from."""
CELL = 0.025
"""Seeds no further apart than this are stacked."""


@dataclass(frozen=True)
class SeedDot:
    policy: str
    seed: int
    x: float
    y: float
    shown: bool
    """Of the seed of the two models shown."""


@dataclass(frozen=True)
class SeedLine:
    """Joins the two runs of a seed."""

    start: float
    end: float
    shown: bool


@dataclass(frozen=True)
class SeedChart:
    said: str
    rates: tuple[SeedRate, SeedRate]
    """Mask on, mask off."""
    step: int
    words: int
    dots: tuple[SeedDot, ...]
    lines: tuple[SeedLine, ...]
    means: tuple[float, float]
    description: str


def draw_seeds(at: SeedsAtStep, shown_seed: int) -> SeedChart:
    pairs = sorted(at.pairs, key=lambda pair: pair.seed != shown_seed)  # the shown one stands on the line itself
    dots = (
        *_stack(RIGHT.slug, pairs, [pair.masked for pair in pairs], TOP - DOT, -DOT, shown_seed),
        *_stack(UNMASKED.slug, pairs, [pair.unmasked for pair in pairs], BOTTOM + DOT, DOT, shown_seed),
    )
    lines = [SeedLine(_x(p.masked), _x(p.unmasked), p.seed == shown_seed) for p in reversed(pairs)]
    told = "; ".join(
        f"seed {p.seed}: mask on {100 * p.masked:.1f} %, mask off {100 * p.unmasked:.1f} %" for p in at.pairs
    )
    return SeedChart(
        at.sentence().replace(" %", "\N{NO-BREAK SPACE}%"),
        (at.masked, at.unmasked),
        at.step,
        at.setting.evaluation_words,
        dots,
        tuple(lines),
        (_x(at.masked.value), _x(at.unmasked.value)),
        f"Unseen words right at step {at.step:,}, each seed. {told}.",
    )


def draw_seed_curves(ablation: Ablation, setting: Setting, steps: Sequence[int]) -> dict[str, str]:
    """For each policy one path with a curve for each seed, at those of the steps that were measured.

    In a square of side SIDE, as the lines of charts are: x from 0 to the last step, y downwards.
    """
    measured = {step: place for place, step in enumerate(setting.evaluated_steps())}
    kept = [step for step in steps if step in measured]
    paths = {}
    for policy in (RIGHT.slug, UNMASKED.slug):
        curves = []
        for seed in ablation.seeds:
            rights = ablation.run(setting, policy, seed).exact_match
            points = (f"{SIDE * s / steps[-1]:.0f} {SIDE * (1 - rights[measured[s]]):.0f}" for s in kept)
            curves.append("M" + "L".join(points))
        paths[policy] = "".join(curves)
    return paths


def _x(value: float) -> float:
    return round(WIDTH * value, 1)


def _stack(
    policy: str, pairs: Sequence[SeedPair], values: Sequence[float], base: float, up: float, shown_seed: int
) -> list[SeedDot]:
    """Dots that would cover each other stand on each other."""
    heights: Counter[int] = Counter()
    dots = []
    for pair, value in zip(pairs, values, strict=True):
        cell = round(value / CELL)
        dots.append(SeedDot(policy, pair.seed, _x(value), base + up * heights[cell], pair.seed == shown_seed))
        heights[cell] += 1
    return dots
