"""What an ablation shows, in plain sentences. In: comparisons. Out: text made of their numbers and of nothing else.

Every verdict has wording of its own, and every sentence of a comparison says over how many seeds it speaks. Knows no
page.
"""

from collections.abc import Sequence

from model.ablation import Setting
from model.ablation_analysis import COMPARED_AT, FEWEST_SEEDS, MASKED, UNMASKED, Comparison, Verdict

COUNTED: dict[Verdict, str] = {
    "helped": "helped in {}",
    "hurt": "hurt in {}",
    "no clear difference": "made no clear difference in {}",
    "not learned": "could not be judged in {} where too few runs learned the task",
    "too few seeds": "could not be judged in {} that had too few seeds",
}
CAUGHT_UP_WITHIN = 0.01
GOAL = f"{COMPARED_AT:.0%}".replace("%", " %")


def headline(comparisons: Sequence[Comparison]) -> str:
    """How often the mask helped, and how much where it did."""
    counts = {verdict: sum(c.verdict == verdict for c in comparisons) for verdict in COUNTED}
    settings = "setting" if len(comparisons) == 1 else "settings"
    parts = [words.format(counts[verdict]) for verdict, words in COUNTED.items() if counts[verdict]]
    sentences = [f"Of {len(comparisons)} {settings}, masking the prompt {_join(parts)}."]
    for verdict, where in (("helped", "Where it helped"), ("hurt", "Where it hurt")):
        ratios = [c.ratio.value for c in comparisons if c.verdict == verdict]
        if ratios:
            sentences.append(f"{where}, training without the mask took {_range(ratios)} times as many steps to {GOAL}.")
    return " ".join(sentences)


def catching_up(comparisons: Sequence[Comparison]) -> str:
    """How many of the gaps are closed when training ends."""
    closed = 0
    for comparison in comparisons:
        masked, unmasked = (comparison.curve("exact_match", policy).mean[-1] for policy in (MASKED, UNMASKED))
        closed += round(abs(masked - unmasked), 6) <= CAUGHT_UP_WITHIN
    return (
        f"At the end of training, masked and unmasked models were within {100 * CAUGHT_UP_WITHIN:.0f} percentage point "
        f"of each other in {closed} of {len(comparisons)}."
    )


def verdict_sentence(comparison: Comparison) -> str:
    """What a setting shows, with the ratio unmasked / masked and its interval."""
    seeds, ratio = comparison.seeds(), comparison.ratio
    times = f"training without the mask took {write_ratio(ratio.value)} times as many steps to {GOAL}"
    interval = f"{write_ratio(ratio.low)} to {write_ratio(ratio.high)}"
    means = f"{_steps(comparison.unmasked_steps)} on average against {_steps(comparison.masked_steps)}"
    masked, unmasked = comparison.arrived()
    match comparison.verdict:
        case "helped":
            return f"Masking helped: {times} (95 % interval {interval}, {seeds} seeds), {means}."
        case "hurt":
            return f"Masking hurt: {times}, which is fewer (95 % interval {interval}, {seeds} seeds), {means}."
        case "no clear difference":
            return f"No clear difference: {times}, {means}; the 95 % interval ({interval}, {seeds} seeds) contains 1."
        case "not learned":
            budget = _steps(comparison.setting.steps)
            return (
                f"Not learned: {masked} of {seeds} masked and {unmasked} of {seeds} unmasked runs reached {GOAL} "
                f"within {budget} steps, too few to compare."
            )
        case "too few seeds":
            return f"Too few seeds for a verdict: {seeds}, and it takes {FEWEST_SEEDS}. In these, {times}, {means}."


def missing_sentence(comparison: Comparison) -> str:
    """Which runs never arrived, and what they count as; empty if all did."""
    budget, seeds = _steps(comparison.setting.steps), comparison.seeds()
    arrived = zip(("masked", "unmasked"), comparison.arrived(), strict=True)
    missing = [f"{seeds - count} of {seeds} {name} runs" for name, count in arrived if count < seeds]
    if not missing:
        return ""
    return f"{_join(missing).capitalize()} had not reached {GOAL} after {budget} steps and count as {budget}."


def gap_sentence(comparison: Comparison) -> str:
    """Where the mean curves are furthest apart, and where they end."""
    masked, unmasked = (comparison.curve("exact_match", policy) for policy in (MASKED, UNMASKED))
    at, end = comparison.widest_gap(), len(masked.steps) - 1

    def against(place: int) -> str:
        return f"{_percent(masked.mean[place])} right with the mask against {_percent(unmasked.mean[place])} without"

    return (
        f"The mean curves are furthest apart at step {_steps(masked.steps[at])}: {against(at)}. "
        f"They end at step {_steps(masked.steps[end])}: {against(end)}."
    )


def conditions(setting: Setting) -> str:
    """`width 32, 1 layer, learning rate 0.0003, ...`: all that the runs of a setting share, but its budget."""
    lengths = {setting.min_length, setting.max_length}
    letters = " to ".join(map(str, sorted(lengths)))
    asked = {None: "", 1: ", the last one asked for"}.get(
        setting.answer_length, f", the last {setting.answer_length} of them asked for, reversed"
    )
    layers = "1 layer" if setting.layers == 1 else f"{setting.layers} layers"
    return (
        f"words of {letters} letters{asked}; {layers} of width {setting.width}; "
        f"learning rate {write_rate(setting.learning_rate)}; batches of {setting.batch_size}"
    )


def budget_sentence(setting: Setting) -> str:
    return (
        f"Each run had {_steps(setting.steps)} steps and was measured every {setting.evaluate_every} "
        f"on {setting.evaluation_words} held-out words."
    )


def sweep_sentence(comparisons: Sequence[Comparison]) -> str:
    """Ratio by how much of the sequence has no loss, in the order given."""
    parts = [
        f"{write_ratio(c.ratio.value)} with {_percent(c.setting.ignored_share(), 0)} ({c.verdict})" for c in comparisons
    ]
    return f"Steps without the mask over steps with it, by the share of positions without a loss: {_join(parts)}."


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


def _range(values: Sequence[float]) -> str:
    low, high = write_ratio(min(values)), write_ratio(max(values))
    return low if low == high else f"{low} to {high}"


def _join(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
