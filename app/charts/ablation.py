"""The charts of an ablation, by name: what its page draws and the API gives as files. In: findings. Out: charts."""

from collections.abc import Sequence
from urllib.parse import urlencode

from app.charts.comparisons import Pair, PairChart, Ratio, RatioChart, draw_pairs, draw_ratios
from app.charts.curves import GUESSING, NATS, RATE, CurveChart, Series, Unit, draw_curves, random_letter
from model.experiments.ablation.findings import COMPARED_AT, Comparison, Quantity
from model.experiments.ablation.runs import Setting
from model.experiments.ablation.sentences import ratio_of, write_rate, write_ratio
from model.masks.policies import POLICY_NAMES
from model.training.recipes import RECIPES

CURVES: dict[Quantity, tuple[str, str, Unit]] = {
    "exact_match": ("Answers right", "of unseen words, mean over seeds", RATE),
    "assistant": ("Loss on the answer", "nats per token, mean over seeds", NATS),
    "user": ("Loss on the user's letters", "nats per letter, mean over seeds", GUESSING),
}


def curve_charts(comparison: Comparison) -> tuple[CurveChart, ...]:
    """Mean and band over seeds of each quantity, both policies."""
    return tuple(curve_chart(comparison, quantity) for quantity in CURVES)


def curve_chart(comparison: Comparison, quantity: Quantity) -> CurveChart:
    title, y_title, unit = CURVES[quantity]
    series = [
        Series(
            curve.policy,
            POLICY_NAMES[curve.policy],
            tuple(zip(map(float, curve.steps), curve.mean, strict=True)),
            tuple(zip(map(float, curve.steps), curve.low, curve.high, strict=True)),
        )
        for curve in (comparison.curve(quantity, policy) for policy in POLICY_NAMES)
    ]
    return draw_curves(
        quantity.replace("_", "-"),
        title,
        series,
        y_title=y_title,
        y_unit=unit,
        guess=random_letter(len(RECIPES[comparison.setting.recipe].task.alphabet)) if quantity == "user" else None,
    )


def pair_chart(comparison: Comparison) -> PairChart:
    """Steps to COMPARED_AT of each seed."""
    return draw_pairs(
        "pairs",
        f"Steps to {COMPARED_AT:.0%} of each seed".replace("%", " %"),
        [Pair(f"seed {a.seed}", a.masked, a.unmasked) for a in comparison.arrivals[COMPARED_AT]],
        tuple(POLICY_NAMES.items()),
        comparison.setting.steps,
    )


def ratio_chart(comparisons: Sequence[Comparison], selected: Comparison | None = None) -> RatioChart:
    """The ratio of every setting."""
    ratios = [_ratio(c, name_of(c.setting), selected) for c in comparisons]
    return draw_ratios("ratios", "All settings side by side", ratios)


def sweep_chart(comparisons: Sequence[Comparison], selected: Comparison | None = None) -> RatioChart:
    """The ratios of settings that differ in how much of the word is asked."""
    ratios = [_ratio(c, f"{100 * c.setting.ignored_share():.0f} % without a loss", selected) for c in comparisons]
    return draw_ratios("sweep", "How much of the sequence is prompt", ratios)


def name_of(setting: Setting) -> str:
    """Short: what a setting's runs are told apart by."""
    letters = (
        str(setting.max_length)
        if setting.min_length == setting.max_length
        else f"{setting.min_length} to {setting.max_length}"
    )
    asked = "" if setting.answer_length is None else f", {setting.answer_length} asked"
    return f"{letters} letters{asked} · width {setting.width} · rate {write_rate(setting.learning_rate)}"


def _ratio(comparison: Comparison, name: str, selected: Comparison | None) -> Ratio:
    ratio, drawn = comparison.ratio, comparison.verdict != "not learned"
    interval = f"{ratio_of(comparison, '≥', '≤')} ({write_ratio(ratio.low)} to {write_ratio(ratio.high)})"
    return Ratio(
        name=name,
        value=ratio.value,
        low=ratio.low,
        high=ratio.high,
        verdict=comparison.verdict,
        note=interval if drawn else "\N{EN DASH}",
        href=f"/ablation?{urlencode({'setting': comparison.setting.slug})}#setting",
        current=comparison == selected,
        drawn=drawn,
    )
