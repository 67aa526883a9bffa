"""Figures of a model trained under a bug, beside those of the right one, from the gallery. In: what to compare."""

from collections.abc import Callable
from itertools import product

from model.claims.claim import Figure, Figures
from model.claims.evidence import Evidence
from model.masks.policies import MASK_POLICIES, POLICY_NAMES, RIGHT
from model.training.recipes import ALL_RECIPES

TITLES = {
    "exact_match": "exact match",
    "first_right": "first letter right",
    "by_turn": "first answer of a conversation right",
}


def told(slug: str) -> str:
    """What pages call a mask, as it stands inside a sentence."""
    title = MASK_POLICIES[slug].title
    return POLICY_NAMES.get(slug, f"{title[0].lower()}{title[1:]}")


def rates_beside_the_right(recipe: str, policy: str, *rates: str) -> Callable[[Evidence], Figures]:
    """`bug_` and `right_` for each rate: of the model trained under a policy, and under the right one."""

    def collect(evidence: Evidence) -> Figures:
        found = {}
        for (name, slug), rate in product((("bug", policy), ("right", RIGHT.slug)), rates):
            measured = evidence.gallery[recipe, slug]
            value = getattr(measured.symptoms, rate)
            first = value[0] if isinstance(value, tuple) else value
            conditions = f"{ALL_RECIPES[recipe].name}, {told(slug)}, step {measured.steps:,}, seed {measured.seed}"
            found[f"{name}_{rate}"] = Figure.of_rate(f"{TITLES[rate]}, {told(slug)}", first, conditions)
        return found

    return collect


def difference_from_the_right(recipe: str, policy: str, rate: str) -> Callable[[Evidence], Figures]:
    """`difference`: the rate under a policy less that under the right one, one model each, on the same prompts."""

    def collect(evidence: Evidence) -> Figures:
        bug, right = (evidence.gallery[recipe, slug] for slug in (policy, RIGHT.slug))
        rates = getattr(bug.symptoms, rate), getattr(right.symptoms, rate)
        conditions = f"{ALL_RECIPES[recipe].name}, step {right.steps:,}, seed {right.seed}"
        label = f"{TITLES[rate]}, {told(policy)} minus {told(RIGHT.slug)}"
        return {"difference": Figure.of_difference(label, *rates, conditions)}

    return collect
