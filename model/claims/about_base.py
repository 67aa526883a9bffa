"""What the lesson claims about the base model and the slice that SFT carves out of it. One rule each."""

from collections.abc import Sequence
from dataclasses import fields
from typing import get_args

from model.claims.claim import Claim, Figure, Figures, Judgement, Source, does_not_hold, holds, shown
from model.claims.evidence import Evidence
from model.experiments.dispatcher.outcomes import ENDINGS
from model.experiments.shipped import SEEDS
from model.masks.policies import RIGHT
from model.text.chat_template import SegmentKind
from model.text.corpus import Kind
from model.training import loop, pretraining
from model.training.pretraining import PRETRAINING
from model.training.recipes import BASE, SUM_RECIPES, Recipe

HALF = f"the half of all sums that SFT never saw, {len(SEEDS)} seeds"
ENOUGH = 0.9
MACHINERY = ("tokenizer", "model")
"""What pretraining and SFT have to share, besides the code that trains."""
SAME_CODE = ("Learner", "make_batch", "GPT")
"""By name in both of the modules that train: loss, gradient and optimizer step; batches; the model."""


def _worksheet_figures(evidence: Evidence) -> Figures:
    bases = evidence.dispatched.bases
    conditions = f"all sums, {len(bases)} bases, step {bases[0].steps}, greedy"
    return {
        "continues": Figure.of_rates(
            "openings followed by another question", [b.plain.continues for b in bases], conditions
        ),
        "answers": Figure.of_rates("openings answered", [b.plain.right for b in bases], conditions),
    }


def _judge_worksheet(f: Figures) -> Judgement:
    found = f"{f['continues']} are followed by another question, {f['answers']} are answered"
    return holds(f"{found}.") if f["continues"].at_least() > ENOUGH else does_not_hold(f"Only {found}.")


def _knowledge_figures(evidence: Evidence) -> Figures:
    dispatched = evidence.dispatched
    framed = [base.framed.right for base in dispatched.bases]
    found = {"framed": Figure.of_rates("sums right, the base, framed as Q and A", framed, "all sums")}
    for name, arm, title in (
        ("sft", RIGHT.slug, "SFT from the base"),
        ("scratch", "scratch", "the same SFT from random weights"),
    ):
        found[name] = Figure.of_seeds(f"sums right, {title}", dispatched.rate(arm, "right"), HALF)
        found[f"{name}_stopped"] = Figure.of_seeds(f"right and stopped, {title}", dispatched.rate(arm, "exact"), HALF)
    return found


def _judge_knowledge(f: Figures) -> Judgement:
    found = f"{f['sft']} of unseen sums right from the base, {f['scratch']} from random weights"
    if f["framed"].at_least() > ENOUGH and f["sft"].clearly_above(f["scratch"], 0.4):
        return holds(f"Framed, the base gets {f['framed']} right; SFT gets {found}.")
    return does_not_hold(f"SFT gets {found}; framed, the base gets {f['framed']} right.")


def _steps_figures(evidence: Evidence) -> Figures:
    base, runs = evidence.dispatched.bases[0], evidence.dispatched.of(RIGHT.slug)
    steps = [row.step for row in runs[0].answered]
    right = {
        step: Figure.of_seeds(
            "unseen sums right at that step", evidence.dispatched.rate(RIGHT.slug, "right", step=step), HALF
        )
        for step in steps
    }
    arrived = next((step for step in steps if right[step].value >= ENOUGH), steps[-1])
    supervised = [run.supervised for run in runs]
    return {
        "pretraining": Figure("steps of pretraining", base.steps, "steps", f"{base.tokens:,} targets"),
        "sft": Figure("steps of SFT to 90 % of unseen sums", arrived, "steps", HALF, len(runs)),
        "reached": right[arrived],
        "targets": Figure.of_mean("targets of the whole SFT", supervised, "tokens", "answers and stops"),
        "of_pretraining": Figure("targets of pretraining", base.tokens, "tokens", "every token of the text"),
    }


def _judge_steps(f: Figures) -> Judgement:
    if f["reached"].value < ENOUGH:
        return does_not_hold(f"SFT does not reach 90 % within {f['sft']} steps.")
    share, targets = f["sft"].value / f["pretraining"].value, f["targets"].value / f["of_pretraining"].value
    found = f"{f['sft']} against {f['pretraining']} steps ({100 * share:.1f} %)"
    if share < 0.5:
        return holds(f"{found}; all of SFT has {100 * targets:.2f} % of the targets.")
    return does_not_hold(f"{found}.")


def _intact_figures(evidence: Evidence) -> Figures:
    drifts = [run.drift for run in evidence.dispatched.of(RIGHT.slug) if run.drift]
    conditions = f"SFT on half of the sums, {len(drifts)} seeds"
    continues, knows = [d.ability.continues for d in drifts], [d.ability.knows for d in drifts]
    found = {
        "continues": Figure.of_rates("openings still continued", continues, "all sums"),
        "knows": Figure.of_rates("sums still known when framed as Q and A", knows, "all sums"),
    }
    for end, name in ENDINGS.items():
        rates = [getattr(d.ability.endings, end) for d in drifts]
        found[end] = Figure.of_rates(f"what follows the number in that framing: {name}", rates, "all sums")
    for kind in get_args(Kind):
        found[kind] = Figure.of_mean(f"KL on {kind}s", [d.text[kind].value for d in drifts], "nats", conditions)
    for kind in get_args(SegmentKind):
        nats = [d.request[kind].value for d in drifts]
        found[kind] = Figure.of_mean(f"KL on requests, {kind}", nats, "nats", conditions)
    return found


def _judge_drift(f: Figures) -> Judgement:
    text = max(f[kind].value for kind in get_args(Kind))
    answers = f["assistant"].value
    found = f"KL to the base {answers:.2f} nats on answers, at most {text:.2f} on plain text"
    return (holds if answers > 2 * text else does_not_hold)(f"{found}.")


def _judge_intact(f: Figures) -> Judgement:
    found = (
        f"{f['continues']} of openings continued, {f['knows']} of sums known in the old framing, "
        f"where a stop follows the number in {f['stop']}"
    )
    intact = min(f["continues"].at_least(), f["knows"].at_least()) > ENOUGH
    return (holds if intact else does_not_hold)(f"After SFT: {found}.")


def _machinery_figures(evidence: Evidence) -> Figures:
    assert evidence
    base, sft, thought = PRETRAINING[BASE], SUM_RECIPES["answers"], SUM_RECIPES["sums-thought"]
    shared = [name for name in MACHINERY if getattr(base, name) == getattr(sft, name)]
    differ = [f.name for f in fields(Recipe) if getattr(SUM_RECIPES["sums-direct"], f.name) != getattr(thought, f.name)]
    by_name = [name for name in differ if name in ("slug", "title", "task")]
    same = [name for name in SAME_CODE if getattr(pretraining, name) is getattr(loop, name)]
    code = ", ".join(f"{getattr(loop, name).__module__}.{name}" for name in same)
    return {
        "code": _count("functions that both trainings call, the same objects", same, code, SAME_CODE),
        "shared": _count("of tokenizer and model, equal in pretraining and SFT", shared, BASE, MACHINERY),
        "differ": _count("settings that differ with a trace", differ, ", ".join(differ), differ),
        "allowed": _count("of these, name and response", by_name, ", ".join(by_name), by_name),
    }


def _count(label: str, found: Sequence[str], conditions: str, among: Sequence[str]) -> Figure:
    return Figure(label, len(found), "count", conditions, len(among))


def _judge_machinery(f: Figures) -> Judgement:
    same = f["code"].value == len(SAME_CODE) and f["shared"].value == len(MACHINERY)
    if same and f["differ"].value == f["allowed"].value:
        return holds(
            f"One tokenizer, one model, and the same {f['code'].conditions}; between answers with and without a trace "
            f"only {f['differ'].conditions} differ."
        )
    return does_not_hold(f"These settings differ: {f['differ'].conditions}.")


BASE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "worksheet",
        "A pretrained model goes on with the worksheet instead of answering.",
        "gap",
        Source("/dispatcher", "maskscope dispatcher --check", "maskscope train worksheet"),
        _worksheet_figures,
        _judge_worksheet,
    ),
    Claim(
        "knowledge",
        "All knowledge is in the weights already; SFT installs a dispatcher.",
        "fix",
        shown("/dispatcher", "dispatcher"),
        _knowledge_figures,
        _judge_knowledge,
    ),
    Claim(
        "machinery",
        "From pretraining to SFT to reasoning the machinery stays the same.",
        "fix",
        shown("/reasoning", "claims", "--check"),
        _machinery_figures,
        _judge_machinery,
    ),
)
SLICE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "intact",
        "SFT leaves everything else that the model can do intact.",
        "slice",
        shown("/dispatcher#drift-heading", "dispatcher"),
        _intact_figures,
        _judge_intact,
    ),
    Claim(
        "drift",
        "Drift is the point: the model moves where requests are answered.",
        "reference",
        shown("/dispatcher#drift-heading", "dispatcher"),
        _intact_figures,
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
