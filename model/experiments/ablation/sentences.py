"""What an ablation shows, in plain sentences. In: comparisons. Out: text made of their numbers and of nothing else.

Every verdict has wording of its own, and every sentence of a comparison says over how many seeds it speaks. Knows no
page.
"""

from collections.abc import Sequence

from model.experiments.ablation.findings import (
    CLOSE,
    COMPARED_AT,
    FEWEST_SEEDS,
    Comparison,
    Side,
    Verdict,
    judged,
    side_of_end,
    side_of_steps,
)
from model.experiments.ablation.runs import Setting
from model.masks.policies import RIGHT, UNMASKED
from model.writing import joined

COUNTED: dict[Verdict, str] = {
    "helped": "helped in {}",
    "hurt": "hurt in {}",
    "mixed": "helped in one way and hurt in another in {}",
    "no clear difference": "made no clear difference in {}",
    "not learned": "could not be judged in {} where too few runs learned the task",
    "too few seeds": "could not be judged in {} that had too few seeds",
}
GOAL = f"{COMPARED_AT:.0%}".replace("%", " %")


def headline(comparisons: Sequence[Comparison]) -> str:
    """How often the mask saved steps, and how many."""
    found = judged(comparisons)
    sides = [side_of_steps(c.ratio) for c in found]
    sentences = [f"Steps to {GOAL}: of {_settings(found)}, masking the prompt {_by_side(sides)}."] if found else []
    for side, where in (("helped", "Where it helped"), ("hurt", "Where it hurt")):
        group = [c for c, s in zip(found, sides, strict=True) if s == side]
        if group:
            sentences.append(f"{where}, training with the mask off took {_range(group)} times as many steps.")
    return " ".join((*sentences, *_left_out(comparisons)))


def _settings(comparisons: Sequence[Comparison]) -> str:
    return "1 setting" if len(comparisons) == 1 else f"{len(comparisons)} settings"


def _by_side(sides: Sequence[Side]) -> str:
    """`helped in 2, hurt in 1 and made no clear difference in 4`"""
    words: tuple[tuple[Side, str], ...] = (
        ("helped", "helped in {}"),
        ("hurt", "hurt in {}"),
        (None, "made no clear difference in {}"),
    )
    return joined([text.format(sides.count(side)) for side, text in words if side in sides])


def _left_out(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """What could not be judged; none if all could."""
    rest = [c for c in comparisons if c not in judged(comparisons)]
    return (f"Of {_settings(comparisons)}, masking the prompt {counted(rest)}.",) if rest else ()


def counted(comparisons: Sequence[Comparison]) -> str:
    """`helped in 2 and hurt in 1`"""
    counts = {verdict: sum(c.verdict == verdict for c in comparisons) for verdict in COUNTED}
    return joined([words.format(counts[verdict]) for verdict, words in COUNTED.items() if counts[verdict]] or [""])


def catching_up(comparisons: Sequence[Comparison]) -> str:
    """Who is ahead when training ends, in how many settings, and by how much at most; empty if none can be judged."""
    found = judged(comparisons)
    if not found:
        return ""
    close = sum(round(abs(c.end.value), 6) <= CLOSE for c in found)
    parts = [
        f"Accuracy when training ends: of {_settings(found)}, masking the prompt "
        f"{_by_side([side_of_end(c.end) for c in found])}; in {close} the mean exact matches were within "
        f"{100 * CLOSE:.0f} percentage point of each other."
    ]
    for side, where in (("helped", "Where it helped, the mask-off"), ("hurt", "Where it hurt, the mask-on")):
        points = [abs(c.end.value) for c in found if side_of_end(c.end) == side]
        if points:
            most = "up to " if len(points) > 1 else ""
            parts.append(f"{where} models ended {most}{_points(max(points))} percentage points behind.")
    return " ".join(parts)


def sentences(comparison: Comparison) -> tuple[str, ...]:
    """All that is said of a setting: its verdict, the runs that never arrived, the curves."""
    said = (verdict_sentence(comparison), missing_sentence(comparison), gap_sentence(comparison))
    return tuple(filter(None, said))


def verdict_sentence(comparison: Comparison) -> str:
    """What a setting shows, with its numbers and their intervals."""
    seeds, ratio = comparison.seeds(), comparison.ratio
    masked, unmasked = comparison.arrived()
    budget = _steps(comparison.setting.steps)
    times = f"training with the mask off took {ratio_of(comparison)} times as many steps to {GOAL}"
    interval = f"{write_ratio(ratio.low)} to {write_ratio(ratio.high)}"
    means = f"{_steps(comparison.unmasked_steps)} on average against {_steps(comparison.masked_steps)}"
    steps = f"{times} (95 % interval {interval}, {seeds} seeds), {means}"
    match comparison.verdict:
        case "helped" | "hurt" if side_of_steps(ratio):
            fewer = ", which is fewer" if comparison.verdict == "hurt" else ""
            return f"Masking {comparison.verdict}: {times}{fewer} (95 % interval {interval}, {seeds} seeds), {means}."
        case "helped" | "hurt":
            return f"Masking {comparison.verdict}: {_end(comparison)}. The steps alone do not show it: {steps}."
        case "mixed":
            return f"Masking {side_of_steps(ratio)} and {side_of_end(comparison.end)}: {steps}; {_end(comparison)}."
        case "no clear difference":
            return f"No clear difference: {times}, {means}; the 95 % interval ({interval}, {seeds} seeds) contains 1."
        case "not learned":
            return (
                f"Not learned: {masked} of {seeds} mask-on and {unmasked} of {seeds} mask-off runs reached {GOAL} "
                f"within {budget} steps, too few to compare."
            )
        case "too few seeds":
            return f"Too few seeds for a verdict: {seeds}, and it takes {FEWEST_SEEDS}. In these, {times}, {means}."


def _end(comparison: Comparison) -> str:
    """Who is behind when the budget is spent, and how far."""
    end, seeds = comparison.end, comparison.seeds()
    who, low, high = ("mask-on", -end.high, -end.low) if end.value < 0 else ("mask-off", end.low, end.high)
    return (
        f"after {_steps(comparison.setting.steps)} steps the {who} models were {_points(abs(end.value))} percentage "
        f"points behind (95 % interval {_points(low)} to {_points(high)}, {seeds} seeds)"
    )


def missing_sentence(comparison: Comparison) -> str:
    """Which runs never arrived, and what they count as; empty if all did."""
    budget, seeds = _steps(comparison.setting.steps), comparison.seeds()
    arrived = zip(("mask-on", "mask-off"), comparison.arrived(), strict=True)
    missing = [f"{seeds - count} of {seeds} {name} runs" for name, count in arrived if count < seeds]
    if not missing:
        return ""
    return f"{joined(missing).capitalize()} had not reached {GOAL} after {budget} steps and count as {budget}."


def gap_sentence(comparison: Comparison) -> str:
    """Where the mean curves are furthest apart, and where they end."""
    masked, unmasked = (comparison.curve("exact_match", policy) for policy in (RIGHT.slug, UNMASKED.slug))
    at, end = comparison.widest_gap(), len(masked.steps) - 1

    def against(place: int) -> str:
        on, off = (_percent(curve.mean[place]) for curve in (masked, unmasked))
        return f"{on} right with the mask on against {off} with it off"

    return (
        f"The mean curves are furthest apart at step {_steps(masked.steps[at])}: {against(at)}. "
        f"They end at step {_steps(masked.steps[end])}: {against(end)}."
    )


def conditions(setting: Setting) -> str:
    """`words of 4 letters; 1 layer of width 32; ...`: all that the runs of a setting share, but its budget."""
    words, layers, batches = _fixed(setting)
    return f"{words}; {layers} of width {setting.width}; learning rate {write_rate(setting.learning_rate)}; {batches}"


def shared_conditions(settings: Sequence[Setting]) -> str:
    """What settings of different width and learning rate have in common."""
    return "; ".join(dict.fromkeys(part for setting in settings for part in _fixed(setting)))


def _fixed(setting: Setting) -> tuple[str, str, str]:
    """Words, layers, batches."""
    letters = " to ".join(map(str, sorted({setting.min_length, setting.max_length})))
    asked = {None: "", 1: ", the last one asked for"}.get(
        setting.answer_length, f", the last {setting.answer_length} of them asked for, reversed"
    )
    layers = "1 layer" if setting.layers == 1 else f"{setting.layers} layers"
    return f"words of {letters} letters{asked}", layers, f"batches of {setting.batch_size}"


def budget_sentence(setting: Setting) -> str:
    return (
        f"Each run had {_steps(setting.steps)} steps and was measured every {setting.evaluate_every} "
        f"on {setting.evaluation_words} unseen words."
    )


def sweep_sentence(comparisons: Sequence[Comparison]) -> str:
    """Ratio by how much of the sequence has no loss, in the order given."""
    parts = [f"{ratio_of(c)} with {_percent(c.setting.ignored_share(), 0)} ({c.verdict})" for c in comparisons]
    return f"Steps without the mask over steps with it, by the share of positions without a loss: {joined(parts)}."


def ratio_of(comparison: Comparison, least: str = "at least", most: str = "at most") -> str:
    """`1.56`, or `at least 9.80` where it is a bound because runs of one side never arrived."""
    bound = {"at least": f"{least} ", "at most": f"{most} ", None: ""}[comparison.bound()]
    return bound + write_ratio(comparison.ratio.value)


def write_ratio(value: float) -> str:
    """Two decimals, more where they would hide on which side of 1 it is."""
    texts = (f"{value:.{digits}f}" for digits in (2, 3, 4, 5, 6))
    return next((text for text in texts if float(text) != 1 or value == 1), f"{value:.6f}")


def write_rate(value: float) -> str:
    """0.0003, never 3e-04."""
    return f"{value:.10f}".rstrip("0").rstrip(".")


def _steps(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def _points(value: float) -> str:
    return f"{100 * value:.1f}"


def _range(comparisons: Sequence[Comparison]) -> str:
    ordered = sorted(comparisons, key=lambda c: c.ratio.value)
    low, high = ratio_of(ordered[0]), ratio_of(ordered[-1])
    return low if low == high else f"{low} to {high}"
