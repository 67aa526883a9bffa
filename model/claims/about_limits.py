"""What the lesson claims about the limits of SFT, and about reasoning. Literal data and one rule each."""

from functools import partial

from model.claims.claim import (
    SAME,
    Claim,
    Figure,
    Figures,
    Judgement,
    Source,
    does_not_hold,
    holds,
    holds_when,
    not_settled,
    shown,
)
from model.claims.evidence import Evidence
from model.experiments.limits import LimitRun, runs_at
from model.experiments.reasoning.controls import CONTROLS, PAIR, control_rows
from model.experiments.reasoning.traces import TRACE_PAIRS, runs_of
from model.experiments.shipped import SEEDS
from model.writing import joined


def _at(where: str, share: float, evidence: Evidence) -> tuple[LimitRun, ...]:
    return runs_at(evidence.limits, where, share)


def _labeller_figures(evidence: Evidence) -> Figures:
    found = {}
    for where, share in (("scattered", 0.3), ("predictable", 0.3), ("scattered", 0.7)):
        runs, conditions = _at(where, share, evidence), f"{100 * share:.0f} % wrong, {where}, {len(SEEDS)} seeds"
        labels, answers = [r.labeller for r in runs], [r.reversal for r in runs]
        found[f"{where}_{share}_labeller"] = Figure.of_rates("labels right", labels, conditions)
        found[f"{where}_{share}"] = Figure.of_rates("answers right and stopped", answers, conditions)
        found[f"{where}_{share}_gain"] = Figure.of_differences(
            "answers right less labels right, seed by seed", answers, labels, conditions
        )
    return found


def _judge_labeller(f: Figures) -> Judgement:
    """Better, or no better, only if the whole interval of what is gained says so."""
    scattered, ruled = (f[f"{where}_0.3_gain"] for where in ("scattered", "predictable"))
    by_chance = f"labels {f['scattered_0.3_labeller']} right gave answers {f['scattered_0.3']} right"
    by_rule = f"labels {f['predictable_0.3_labeller']} right gave answers {f['predictable_0.3']} right"
    majority = (
        f"Where nothing tells the wrong words apart, greedy answers take the majority: {by_chance}; with 70 % wrong "
        f"labels, {f['scattered_0.7']}"
    )
    if scattered.at_most() < SAME and ruled.at_most() < SAME:
        return holds(f"{by_chance.capitalize()}, and {by_rule} where the mistakes follow a rule.")
    if scattered.at_least() > SAME and ruled.at_most() < SAME:
        return holds_when(f"the mistakes follow a rule: {by_rule}. {majority}.")
    told = f"{majority}. Where the mistakes follow a rule, {by_rule}"
    if ruled.at_least() > SAME:
        return does_not_hold(f"{told}.")
    unknown = f"{told}: no difference found with n = {ruled.n} words and {len(ruled.seeds)} seeds"
    return (does_not_hold if scattered.at_least() > SAME else not_settled)(f"{unknown}.")


def _answers_figures(share: float, evidence: Evidence) -> Figures:
    runs, conditions = _at("scattered", share, evidence), f"{100 * share:.0f} % of the words with the other answer"
    return {
        "p_first": Figure.of_mean("probability of the reversal", [r.p_reversal for r in runs], "share", conditions),
        "p_second": Figure.of_mean("probability of the other answer", [r.p_other for r in runs], "share", conditions),
        "first": Figure.of_rates("greedy: the reversal and a stop", [r.reversal for r in runs], conditions),
        "second": Figure.of_rates("greedy: the other and a stop", [r.other for r in runs], conditions),
        "only_first": Figure.of_mean(
            "the other, if never shown", [r.p_other for r in _at("scattered", 0.0, evidence)], "share", "reversals only"
        ),
    }


def _judge_answers(f: Figures) -> Judgement:
    given = f"{f['p_first']} and {f['p_second']}"
    if f["only_first"].value > 0.1:
        return does_not_hold(f"An answer never shown gets {f['only_first']}.")
    if f["p_second"].value > 0.1:
        return holds_when(
            f"only one of them is shown: then the other gets {f['only_first']}. Shown both in equal parts, "
            f"the model gives them {given}."
        )
    return holds(f"Even shown both, it gives them {given}.")


def _judge_preferences(f: Figures) -> Judgement:
    gap = abs(f["p_first"].value - f["p_second"].value)
    given = f"{f['p_first']} and {f['p_second']}"
    if gap < 0.2:
        return holds(f"Trained on both answers it gives them {given}, whichever was preferred: rows carry no order.")
    return does_not_hold(f"It tells them apart: {given}.")


def _reasoning_figures(evidence: Evidence) -> Figures:
    found: dict[str, Figure] = {}
    for pair in TRACE_PAIRS.values():
        most = pair.sums.most
        for recipe in pair.recipes:
            rows = [run.at(most) for run in runs_of(evidence.reasoning, recipe.slug)]
            conditions = f"{most} {pair.title}, {len(rows)} seeds, step {recipe.training.steps}"
            found[recipe.slug] = Figure.of_rates(
                f"right and stopped, {recipe.slug}", [row.right for row in rows], conditions
            )
            passes = Figure.of_mean(f"forward passes, {recipe.slug}", [row.passes for row in rows], "count", conditions)
            found[f"{recipe.slug}-passes"] = passes
    return found | _control_figures(evidence)


def _control_figures(evidence: Evidence) -> dict[str, Figure]:
    rows = {row.slug: row for row in control_rows(evidence.controls, evidence.reasoning)}
    found: dict[str, Figure] = {}
    for slug in CONTROLS:
        row = rows[slug]
        conditions = f"{PAIR.sums.most} {PAIR.title}, {len(SEEDS)} seeds, step {row.steps:,}"
        found[slug] = Figure.of_seeds(f"right and stopped, {row.title}", row.right, conditions)
    direct, thought = (rows[recipe.slug] for recipe in PAIR.recipes)
    conditions = f"{PAIR.title}, {direct.steps:,} steps each"
    found["targets"] = Figure(
        "targets trained, with a trace over at once", thought.targets / direct.targets, "times", conditions
    )
    return found


def _judge_reasoning(f: Figures) -> Judgement:
    pairs = {c: tuple(f[recipe.slug] for recipe in c.recipes) for c in TRACE_PAIRS.values()}
    helped = [c.title for c, (direct, thought) in pairs.items() if thought.clearly_above(direct, SAME)]
    found = "; ".join(
        f"{c.sums.most} {c.title}: {direct} at once, {thought} with a trace" for c, (direct, thought) in pairs.items()
    )
    if not helped:
        return does_not_hold(f"{found}.")
    (direct, thought), filler, stopped = pairs[PAIR], f["filler"], f["trace-stopped"]
    spelled, fewer = thought.clearly_above(filler, SAME), stopped.clearly_above(direct, SAME)
    told = (
        f"{found}. After a filler as long as the trace {filler} are right: positions alone are "
        f"{'not enough' if spelled else 'enough'}. With only as many targets as the answers at once, a trace reaches "
        f"{stopped}; whether answers at once would catch up, given as many as the trace, was not measured."
    )
    conditions = [
        *(["the tokens spell out the steps"] if spelled else []),
        *([f"the terms are {' or '.join(helped)}"] if len(helped) < len(pairs) else []),
        *([] if fewer else [f"the trace gets its {f['targets']} as many targets"]),
    ]
    return holds_when(f"{joined(conditions)}. {told}") if conditions else holds(told)


EQUAL = partial(_answers_figures, 0.5)

LIMIT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "preferences",
        "SFT cannot use preferences.",
        "limits",
        shown("/claims#preferences", "limits"),
        EQUAL,
        _judge_preferences,
    ),
    Claim(
        "answers",
        "With several valid answers SFT learns the one that it was shown.",
        "limits",
        shown("/claims#answers", "limits"),
        EQUAL,
        _judge_answers,
    ),
    Claim(
        "labeller",
        "SFT cannot be better than its labeller.",
        "limits",
        shown("/claims#labeller", "limits"),
        _labeller_figures,
        _judge_labeller,
    ),
    Claim(
        "reasoning",
        "Written steps make sums right that are wrong at once: each token is a forward pass more.",
        "reasoning",
        Source(
            "/reasoning#controls-heading",
            "maskscope reasoning --check && maskscope controls --check",
            "maskscope reasoning --measure && maskscope controls --measure",
        ),
        _reasoning_figures,
        _judge_reasoning,
    ),
)
"""In the lesson's order."""
