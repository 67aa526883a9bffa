"""What the lesson claims about the loss mask. Literal data and one rule each."""

import math
from string import ascii_lowercase

from model.claims.claim import (
    SAME,
    Claim,
    Figure,
    Figures,
    Judgement,
    Source,
    Spans,
    does_not_hold,
    holds,
    holds_when,
    shown,
)
from model.claims.evidence import Evidence
from model.claims.gallery_figures import rates_beside_the_right
from model.experiments.ablation.findings import Comparison, side_of_end
from model.explain.budgets import policy_budgets
from model.masks.policies import RIGHT, UNMASKED
from model.training.loop import training_conversations
from model.training.recipes import ALL_RECIPES

GUESSING = math.log(len(ascii_lowercase))
"""Nats per letter of whoever knows that all letters are as likely."""


def _gap_figures(evidence: Evidence) -> Figures:
    settings = evidence.comparisons
    conditions = f"ablation, {len(settings)} settings, {settings[0].seeds()} seeds each"
    verdicts, ends = [c.verdict for c in settings], [side_of_end(c.end) for c in settings]

    def count(label: str, found: int) -> Figure:
        return Figure(label, found, "count", conditions, len(settings))

    ratios = sorted(settings, key=lambda c: c.ratio.value)
    return {
        "helped": count("settings in which masking saved steps or gave more at the end", verdicts.count("helped")),
        "none": count("settings without a clear difference", verdicts.count("no clear difference")),
        "hurt": count("settings in which masking cost steps", verdicts.count("hurt")),
        "ahead": count("settings in which masking is ahead when the budget is spent", ends.count("helped")),
        "least": _ratio("smallest ratio of steps to 90 %, unmasked / masked", ratios[0]),
        "most": _ratio("largest ratio of steps to 90 %, unmasked / masked", ratios[-1]),
    }


def _ratio(label: str, comparison: Comparison) -> Figure:
    ratio = comparison.ratio
    ends: tuple[float, float, Spans] = ratio.low, ratio.high, "95 % bootstrap interval over seeds"
    return Figure(label, ratio.value, "times", comparison.setting.slug, comparison.seeds(), *ends)


def _judge_gap(f: Figures) -> Judgement:
    settings = f["helped"].n or 0
    helped = f["helped"].value
    if helped == settings:
        return holds(f"Masking helped in all {settings} settings.")
    if helped == 0:
        return does_not_hold(f"Masking clearly helped in none of {settings} settings.")
    return holds_when(
        f"the setting is one of the {helped:.0f} of {settings} in which masking helped; it hurt in "
        f"{f['hurt'].value:.0f}. Without it {f['least']} to {f['most']} as many steps. When the "
        f"budget is spent, masking is ahead in {f['ahead'].value:.0f}: elsewhere the gap is one of speed."
    )


def _gibberish_figures(evidence: Evidence) -> Figures:
    found = {}
    for policy, name in ((RIGHT.slug, "masked"), (UNMASKED.slug, "unmasked")):
        run = evidence.runs["reverse4", policy]
        metrics, conditions = run.metrics_at(run.steps), f"reverse4, {policy}, step {run.steps}, seed {run.seed}"
        found[name] = Figure.of_loss(f"loss on the user's letters, {name}", metrics.loss["user"], conditions)
    found["guessing"] = Figure("loss of even guesses among 26 letters, ln 26", GUESSING, "nats", "by arithmetic")
    return found


def _judge_gibberish(f: Figures) -> Judgement:
    found = f"{f['masked']} against {f['unmasked']} unmasked and {f['guessing']} of guesses"
    if f["masked"].clearly_above(f["guessing"]) and f["masked"].clearly_above(f["unmasked"]):
        return holds(f"Worse than guessing evenly: {found}.")
    return does_not_hold(f"The masked model predicts prompts no worse: {found}.")


def _collapse_figures(evidence: Evidence) -> Figures:
    masked, unmasked = (evidence.runs["reverse4", policy] for policy in (RIGHT.slug, UNMASKED.slug))
    learned = next((m.step for m in masked.measurements if m.metrics.exact_match.value >= 0.9), masked.steps)
    found = {}
    for when, step in (("early", learned), ("end", masked.steps)):
        for name, run in (("masked", masked), ("unmasked", unmasked)):
            rate = run.metrics_at(step).exact_match
            found[f"{name}_{when}"] = Figure.of_rate(
                f"exact match at step {step}, {name}", rate, f"reverse4, seed {run.seed}, held-out words"
            )
    return found


def _judge_collapse(f: Figures) -> Judgement:
    end, early = f["unmasked_end"], f["unmasked_early"]
    if f["masked_end"].clearly_above(f["unmasked_end"], SAME):
        return holds(f"Unmasked it ends at {end}, masked at {f['masked_end']}.")
    if f["masked_early"].clearly_above(f["unmasked_early"], SAME):
        return holds_when(
            f"training stops early: where the masked model has {f['masked_early']}, "
            f"the unmasked has {early}. "
            f"At the end it has {end}: nothing has collapsed."
        )
    return does_not_hold(f"Unmasked it has {early} early and {end} at the end, as the masked model does.")


def _judge_late(f: Figures) -> Judgement:
    found = f"first letter right {f['bug_first_right']} against {f['right_first_right']}"
    if f["right_first_right"].clearly_above(f["bug_first_right"], 0.5):
        return holds(f"The transition was never learned: {found}.")
    return does_not_hold(f"The transition is learned all the same: {found}.")


def _judge_early(f: Figures) -> Judgement:
    found = f"{f['bug_exact_match']} exact against {f['right_exact_match']}"
    if f["right_exact_match"].clearly_above(f["bug_exact_match"], SAME):
        return does_not_hold(f"It does more than leak a bit: {found}.")
    return holds(f"The leak is tiny: {found}. One more position is trained, and the answers do not suffer.")


def _budget_figures(evidence: Evidence) -> Figures:
    assert evidence
    found = {}
    for recipe in ALL_RECIPES.values():
        masked = policy_budgets(recipe, training_conversations(recipe, 0))[RIGHT.slug]
        found[recipe.slug] = Figure(
            f"positions without gradient, {recipe.slug}", masked.ignored, "share", "a training batch", masked.positions
        )
    return found


def _judge_budget(f: Figures) -> Judgement:
    by_share = sorted(f, key=lambda slug: f[slug].value)
    least, most = by_share[0], by_share[-1]
    span = f"from {f[least]} ({least}) to {f[most]} ({most}) over the recipes here"
    inside = [slug for slug in by_share if 0.6 <= f[slug].value <= 0.9]
    toy = f"{f['reverse4']} for words of four letters"
    halved = abs(f["reverse4"].value - 0.5) < 1e-9
    if halved and len(inside) == len(by_share) - 1:
        return holds(f"{toy}; {span}.")
    if halved and inside:
        return holds_when(f"prompts are long beside their responses, as in {', '.join(inside)}: {toy}; {span}.")
    return does_not_hold(f"{toy}; {span}.")


MASK_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "gap",
        "Masking the prompt makes a large and reliable difference in accuracy.",
        "ablation",
        Source("/ablation", "maskscope claims --check", "maskscope ablate --shipped"),
        _gap_figures,
        _judge_gap,
    ),
    Claim(
        "gibberish",
        "Under the mask, what the model predicts inside the prompt is gibberish.",
        "loss",
        shown("/?recipe=reverse4", "gallery", "--train"),
        _gibberish_figures,
        _judge_gibberish,
    ),
    Claim(
        "collapse",
        "Without the mask, accuracy on the response collapses.",
        "ablation",
        shown("/?recipe=reverse4", "gallery", "--train"),
        _collapse_figures,
        _judge_collapse,
    ),
    Claim(
        "mask-late",
        "y[:P] ignores the most important transition, from reading to answering.",
        "line",
        shown("/shift", "gallery", "--train"),
        rates_beside_the_right("reverse4", "mask-late", "first_right", "exact_match"),
        _judge_late,
    ),
    Claim(
        "mask-early",
        "y[:P-2] trains one position of the prompt, which leaks a tiny bit.",
        "line",
        shown("/shift", "gallery", "--train"),
        rates_beside_the_right("reverse4", "mask-early", "exact_match"),
        _judge_early,
    ),
    Claim(
        "budget",
        "Half of the positions get no gradient in the toy, 60 to 90 % in practice.",
        "trade-offs",
        shown("/turns", "claims", "--check"),
        _budget_figures,
        _judge_budget,
    ),
)
"""In the lesson's order."""
