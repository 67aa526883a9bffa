"""What the lesson claims about the limits of SFT, and about reasoning. Literal data and one rule each."""

from collections.abc import Sequence

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
            "answers right minus labels right, seed by seed", answers, labels, conditions
        )
    return found


def _judge_labeller(f: Figures) -> Judgement:
    """Better, or no better, only if the whole interval of what is gained says so."""
    scattered, ruled = (f[f"{where}_0.3_gain"] for where in ("scattered", "predictable"))
    by_chance = f"labels {f['scattered_0.3_labeller']} right gave answers {f['scattered_0.3']} right"
    by_rule = f"labels {f['predictable_0.3_labeller']} right gave answers {f['predictable_0.3']} right"
    majority = (
        f"Where nothing tells the wrongly labelled words apart, greedy answers follow the majority: {by_chance}. With "
        f"70 % of the labels wrong, {f['scattered_0.7']} of the answers are right"
    )
    if scattered.at_most() < SAME and ruled.at_most() < SAME:
        return holds(f"{by_chance.capitalize()}, and {by_rule} where the mistakes follow a rule.")
    if scattered.at_least() > SAME and ruled.at_most() < SAME:
        return holds_when(f"the mistakes follow a rule: {by_rule}. {majority}.")
    told = f"{majority}. Where the mistakes follow a rule, {by_rule}"
    if ruled.at_least() > SAME:
        return does_not_hold(f"{told}.")
    unknown = f"{told}: no difference found (n = {ruled.n} words, {len(ruled.seeds)} seeds)"
    return (does_not_hold if scattered.at_least() > SAME else not_settled)(f"{unknown}.")


def _answers_figures(evidence: Evidence) -> Figures:
    equal, unequal = _at("both", 0.5, evidence), _at("both", 0.3, evidence)
    alone, single = _at("scattered", 0.0, evidence), _at("scattered", 0.5, evidence)
    seeds = f"{len(SEEDS)} seeds, step {equal[0].steps:,}"
    both, drawn = f"both for each word, equally often, {seeds}", f"one for each word, half of them each, {seeds}"
    more, only = f"both for each word, 7 to 3, {seeds}", f"reversals only, {seeds}"
    found = {
        "p_first": Figure.of_mean("probability of the reversal", [r.p_reversal for r in equal], "share", both),
        "p_second": Figure.of_mean("probability of the word itself", [r.p_other for r in equal], "share", both),
        "p_mixed": _mixed(equal, both),
        "first": Figure.of_rates("greedy: the reversal and a stop", [r.reversal for r in equal], both),
        "second": Figure.of_rates("greedy: the word itself and a stop", [r.other for r in equal], both),
        "p_more": Figure.of_mean("probability of the one shown more", [r.p_reversal for r in unequal], "share", more),
        "p_less": Figure.of_mean("probability of the one shown less", [r.p_other for r in unequal], "share", more),
        "p_more_mixed": _mixed(unequal, more),
        "more": Figure.of_rates("greedy: the one shown more and a stop", [r.reversal for r in unequal], more),
        "p_first_single": Figure.of_mean("probability of the reversal", [r.p_reversal for r in single], "share", drawn),
        "p_second_single": Figure.of_mean(
            "probability of the word itself", [r.p_other for r in single], "share", drawn
        ),
        "p_single_mixed": _mixed(single, drawn),
        "only_shown": Figure.of_mean(
            "probability of the reversal, shown alone", [r.p_reversal for r in alone], "share", only
        ),
        "only_first": Figure.of_mean(
            "probability of the word itself, never shown", [r.p_other for r in alone], "share", only
        ),
    }
    stopped = [run.stopped for run in equal if run.stopped]
    return found | {"stopped": Figure.of_rates("greedy: any answer and a stop", stopped, both)}


def _mixed(runs: Sequence[LimitRun], conditions: str) -> Figure:
    counted = [run.p_mixed for run in runs if run.p_mixed is not None]
    return Figure.of_mean("probability of all mixtures of the two, letter by letter", counted, "share", conditions)


CLOSE = 0.2
"""Two answers whose probabilities are no further apart are not told apart, or not enough to choose one."""
SOME = 0.1
"""An answer with less than this is hardly given."""


def _judge_answers(f: Figures) -> Judgement:
    alone = f"the answer never shown gets {f['only_first']} of the probability"
    if f["only_first"].value > SOME:
        return does_not_hold(f"Shown reversals alone, {alone}.")
    both = f"{f['p_first']} and {f['p_second']}"
    if f["p_second"].value <= SOME:
        return holds(f"Even shown both for each word, the model gives them {both}; shown reversals alone, {alone}.")
    return holds_when(
        f"only one is shown: {alone}. Shown both for each word, equally often, the model gives them {both}. Another "
        f"{f['p_mixed']} goes to mixtures of the two, which it was never shown (seeds: {f['p_mixed'].by_seed()})."
    )


def _judge_preferences(f: Figures) -> Judgement:
    """That the rows carry no order is so by construction; measured is what comes of the two ways to write them."""
    first, second, more = f["p_first"], f["p_second"], f["p_more"]
    equal = f"the two get {first} and {second} of the probability"
    spread = f" (means of {len(first.seeds)} seeds: {first.by_seed()} and {second.by_seed()})"
    if abs(f["p_first"].value - f["p_second"].value) > CLOSE:
        return does_not_hold(f"Shown both equally often, the model still favours one: {equal}.")
    built = (
        f"By construction, a training row holds an answer and no ranking, so no preference can show: {equal}{spread}"
    )
    often = (
        f"shown 7 to 3, {f['more']} of greedy answers are the one shown more, though a sampled answer is that one with "
        f"{more} only, and a mixture of the two with {f['p_more_mixed']}"
    )
    alone = f"shown alone, it gets {f['only_shown']} of the probability"
    if f["only_shown"].value - f["p_first"].value > CLOSE:
        return holds_when(
            f"both answers are shown equally often. {built}. If someone chooses before training, the model learns the "
            f"choice: {often}; {alone}. A rating of two bad answers has no row at all; that was not tested."
        )
    return holds(f"{built}; {often}; {alone}.")


def _reasoning_figures(evidence: Evidence) -> Figures:
    found: dict[str, Figure] = {}
    for pair in TRACE_PAIRS.values():
        most = pair.sums.most
        for recipe in pair.recipes:
            rows = [run.at(most) for run in runs_of(evidence.reasoning, recipe.slug)]
            conditions = f"{most} {pair.title}, {len(rows)} seeds, step {recipe.training.steps:,}"
            found[recipe.slug] = Figure.of_rates(
                f"right and stopped, {recipe.name}", [row.right for row in rows], conditions
            )
            passes = Figure.of_mean(f"forward passes, {recipe.name}", [row.passes for row in rows], "count", conditions)
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
    for name, row in (("stopped", rows["trace-stopped"]), ("direct", direct)):
        label = f"steps trained, {row.title}"
        found[f"{name}-steps"] = Figure(label, row.steps, "steps", f"{PAIR.title}, the same number of targets", 1)
    found["targets"] = Figure(
        "targets trained, with a trace over at once", thought.targets / direct.targets, "times", conditions
    )
    return found


def _judge_reasoning(f: Figures) -> Judgement:
    pairs = {c: tuple(f[recipe.slug] for recipe in c.recipes) for c in TRACE_PAIRS.values()}
    helped = [c.title for c, (direct, thought) in pairs.items() if thought.clearly_above(direct, SAME)]
    found = "; ".join(
        f"{c.sums.most} {c.title}: {direct} right at once, {thought} with a trace"
        for c, (direct, thought) in pairs.items()
    )
    if not helped:
        return does_not_hold(f"{found}.")
    (direct, thought), filler, stopped = pairs[PAIR], f["filler"], f["trace-stopped"]
    spelled, fewer = thought.clearly_above(filler, SAME), stopped.clearly_above(direct, SAME)
    told = (
        f"{found}. After a filler as long as the trace, {filler} are right: within the same steps, and with the "
        f"targets of answering at once, more positions alone are {'not enough' if spelled else 'enough'}. With only "
        f"as many targets as answering at once has, the trace is trained for {f['stopped-steps']} steps and gets "
        f"{stopped} right; answering at once takes {f['direct-steps']}. Whether answering at once would catch up with "
        "as many targets as the trace was not measured."
    )
    conditions = [
        *(["the tokens spell out the steps"] if spelled else []),
        *([f"the terms are {' or '.join(helped)}"] if len(helped) < len(pairs) else []),
        *([] if fewer else [f"the trace has {f['targets']} as many targets to train on"]),
    ]
    return holds_when(f"{joined(conditions)}. {told}") if conditions else holds(told)


LIMIT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "preferences",
        "SFT cannot use preferences.",
        "limits",
        shown("/limits#preferences", "limits"),
        _answers_figures,
        _judge_preferences,
    ),
    Claim(
        "answers",
        "With several valid answers SFT learns the one that it was shown.",
        "limits",
        shown("/limits#answers", "limits"),
        _answers_figures,
        _judge_answers,
    ),
    Claim(
        "labeller",
        "SFT cannot be better than its labeller.",
        "limits",
        shown("/limits#labeller", "limits"),
        _labeller_figures,
        _judge_labeller,
    ),
    Claim(
        "reasoning",
        "Written steps get sums right that fail when answered at once: each token is one more forward pass.",
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
