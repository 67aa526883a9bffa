"""The training of the dispatcher's arms as charts over steps: mean over seeds, lowest to highest. In: runs."""

from collections.abc import Mapping, Sequence

from app.charts.curves import RATE, CurveChart, Link, Series, draw_curves, series_over_seeds
from model.experiments.dispatcher.arms import ARMS, ArmRun
from model.training.pretraining import BaseRun

QUANTITIES = {
    "right": ("Sums right", "of sums SFT never saw"),
    "stops": ("Stops by itself", "of answers"),
    "continues": ("Goes on with another question", "of answers"),
}


def curves_over_steps(runs: Mapping[str, Sequence[ArmRun]], links: Sequence[Link], step: int) -> tuple[CurveChart, ...]:
    """One chart per quantity, `runs` by arm."""
    return tuple(
        draw_curves(
            quantity,
            title,
            [_series(arm, rows, quantity) for arm, rows in runs.items()],
            y_title=y_title,
            y_unit=RATE,
            x_title="steps of SFT",
            links=links,
            current_x=float(step),
        )
        for quantity, (title, y_title) in QUANTITIES.items()
    )


def pretraining_curve(base: BaseRun) -> CurveChart:
    """What the base learned, and when."""
    names = {"continues": "goes on with another question", "knows": "knows the sum after Q: and A:"}
    return draw_curves(
        "pretraining",
        "Before: the base",
        [
            Series(slug, name, tuple((float(m.step), getattr(m.metrics, slug).value) for m in base.measurements))
            for slug, name in names.items()
        ],
        y_title="of all sums",
        x_title="steps of pretraining",
    )


def _series(arm: str, runs: Sequence[ArmRun], quantity: str) -> Series:
    at_each_step = zip(*(run.answered for run in runs), strict=True)
    values = {float(rows[0].step): [getattr(row, quantity).value for row in rows] for rows in at_each_step}
    return series_over_seeds(arm, ARMS[arm].title, values)
