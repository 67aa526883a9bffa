"""What the lesson claims about training with the mask and without it. Literal data and one rule each."""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from model.claims.claim import (
    SAME,
    SAME_TOLD,
    Claim,
    Figure,
    Figures,
    Judgement,
    Source,
    Spans,
    Unit,
    does_not_hold,
    holds,
    holds_when,
)
from model.claims.evidence import Evidence
from model.experiments.ablation.findings import Comparison, MeanCurve, Side, judged, side_of_end, side_of_steps
from model.experiments.ablation.sentences import conditions
from model.intervals import Interval
from model.masks.policies import POLICY_NAMES, RIGHT, UNMASKED
from model.text.tasks import describe_range

BOOTSTRAP: Spans = "95 % bootstrap interval over seeds"
BOTH = RIGHT.slug, UNMASKED.slug
FULL = 0.999
"""Where both sides have this much right, nothing is left that could differ."""


def _speed_figures(evidence: Evidence) -> Figures:
    settings = judged(evidence.comparisons)
    ratios = sorted(settings, key=lambda c: c.ratio.value)
    ratio = "steps to 90 % without the mask over steps with it"
    return {
        **_counts(settings, "mask on saved steps to 90 %", "mask on cost steps", lambda c: side_of_steps(c.ratio)),
        "least": _over_seeds(f"smallest ratio: {ratio}", ratios[0].ratio, "times", ratios[0]),
        "most": _over_seeds(f"largest ratio: {ratio}", ratios[-1].ratio, "times", ratios[-1]),
    }


def _gap_figures(evidence: Evidence) -> Figures:
    settings = judged(evidence.comparisons)
    ends = sorted(settings, key=lambda c: c.end.value)
    same = [c for c in settings if c.end.low >= -SAME and c.end.high <= SAME]
    full = [c for c in settings if min(c.curve("exact_match", p).mean[-1] for p in BOTH) >= FULL]
    return {
        **_counts(settings, "mask on ends ahead", "mask on ends behind", lambda c: side_of_end(c.end)),
        "same": _count(f"settings that end within {SAME_TOLD}, by the whole interval", len(same), settings),
        "full": _count("settings in which both sides end with at least 99.9 % right", len(full), settings),
        "behind": _over_seeds(
            "most by which mask on ends behind, exact match", _turned(ends[0].end), "points", ends[0]
        ),
        "ahead": _over_seeds("most by which mask on ends ahead, exact match", ends[-1].end, "points", ends[-1]),
    }


def _counts(
    settings: Sequence[Comparison], helped: str, hurt: str, side: Callable[[Comparison], Side]
) -> dict[str, Figure]:
    """In how many settings masking helped, hurt, neither; and in how many of those with words of one length."""
    sides = [side(c) for c in settings]
    found = {
        "helped": _count(f"settings in which {helped}", sides.count("helped"), settings),
        "hurt": _count(f"settings in which {hurt}", sides.count("hurt"), settings),
        "none": _count("settings without a clear difference", sides.count(None), settings),
    }
    for name, title, fixed in (("one", "of one length", True), ("several", "of several lengths", False)):
        group = [c for c in settings if (c.setting.min_length == c.setting.max_length) == fixed]
        count = sum(side(c) == "helped" for c in group)
        found[f"helped_{name}"] = _count(f"of those with words {title}, settings in which {helped}", count, group)
    return found


def _count(label: str, found: int, settings: Sequence[Comparison]) -> Figure:
    """The conditions say what these settings are."""
    seeds = settings[0].seeds() if settings else 0
    lengths = _told((c.setting.min_length, c.setting.max_length) for c in settings)
    layers = sorted({c.setting.layers for c in settings})
    models = f"models of {' or '.join(map(str, layers))} {'layer' if layers == [1] else 'layers'}"
    return Figure(label, found, "count", f"words of {lengths} letters, {models}, {seeds} seeds each", len(settings))


def _told(ranges: Iterable[tuple[int, int]]) -> str:
    return " or ".join(describe_range(*lengths) for lengths in sorted(set(ranges)))


def _over_seeds(label: str, found: Interval, unit: Unit, comparison: Comparison) -> Figure:
    seeds = comparison.seeds()
    bound = comparison.bound() if unit == "times" else None
    ends = found.low, found.high, BOOTSTRAP
    setting = f"{conditions(comparison.setting)}; {comparison.setting.steps:,} steps"
    return Figure(label, found.value, unit, setting, seeds, *ends, bound=bound)


def _turned(found: Interval) -> Interval:
    return Interval(-found.value, -found.high, -found.low)


def _judge_speed(f: Figures) -> Judgement:
    settings = f["helped"].n
    least, most = (f"{str(f[name]).removesuffix(' times')} ({f[name].interval()})" for name in ("least", "most"))
    found = (
        f"Over all {settings} settings, the mask clearly saved steps in {f['helped']}, clearly cost steps in "
        f"{f['hurt']} and made no clear difference in {f['none']}. Steps to 90 % without the mask over steps with it "
        f"range from {least} to {most}: {f['least'].spans}, and a run that never got there counts as its whole budget"
    )
    if f["helped"].value == settings:
        return holds(f"{found}.")
    one, several = f["helped_one"], f["helped_several"]
    if one.value == one.n and several.value < (several.n or 0):
        return holds_when(
            f"all words have the same length: the mask saved steps in {one} of {one.n} such settings and in {several} "
            f"of the {several.n} others. The first group has {one.conditions}. The second has {several.conditions}. "
            f"Length and depth change together, so either could be the cause. {found}."
        )
    return does_not_hold(f"{found}.")


def _judge_gap(f: Figures) -> Judgement:
    settings, behind, ahead = f["helped"].n, f["behind"], f["ahead"]
    found = (
        f"When training ends, mask on is clearly ahead in {f['helped']} of {settings} settings, clearly behind in "
        f"{f['hurt']} and neither in {f['none']}. In {f['same']} settings the whole interval of the difference lies "
        f"within {SAME_TOLD}; in {f['full']} settings both sides end with at least 99.9 % right, so nothing could "
        f"differ"
    )
    if f["hurt"].value:
        found += f". At worst it ends {behind} behind ({behind.spans} {behind.interval()}, {behind.n} seeds)"
    if f["helped"].value:
        found += f". At best it ends {ahead} ahead ({ahead.spans} {ahead.interval()}, {ahead.n} seeds)"
    if f["helped"].value == settings:
        return holds(f"{found}.")
    return does_not_hold(f"{found}.")


def _collapse_figures(evidence: Evidence) -> Figures:
    """Where the mean curves of `reverse4` as it is are furthest apart, and where they end."""
    comparison = next(c for c in evidence.comparisons if c.setting.slug == "reverse4")
    found = {}
    for when, place in (("early", comparison.widest_gap()), ("end", -1)):
        for name, policy in (("masked", RIGHT.slug), ("unmasked", UNMASKED.slug)):
            found[f"{name}_{when}"] = _at(
                POLICY_NAMES[policy], comparison.curve("exact_match", policy), place, comparison
            )
    later, budget = comparison.curve("exact_match", UNMASKED.slug), comparison.seeds()
    falls = [before - after for before, after in zip(accumulate(later.mean, max), later.mean, strict=True)]
    label = f"most by which the mean of {POLICY_NAMES[UNMASKED.slug]} ever falls below an earlier one, exact match"
    found["fall"] = Figure(label, max(falls), "points", f"words of exactly 4 letters, {budget} seeds", budget)
    early = comparison.widest_gap()
    label = f"exact match at step {later.steps[early]:,}, {POLICY_NAMES[UNMASKED.slug]}, the highest seed"
    found["highest"] = Figure(label, later.most[early], "share", "words of exactly 4 letters, one seed", 1)
    return found


def _at(name: str, curve: MeanCurve, place: int, comparison: Comparison) -> Figure:
    label = f"exact match at step {curve.steps[place]:,}, {name}"
    ends = curve.low[place], curve.high[place], BOOTSTRAP
    words, seeds = comparison.setting.evaluation_words, comparison.seeds()
    return Figure(
        label, curve.mean[place], "share", f"words of exactly 4 letters, {seeds} seeds", words, *ends, questions=words
    )


def _judge_collapse(f: Figures) -> Judgement:
    end, early, fall = f["unmasked_end"], f["unmasked_early"], f["fall"]
    ends = f"Training ends at {end} right with the mask off, and at {f['masked_end']} with it on"
    if f["masked_end"].clearly_above(end, SAME):
        return holds(f"{ends}.")
    if fall.value > SAME:
        return holds_when(f"training stops at the wrong moment: the mean falls by up to {fall} on its way. {ends}.")
    if not f["masked_early"].clearly_above(early, SAME):
        return does_not_hold(f"With the mask off, {early} are right early and {end} at the end: no clear collapse.")
    return does_not_hold(
        f"Without the mask, accuracy comes later; over {fall.n} seeds its mean never falls by more than {fall} on its "
        f"way up. Where the two curves are furthest apart, {f['masked_early']} of unseen words are right with the mask "
        f"on and {early} with it off ({early.conditions}; the best seed alone has {f['highest']}). {ends}."
    )


ABLATION_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "gap",
        "Masking the prompt makes a large and reliable difference in accuracy when training ends.",
        "ablation",
        Source("/ablation", "maskscope claims --check", "maskscope ablate --shipped"),
        _gap_figures,
        _judge_gap,
    ),
    Claim(
        "speed",
        "Masking the prompt saves training steps.",
        "ablation",
        Source("/ablation", "maskscope claims --check", "maskscope ablate --shipped"),
        _speed_figures,
        _judge_speed,
    ),
    Claim(
        "collapse",
        "Without the mask, accuracy on the response collapses.",
        "ablation",
        Source("/ablation?recipe=reverse4", "maskscope claims --check", "maskscope ablate --shipped"),
        _collapse_figures,
        _judge_collapse,
    ),
)
"""Accuracy at the end and speed are two claims: a verdict is one word, and these two have different ones."""
