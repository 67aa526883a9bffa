"""What SFT makes of a share of other answers, as charts over that share. In: the measured runs."""

from collections.abc import Callable, Sequence

from app.charts.curves import RATE, CurveChart, Series, draw_curves, series_over_seeds
from model.experiments.limits import OTHER_SHARES, SPREADS, LimitRun, runs_at

NAMES = {"scattered": "mistakes scattered", "predictable": "mistakes by a rule"}


def labeller_chart(runs: Sequence[LimitRun]) -> CurveChart:
    """Answers right over the share of wrong labels; on the dotted line a model is as good as its labels."""
    series = [_over_shares(runs, where, where, NAMES[where], lambda run: run.reversal.value) for where in SPREADS]
    labels = _over_shares(runs, "predictable", "labels", "labels right", lambda run: run.labeller.value)
    return _draw("labels", "Answers right, by wrong labels", "of held-out words", [*series, labels], "wrong labels")


def answers_chart(runs: Sequence[LimitRun]) -> CurveChart:
    """The probability of both answers over the share of the second, where nothing tells which it will be."""
    first = _over_shares(runs, "scattered", "thought", "the reversal", lambda run: run.p_reversal)
    second = _over_shares(runs, "scattered", "direct", "the other answer", lambda run: run.p_other)
    return _draw("both-answers", "Probability of both answers", "mean over words", [first, second], "shown the other")


def _draw(slug: str, title: str, y_title: str, series: Sequence[Series], x_title: str) -> CurveChart:
    return draw_curves(slug, title, series, y_title=y_title, y_unit=RATE, x_title=x_title, x_unit=RATE)


def _over_shares(
    runs: Sequence[LimitRun], where: str, slug: str, name: str, read: Callable[[LimitRun], float]
) -> Series:
    values = {share: [read(run) for run in runs_at(runs, where, share)] for share in OTHER_SHARES}
    return series_over_seeds(slug, name, values)
