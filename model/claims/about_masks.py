"""What the lesson claims about the line of code that masks, and how much it leaves out. One rule each."""

from model.claims.claim import (
    SAME,
    SAME_TOLD,
    Claim,
    Figure,
    Figures,
    Judgement,
    does_not_hold,
    holds,
    holds_when,
    not_settled,
    shown,
)
from model.claims.evidence import Evidence
from model.claims.gallery_figures import difference_from_the_right, rates_beside_the_right
from model.explain.budgets import LESSON_LENGTHS, PRACTICE, policy_budgets, prompt_per_response
from model.masks.policies import RIGHT
from model.training.loop import training_conversations
from model.training.recipes import ALL_RECIPES


def _judge_late(f: Figures) -> Judgement:
    found = (
        f"it gets the first letter right in {f['bug_first_right']} of its answers, against {f['right_first_right']} "
        "under the right mask (one model each, one seed)"
    )
    if f["right_first_right"].clearly_above(f["bug_first_right"], 0.5):
        return holds(f"The model never learned the transition: {found}.")
    return does_not_hold(f"The model learns the transition all the same: {found}.")


def _early_figures(evidence: Evidence) -> Figures:
    rates = rates_beside_the_right("reverse4", "mask-early", "exact_match")(evidence)
    return {**rates, **difference_from_the_right("reverse4", "mask-early", "exact_match")(evidence)}


def _judge_early(f: Figures) -> Judgement:
    difference = f["difference"]
    found = (
        f"{f['bug_exact_match']} of unseen words right, against {f['right_exact_match']} under the right mask "
        f"(n = {difference.n}, one model each, one seed)"
    )
    if difference.at_most() < -SAME:
        return does_not_hold(f"It does more than leak a tiny bit: {found}.")
    if difference.within(SAME):
        return holds(
            f"One more position is trained, and these two models' rates differ by less than {SAME_TOLD}: {found}. The "
            f"interval of the difference is {difference.interval()}. Speed and other seeds were not compared."
        )
    return not_settled(f"One more position is trained. Neither a difference nor sameness was shown: {found}.")


def _budget_figures(evidence: Evidence) -> Figures:
    assert evidence
    found = {}
    for recipe in ALL_RECIPES.values():
        masked = policy_budgets(recipe, training_conversations(recipe, 0))[RIGHT.slug]
        found[recipe.slug] = Figure(
            f"positions without gradient, {recipe.name}", masked.ignored, "share", "a training batch", masked.positions
        )
    low, high = PRACTICE
    inside = sum(low <= figure.value <= high for figure in found.values())
    label = f"recipes that ignore {100 * low:.0f} to {100 * high:.0f} % of their positions"
    found["inside"] = Figure(label, inside, "count", "a training batch of each", len(found))
    lengths = LESSON_LENGTHS
    found["example"] = Figure(
        f"positions without gradient, prompt of {lengths.prompt_tokens} tokens, response of {lengths.response_tokens}",
        lengths.ignored,
        "share",
        "by arithmetic",
        lengths.positions,
    )
    for name, ignored in zip(("least", "most"), PRACTICE, strict=True):
        found[name] = Figure(
            f"ignored positions for each trained one, where {100 * ignored:.0f} % are ignored",
            prompt_per_response(ignored),
            "times",
            "by arithmetic",
        )
    return found


def _judge_budget(f: Figures) -> Judgement:
    """What is typical in practice cannot be measured here; which lengths give it can be reckoned."""
    by_share = sorted(ALL_RECIPES, key=lambda slug: f[slug].value)
    least, most = by_share[0], by_share[-1]
    low, high = PRACTICE
    toy = f"The lesson's toy, four letters and their reversal, ignores {f['reverse4']} of its positions"
    ours = (
        f"The recipes here are toys and say nothing about practice. They ignore {f[least]} ({ALL_RECIPES[least].name}) "
        f"to {f[most]} ({ALL_RECIPES[most].name}); {f['inside']} of the {f['inside'].n} lie between "
        f"{100 * low:.0f} and {100 * high:.0f} %"
    )
    lengths = LESSON_LENGTHS
    sizes = f"a prompt of {lengths.prompt_tokens} tokens and a response of {lengths.response_tokens}"
    example = f"its example of a chat, {sizes}, ignores {f['example']}"
    if abs(f["reverse4"].value - 0.5) > 1e-9 or not low <= f["example"].value <= high:
        return does_not_hold(f"{toy}; {example}. {ours}.")
    return holds_when(
        f"prompts are about {f['least'].value:.2f} to {f['most']} as long as their responses; that is arithmetic. "
        f"{toy}; {example}. {ours}."
    )


MASK_CLAIMS: tuple[Claim, ...] = (
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
        _early_figures,
        _judge_early,
    ),
    Claim(
        "budget",
        "Half of the positions get no gradient in the toy, 60 to 90 % in practice.",
        "trade-offs",
        shown("/turns#lengths-heading", "claims", "--check"),
        _budget_figures,
        _judge_budget,
    ),
)
"""In the lesson's order."""
