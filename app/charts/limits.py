"""What SFT makes of a share of other answers, as charts over that share. In: the measured runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.charts.curves import RATE, CurveChart, Series, draw_curves, series_over_seeds
from model.experiments.limits import LimitRun, arm_runs
from model.experiments.other_answers import SPREADS, Where

NAMES: dict[Where, str] = {"scattered": "mistakes scattered", "predictable": "mistakes by a rule"}


def labeller_chart(runs: Sequence[LimitRun]) -> CurveChart:
    """Answers right over the share of wrong labels; on the dotted line a model is as good as its labels."""
    series = [_over_shares(runs, where, where, NAMES[where], lambda run: run.reversal.value) for where in NAMES]
    labels = _over_shares(runs, "predictable", "labels", "labels right", lambda run: run.labeller.value)
    return _draw("labels", "Answers right, by wrong labels", "of unseen words", [*series, labels], "wrong labels")


def answers_chart(runs: Sequence[LimitRun], where: Where = "both", title: str = "") -> CurveChart:
    """The probability of both answers over the share of the second, each seed as a dot."""
    first = _over_shares(runs, where, "reversal", "the reversal", lambda run: run.p_reversal, dots=True)
    second = _over_shares(runs, where, "copy", "the word itself", lambda run: run.p_other, dots=True)
    series = [first, second]
    if all(run.p_mixed is not None for run in runs if run.where == where):
        series.append(_over_shares(runs, where, "labels", "all mixtures", lambda run: run.p_mixed or 0.0, dots=True))
    title = title or "Probability of both answers"
    return _draw(f"answers-{where}", title, "probability, mean over words", series, "labels that are the word itself")


def _draw(slug: str, title: str, y_title: str, series: Sequence[Series], x_title: str) -> CurveChart:
    return draw_curves(slug, title, series, y_title=y_title, y_unit=RATE, x_title=x_title, x_unit=RATE)


def _over_shares(
    runs: Sequence[LimitRun],
    where: Where,
    slug: str,
    name: str,
    read: Callable[[LimitRun], float],
    dots: bool = False,
) -> Series:
    shares = (0.0, *(share for share in SPREADS[where].shares if share))
    values = {share: [read(run) for run in arm_runs(runs, where, share)] for share in shares}
    series = series_over_seeds(slug, name, values)
    return replace(series, dots=tuple((x, y) for x, ys in values.items() for y in ys)) if dots else series
