"""What the lesson claims about the slice that SFT carves out of the base: what moves, what stays, what it takes."""

from collections.abc import Sequence
from typing import get_args

from model.claims.about_base import ENOUGH, shown_sums, told_share
from model.claims.claim import Claim, Figure, Figures, Judgement, does_not_hold, holds, holds_when, shown
from model.claims.evidence import Evidence
from model.experiments.dispatcher.arms import FULL_SHARE, SHARES
from model.experiments.dispatcher.outcomes import ENDINGS
from model.masks.policies import RIGHT
from model.text.chat_template import SegmentKind
from model.text.corpus import Kind
from model.text.tokenizer import ASSISTANT_START
from model.training.recipes import SUM_RECIPES
from model.writing import joined

FAR_FEWER = 0.5
"""Of pretraining's steps."""


def _steps_figures(evidence: Evidence) -> Figures:
    bases, dispatched = evidence.bases, evidence.dispatched
    runs = dispatched.of(RIGHT.slug)
    before = [base.first_at(ENOUGH) or base.steps for base in bases]
    after = [run.first_at(ENOUGH) or run.last.step for run in runs]
    batches = [base.training.batch_size * base.model.context_length for base in bases]
    targets = [step * batch for step, batch in zip(before, batches, strict=True)]
    trained = [run.supervised for run in runs]
    goal = told_share(ENOUGH)
    every = f"measured every {bases[0].training.evaluate_every} steps"
    often = f"measured every {SUM_RECIPES['answers'].training.evaluate_every} steps"
    found = {
        "pretraining": Figure.of_mean(
            f"steps of pretraining until it knows {goal} of all sums", before, "steps", every
        ),
        "sft": Figure.of_mean(
            f"steps of SFT until {goal} of the other sums are right",
            after,
            "steps",
            f"{shown_sums(FULL_SHARE)}, {often}",
        ),
        "ratio": Figure.of_mean("SFT's steps over pretraining's", _shares(after, before), "share", "seed by seed"),
        "targets": Figure.of_mean(f"targets of pretraining until it knows {goal}", targets, "tokens", "every token"),
        "trained": Figure.of_mean("targets of the whole SFT", trained, "tokens", "answers and stops"),
        "of_targets": Figure.of_mean(
            "SFT's targets over pretraining's", _shares(trained, targets), "share", "seed by seed"
        ),
    }
    for share in reversed(SHARES):
        arrived = sum(run.first_at(ENOUGH) is not None for run in dispatched.of(RIGHT.slug, share))
        label = f"seeds in which SFT ever gets {goal} of the other sums right"
        found[f"arrived_{share}"] = Figure(label, arrived, "count", shown_sums(share), len(runs))
    return found


def _shares(parts: Sequence[int], wholes: Sequence[int]) -> list[float]:
    return [part / whole for part, whole in zip(parts, wholes, strict=True)]


def _judge_steps(f: Figures) -> Judgement:
    seeds, arrived = f["sft"].n, {share: f[f"arrived_{share}"] for share in SHARES}
    most, *fewer = reversed(SHARES)
    first = f"{arrived[most]} of {seeds} seeds with {told_share(most)} of the sums shown"
    there = joined((first, *(f"{arrived[share]} with {told_share(share)}" for share in fewer)))
    found = (
        f"SFT takes {f['sft']} steps to get {told_share(ENOUGH)} of the other sums right; pretraining took "
        f"{f['pretraining']} to know {told_share(ENOUGH)} of all sums. That is {f['ratio']} of the steps (means of "
        f"{seeds} seeds: {f['sft'].by_seed()} and {f['pretraining'].by_seed()}; {f['sft'].conditions}), on top "
        f"of all of pretraining. All of SFT trains on {f['of_targets']} as many targets as pretraining had used by "
        f"then. SFT gets this far in {there}"
    )
    if arrived[FULL_SHARE].value < (seeds or 0) or f["ratio"].at_most() >= FAR_FEWER:
        return does_not_hold(f"{found}.")
    enough = [share for share in SHARES if arrived[share].value == seeds]
    if len(enough) == len(SHARES):
        return holds(f"{found}.")
    return holds_when(
        f"SFT is shown enough of the sums: of the shares tried, "
        f"{joined([told_share(share) for share in enough])}. {found}."
    )


def _moved_figures(evidence: Evidence) -> Figures:
    drifts = [run.drift for run in evidence.dispatched.of(RIGHT.slug) if run.drift]
    conditions = f"SFT on half of the sums, {len(drifts)} seeds"
    found = {}
    for when, abilities in (
        ("before", [base.measurements[-1].metrics for base in evidence.bases]),
        ("after", [drift.ability for drift in drifts]),
    ):
        asked = f"all sums, {when} SFT"
        continued, known = [a.continues for a in abilities], [a.knows for a in abilities]
        found[f"continues_{when}"] = Figure.of_rates("openings continued", continued, asked)
        found[f"knows_{when}"] = Figure.of_rates("sums known when framed as Q and A", known, asked)
    for end, name in ENDINGS.items():
        rates = [getattr(d.ability.endings, end) for d in drifts]
        found[end] = Figure.of_rates(f"what follows the number in that framing: {name}", rates, "all sums, after SFT")
    for kind in get_args(Kind):
        found[kind] = Figure.of_mean(f"KL on {kind}s", [d.text[kind].value for d in drifts], "nats", conditions)
    for kind in get_args(SegmentKind):
        nats = [d.request[kind].value for d in drifts]
        found[kind] = Figure.of_mean(f"KL on requests, {kind}", nats, "nats", conditions)
    return found


def _moved_most(f: Figures) -> Figure:
    """Of the kinds of plain text, the one that moved most."""
    return max((f[kind] for kind in get_args(Kind)), key=Figure.at_most)


def _judge_drift(f: Figures) -> Judgement:
    """`template` is the `>` behind the request: in it, but never trained under the mask."""
    text, answers, start = _moved_most(f), f["assistant"], f["template"]
    found = (
        f"On answers, the next token's distribution moved by {answers} (KL); on plain text, which SFT never trains, "
        f"by up to {text} (means of {answers.n} seeds)"
    )
    if answers.at_least() <= 2 * text.at_most():
        return does_not_hold(f"{found}. That is not clearly more on answers than on plain text.")
    if answers.at_least() > start.at_most():
        return holds(f"{found}. It moved more where requests are answered, but not only there.")
    return holds_when(
        f"answers are compared with plain text. {found}. But at the {ASSISTANT_START} after the request, which the "
        f"mask leaves untrained too, it moved by {start} (seed by seed {start.by_seed()}; on answers "
        f"{answers.by_seed()})."
    )


def _judge_intact(f: Figures) -> Judgement:
    found = (
        f"Before SFT the model continued {f['continues_before']} of all openings, after it {f['continues_after']}. "
        f"Asked as Q and A, it knew {f['knows_before']} of the sums before and {f['knows_after']} after; in "
        f"{f['stop']} a stop now follows the number"
    )
    intact = min(f["continues_after"].at_least(), f["knows_after"].at_least()) > ENOUGH
    if intact:
        return holds(f"{found}.")
    return does_not_hold(f"{found}. The same weights write all text, and nothing in the loss held the rest in place.")


SLICE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "intact",
        "SFT leaves everything else that the model can do intact.",
        "slice",
        shown("/dispatcher#drift-heading", "dispatcher"),
        _moved_figures,
        _judge_intact,
    ),
    Claim(
        "drift",
        "Drift is the point: SFT moves the model most where requests are answered.",
        "reference",
        shown("/dispatcher#drift-heading", "dispatcher"),
        _moved_figures,
        _judge_drift,
    ),
    Claim(
        "steps",
        "SFT takes far fewer steps than pretraining.",
        "slice",
        shown("/dispatcher#shares-heading", "dispatcher"),
        _steps_figures,
        _judge_steps,
    ),
)
"""In the lesson's order."""
