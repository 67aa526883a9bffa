"""What the lesson claims about padding, turns and packing. Literal data and one rule each."""

from model.claims.claim import (
    SAME,
    SAME_TOLD,
    Claim,
    Figure,
    Figures,
    Judgement,
    Source,
    Spans,
    does_not_hold,
    holds,
    holds_when,
    not_settled,
    shown,
)
from model.claims.evidence import Evidence
from model.claims.gallery_figures import difference_from_the_right, rates_beside_the_right, told
from model.experiments.padding.rows import LOGIT_ROUNDING
from model.experiments.shipped import SEEDS
from model.experiments.turns import mixed_rows
from model.masks.policies import RIGHT
from model.training.recipes import RECIPES
from model.writing import joined

LEFT = {
    "both": ("left-pad", "pads hidden and positions corrected"),
    "hidden": ("left-pad-no-positions", "pads hidden only"),
    "corrected": ("left-pad-seen", "positions corrected only"),
    "neither": ("left-pad-unmasked", "neither"),
    "right": (RIGHT.slug, "pads on the right"),
}
"""How the same words are asked, and what that is called."""
REVERSE = RECIPES["reverse"].name
LOWEST_TO_HIGHEST: Spans = "lowest to highest seed"


def _right_pad_figures(evidence: Evidence) -> Figures:
    change, same = evidence.right_pad_change, evidence.paddings[RIGHT.slug, RIGHT.slug]
    conditions = f"{REVERSE}, step {same.steps:,}, one batch"
    return {
        "change": Figure("largest change of any logit by pads on the right", change, "logits", f"six words, {REVERSE}"),
        "rounding": Figure("counts as rounding below", LOGIT_ROUNDING, "logits", "sums in another order"),
        "exact": Figure.of_rate("exact match, right-padded", same.exact_match, conditions),
    }


def _judge_right_pad(f: Figures) -> Judgement:
    if f["change"].value < f["rounding"].value:
        return holds(
            "By construction: attention looks back only, and a pad on the right lies ahead of every real token. On six "
            f"words no logit changed by {f['rounding']} or more."
        )
    return does_not_hold(f"Pads on the right change a logit by {f['change']}.")


def _left_pad_figures(evidence: Evidence) -> Figures:
    found = {}
    for name, (asked, title) in LEFT.items():
        row = evidence.paddings[RIGHT.slug, asked]
        conditions = (
            f"{REVERSE}, trained with pads on the right, step {row.steps:,}, seed {row.seed}; words that get pads"
        )
        found[name] = Figure.of_rate(f"exact match, {title}", row.with_pads, conditions)
    return found


def _judge_left_pad(f: Figures) -> Judgement:
    """What is broken with neither repair, and which repairs it takes to be as right as with pads on the right."""
    found = (
        f"With neither repair {f['neither']} of the padded words are right; with only the pads hidden {f['hidden']}; "
        f"with only the positions corrected {f['corrected']}; with both {f['both']} "
        "(one model, one seed, trained with pads on the right)"
    )
    if not f["right"].clearly_above(f["neither"], SAME):
        return does_not_hold(f"No clear harm was found. {found}.")
    if f["right"].clearly_above(f["both"], SAME):
        return holds(f"Even with both repairs, clearly fewer words are right. {found}.")
    enough = [name for name in ("hidden", "corrected") if not f["right"].clearly_above(f[name], SAME)]
    condition = {
        (): "the model sees the pads, or the positions are not corrected. Either is enough to break the answers",
        ("hidden",): "the model sees the pads",
        ("corrected",): "the positions are not corrected",
    }.get(tuple(enough), "the model sees the pads and the positions are not corrected")
    return holds_when(f"{condition}. {found}.")


def _turns_figures(evidence: Evidence) -> Figures:
    found = {**rates_beside_the_right("dialogue", "last-turn-only", "by_turn")(evidence)}
    every, last = mixed_rows(evidence.turns)
    for name, row in (("all", every), ("last", last)):
        conditions = (
            f"half of the conversations have one turn, {told(row.policy)}, {len(SEEDS)} seeds, step {row.steps:,}"
        )
        for turn, rate in enumerate(row.by_turn, 1):
            found[f"{name}_{turn}"] = Figure.of_seeds(f"right and stopped, turn {turn}", rate, conditions)
    ratio, conditions = every.targets / last.targets, f"half of the conversations have one turn, {every.steps:,} steps"
    found["targets"] = Figure("targets trained, all answers over the last", ratio, "times", conditions)
    return found


def _judge_turns(f: Figures) -> Judgement:
    """The gallery's pair differs by construction, so the arms with single turns decide."""
    turns = [name.removeprefix("all_") for name in f if name.startswith("all_")]
    ahead = [turn for turn in turns if f[f"all_{turn}"].clearly_above(f[f"last_{turn}"], SAME)]
    behind = [turn for turn in turns if f[f"last_{turn}"].clearly_above(f[f"all_{turn}"], SAME)]
    every, last = (joined([str(f[f"{name}_{turn}"]) for turn in turns]) for name in ("all", "last"))
    found = f"Turn by turn, training all answers got {every} right; training the last alone got {last}"
    if ahead and not behind:
        return holds(f"Even where half of the conversations have one turn, this helps. {found}.")
    better = "training the last answer alone did better" if behind else "no clear difference was found"
    mixed = f"{better} over {len(SEEDS)} seeds. {found}. Training all answers uses {f['targets']} as many targets."
    if f["right_by_turn"].clearly_above(f["bug_by_turn"], SAME):
        return holds_when(
            "no training conversation ends with its first answer. By construction, training the last answer alone "
            f"then never trains a first one: {f['bug_by_turn']} of first answers are right, against "
            f"{f['right_by_turn']} (one seed each). "
            f"Where half of the conversations have one turn, {mixed}"
        )
    return (does_not_hold if behind else not_settled)(f"Where half of the conversations have one turn, {mixed}")


def _packing_figures(evidence: Evidence) -> Figures:
    separated = rates_beside_the_right("reverse", "packed", "exact_match")(evidence)
    naive = rates_beside_the_right("reverse", "packed-naive", "exact_match")(evidence)
    return {
        "separated": separated["bug_exact_match"],
        "alone": separated["right_exact_match"],
        "naive": naive["bug_exact_match"],
        **difference_from_the_right("reverse", "packed", "exact_match")(evidence),
        "others": _other_seeds("reverse", evidence),
    }


def _other_seeds(recipe: str, evidence: Evidence) -> Figure:
    """Where the ablation's seeds of the same recipe end under the right mask: what a seed alone does."""
    comparison = next(c for c in evidence.comparisons if c.setting.slug == recipe)
    end, words = comparison.curve("exact_match", RIGHT.slug), comparison.setting.evaluation_words
    conditions = f"{RECIPES[recipe].name}, step {end.steps[-1]:,}, {comparison.seeds()} seeds, all of the ablation's"
    ends = end.least[-1], end.most[-1], LOWEST_TO_HIGHEST
    return Figure(f"exact match, {told(RIGHT.slug)}", end.mean[-1], "share", conditions, words, *ends, questions=words)


def _judge_packing(f: Figures) -> Judgement:
    """Two models of one seed say nothing of packing where other seeds of one of them lie further apart."""
    difference, others = f["difference"], f["others"]
    found = (
        f"Trained on rows kept apart, the model gets {f['separated']} of unseen words right; trained unpacked, "
        f"{f['alone']}; trained on rows not kept apart, {f['naive']} (n = {difference.n}, one model each, one seed)"
    )
    if difference.at_most() < -SAME:
        return does_not_hold(f"Something is lost. {found}.")
    if others.at_most() - others.at_least() > SAME:
        return not_settled(
            f"{found}. One seed says too little: the unpacked recipe alone ends anywhere from {others.interval()}, "
            f"by seed ({others.conditions})."
        )
    if difference.within(SAME):
        return holds(
            f"{found}. The first two are the same to within {SAME_TOLD}: the interval of their difference is "
            f"{difference.interval()}."
        )
    return not_settled(f"{found}. Between the first two, neither a difference nor sameness was shown.")


LAYOUT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "right-padding",
        "Pads on the right leak nothing into real tokens.",
        "padding",
        shown("/padding", "padding"),
        _right_pad_figures,
        _judge_right_pad,
    ),
    Claim(
        "left-padding",
        "Pads on the left pollute what comes after them.",
        "padding",
        shown("/padding", "padding"),
        _left_pad_figures,
        _judge_left_pad,
    ),
    Claim(
        "turns",
        "Earlier answers of a conversation should be trained as well.",
        "trade-offs",
        Source(
            "/turns#single-heading",
            "maskscope gallery --check && maskscope turns --check",
            "maskscope gallery --train && maskscope turns --measure",
        ),
        _turns_figures,
        _judge_turns,
    ),
    Claim(
        "packing",
        "Packed conversations lose nothing if they are kept apart.",
        "trade-offs",
        shown("/packing", "gallery", "--train"),
        _packing_figures,
        _judge_packing,
    ),
)
"""In the lesson's order."""
