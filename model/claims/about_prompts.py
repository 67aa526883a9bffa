"""What the lesson claims about predictions inside the prompt, where the mask leaves them untrained. One rule."""

import math
from string import ascii_lowercase

from model.claims.claim import Claim, Figure, Figures, Judgement, does_not_hold, holds, holds_when, shown
from model.claims.evidence import Evidence
from model.experiments.prompts import FIRST_WITH_ONE_BEFORE
from model.masks.policies import POLICY_NAMES, RIGHT, UNMASKED
from model.text.tokenizer import END_OF_TURN
from model.training.recipes import RECIPES
from model.writing import joined

GUESSING = math.log(len(ascii_lowercase))
"""Nats per letter of whoever knows that all letters are as likely."""
ALWAYS, SURE = 0.9, 0.5
"""A share of the words that is no accident, and a probability that leaves all other tokens less."""
ONE = "All of this is one model for each mask and task, one seed."
PLACES = (FIRST_WITH_ONE_BEFORE, FIRST_WITH_ONE_BEFORE + 1)
"""Where the answer's rule is looked for: the first positions at which it has a letter to give."""


def _gibberish_figures(evidence: Evidence) -> Figures:
    found = {}
    for recipe in RECIPES.values():
        measured = evidence.prompts[recipe.slug, RIGHT.slug]
        conditions = f"words of {recipe.task.describe_lengths()}, step {measured.steps:,}, seed {measured.seed}"
        for place in PLACES:
            label = f"mask on, position {place}: the top choice is the letter just before"
            found[f"{recipe.slug}_before_{place}"] = Figure.of_rate(label, measured.at(place).before, conditions)
        label = f"mask on, words of which each top choice is a letter already read or {END_OF_TURN}"
        found[f"{recipe.slug}_seen"] = Figure.of_rate(label, measured.seen, conditions)
        for policy, name in ((RIGHT.slug, "masked"), (UNMASKED.slug, "unmasked")):
            others = evidence.prompts[recipe.slug, policy]
            for place in PLACES:
                sure, n = others.at(place).probability, others.at(place).seen.n
                label = f"{POLICY_NAMES[policy]}, position {place}: mean probability of the top choice"
                found[f"{recipe.slug}_sure_{name}_{place}"] = Figure(label, sure, "share", conditions, n)
            run = evidence.runs[recipe.slug, policy]
            loss = run.metrics_at(run.steps).loss["user"]
            label = f"{POLICY_NAMES[policy]}, loss on the user's letters"
            found[f"{recipe.slug}_loss_{name}"] = Figure.of_loss(label, loss, conditions)
    found["guessing"] = Figure("loss of even guesses among 26 letters, ln 26", GUESSING, "nats", "by arithmetic")
    return found


def _judge_gibberish(f: Figures) -> Judgement:
    ordered = [slug for slug in RECIPES if _follows(f, slug)]
    told = " ".join(_told(f, slug, title) for slug, title in _titles().items())
    if len(ordered) == len(RECIPES):
        return does_not_hold(f"These predictions were never trained, yet they are not noise. {told} {ONE}")
    if ordered:
        noise = " or ".join(title for slug, title in _titles().items() if slug not in ordered)
        return holds_when(f"the words have {noise}. {told} {ONE}")
    return holds(f"{told} {ONE}")


def _titles() -> dict[str, str]:
    return {recipe.slug: recipe.task.describe_lengths() for recipe in RECIPES.values()}


def _follows(f: Figures, slug: str) -> bool:
    """What it predicts is made of what was read, and it is sure of it."""
    sure = min(f[f"{slug}_sure_masked_{place}"].value for place in PLACES)
    return f[f"{slug}_seen"].at_least() > ALWAYS and sure > SURE


def _told(f: Figures, slug: str, title: str) -> str:
    seen, loss = f[f"{slug}_seen"], f[f"{slug}_loss_masked"]
    before = [f[f"{slug}_before_{place}"] for place in PLACES]
    sure, unmasked = (joined([str(f[f"{slug}_sure_{name}_{p}"]) for p in PLACES]) for name in ("masked", "unmasked"))
    rule = ""
    if all(rate.at_least() > ALWAYS for rate in before):
        rule = (
            f"at positions {joined([str(p) for p in PLACES])} the top choice is the letter just before, in "
            f"{joined([str(rate) for rate in before])} of them. That is the answer's own rule, applied inside the "
            "prompt. Also, "
        )
    worse = "worse" if loss.clearly_above(f["guessing"]) else "no worse"
    return (
        f"Words of {title}: {rule}in {seen} of the words every top choice is a letter already read or {END_OF_TURN}. "
        f"At positions {joined([str(p) for p in PLACES])} the top choice has a mean probability of {sure} (mask off: "
        f"{unmasked}). At guessing the next letter, the model is {worse} than chance: {loss} against {f['guessing']}."
    )


PROMPT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "gibberish",
        "Under the mask, what the model predicts inside the prompt is gibberish.",
        "loss",
        shown("/shift#inside-heading", "prompts"),
        _gibberish_figures,
        _judge_gibberish,
    ),
)
