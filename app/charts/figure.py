"""The visualizer's figure at one step, written out: what the page shows and its script draws. In: values. Out: texts.

Every number is text here, so that the server's page and the script's drawing cannot differ. Both sides of the mask
switch and all four gradients are in it: a switch needs no further answer. Knows neither HTML nor torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.charts.chips import GRADIENT_CHOICES, Bar, draw_bars
from app.charts.seeds import SeedChart
from model.explain.analysis import Analysis, Position
from model.intervals import Rate, SeedRate
from model.masks.policies import RIGHT, UNMASKED
from model.text.tokenizer import END_OF_TURN
from model.training.evaluation import Metrics
from model.writing import compact, percent

SIDES = {RIGHT.slug: "on", UNMASKED.slug: "off"}
"""The mask switch's two sides by policy, as keys of texts."""
NAMES = {"on": "mask on", "off": "mask off"}
NOT_TRAINED = "not trained here"


class Guess(NamedTuple):
    """One of a model's likeliest next tokens. In JSON a list, as DrawnBar is: a page holds hundreds of them."""

    token: str
    percent: str
    width: float
    """Of its meter, in percent."""
    is_target: bool


class DrawnBar(NamedTuple):
    """A gradient's bar in a box of width 1 and height 100, y downwards."""

    text: str
    y: float
    height: float
    baseline: float


@dataclass(frozen=True)
class Cell:
    """One position under one side's mask and model."""

    trained: bool
    verdict: str
    """`right`, `wrong` or NOT_TRAINED: of the likeliest token."""
    chance: str
    """The likeliest token's probability in whole percent, without the sign."""
    guesses: tuple[Guess, ...]
    bars: dict[str, DrawnBar]
    """By GRADIENT_CHOICES."""
    target: str
    """The target's probability."""
    loss: str


@dataclass(frozen=True)
class Letter:
    """One that a model wrote."""

    token: str
    wrong: bool
    stop: bool


@dataclass(frozen=True)
class Written:
    letters: tuple[Letter, ...]
    verdict: str


@dataclass(frozen=True)
class Side:
    """A policy, and the model trained under it."""

    slug: str
    cells: tuple[Cell, ...]
    written: Written | None
    """None: the page's script asks for it, letter by letter."""


@dataclass(frozen=True)
class Figure:
    step: int
    sides: dict[str, Side]
    """By `on` and `off`."""
    texts: dict[str, str]
    """What stands elsewhere on the page, by name; names that begin with a side belong to it."""
    seeds: SeedChart


def draw_side(analysis: Analysis, slug: str, written: Written | None) -> Side:
    bars = {field: draw_bars(analysis, choice) for field, choice in GRADIENT_CHOICES.items()}
    cells = tuple(
        _draw_cell(position, {field: drawn[place] for field, drawn in bars.items()})
        for place, position in enumerate(analysis.positions)
    )
    return Side(slug, cells, written)


def judge_written(tokens: Sequence[str], right: str, stopped: bool) -> Written:
    """What a model wrote against the right answer, END_OF_TURN included."""
    letters = tuple(Letter(t, right[i : i + 1] != t, t == END_OF_TURN) for i, t in enumerate(tokens))
    if "".join(tokens) == right:
        verdict = "right ✓"
    elif stopped:
        verdict = "wrong ✗"
    else:
        verdict = f"never stops ✗ (cut off after {len(tokens)})"
    return Written(letters, verdict)


def texts_of(side: str, analysis: Analysis, metrics: Metrics) -> dict[str, str]:
    """What the page says of a side in other places than the columns."""
    positions, trained = len(analysis.positions), analysis.supervised_count
    rate = metrics.exact_match
    return {
        f"{side}.right": percent(rate.value, 1),
        f"{side}.interval": _interval(rate),
        f"{side}.tokens": percent(metrics.token_accuracy.value, 1),
        f"{side}.trained": f"{trained} of {positions}",
        f"{side}.ignored": f"{analysis.ignored_count} of {positions}",
        f"{side}.use": percent(trained / positions),
        f"{side}.loss": "" if analysis.loss is None else f"{analysis.loss:.4f}",
        f"{side}.share": compact(analysis.prompt_share),
    }


def texts_of_seeds(seeds: SeedChart) -> dict[str, str]:
    """What all seeds of the recipe say at this step."""
    texts = {"seeds.said": seeds.said, "seeds.step": f"{seeds.step:,}"}
    for side, rate in zip(SIDES.values(), seeds.rates, strict=True):
        texts[f"seeds.{side}"] = percent(rate.value, 1)
        texts[f"seeds.{side}.interval"] = _interval(rate)
    return texts


def _interval(rate: Rate | SeedRate) -> str:
    return f"{100 * rate.low:.1f} to {percent(rate.high, 1)}"


def _draw_cell(position: Position, bars: dict[str, Bar]) -> Cell:
    best = position.predictions[0]
    verdict = "right" if best.token == position.target else "wrong"
    assert position.loss is not None, position
    assert position.target_probability is not None, position
    return Cell(
        trained=position.supervised,
        verdict=verdict if position.supervised else NOT_TRAINED,
        chance=f"{100 * best.probability:.0f}",
        guesses=tuple(_guess(p.token, p.probability, position.target) for p in position.predictions),
        bars={
            field: DrawnBar(compact(value), round(y, 1), round(height, 1), round(baseline, 1))
            for field, (y, height, baseline, value) in bars.items()
        },
        target=percent(position.target_probability, 1),
        loss=f"{position.loss:.3f}",
    )


def _guess(token: str, probability: float, target: str | None) -> Guess:
    shown = percent(probability, 1)  # and read again: to round takes longer
    return Guess(token, shown, float(shown[:-2]), token == target)
