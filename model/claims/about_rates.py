"""What the lesson claims about SFT's learning rate. One rule."""

from model.claims.about_base import shown_sums
from model.claims.claim import Claim, Figure, Figures, Judgement, does_not_hold, holds, holds_when, not_settled, shown
from model.claims.evidence import Evidence
from model.experiments.dispatcher.arms import FULL_SHARE
from model.experiments.dispatcher.rates import PRETRAINING_RATE, RATES, SKILLS, Tried, best_rate, skill_rate, weakest
from model.intervals import wilson
from model.text.corpus import SUMS
from model.writing import scientific

SMALLER = (1, 10)
"""So many times smaller than pretraining's rate, says the lesson."""
WORDS = {"new": "unseen sums right", "continues": "openings continued", "knows": "sums known"}
"""Of SKILLS."""
INSIDE = tuple(rate for rate in RATES if SMALLER[0] <= round(PRETRAINING_RATE / rate, 6) <= SMALLER[1])
OUTSIDE = tuple(rate for rate in RATES if rate not in INSIDE)
TIMES = "times smaller than pretraining's rate"
GAIN = "weakest skill: the best rate outside less the best inside"
FEWEST = len(SUMS) // 2
"""Questions of the skill that is asked the fewest: the weakest of three is known no better than by these."""


def _rate_figures(evidence: Evidence) -> Figures:
    """The best rates inside the lesson's range and outside: by each seed's weakest skill, and by the new one."""
    tried = evidence.tried
    best = {"inside": best_rate(tried, INSIDE), "outside": best_rate(tried, OUTSIDE)}
    found: dict[str, Figure] = {}
    for where, rate in best.items():
        among = len(INSIDE if where == "inside" else OUTSIDE)
        chosen = f"the best of {among} rates {where} the range by the weakest skill, at {scientific(rate)}"
        found[where] = Figure(TIMES, _times(rate), "count", chosen)
        for skill in SKILLS.values():
            asked = shown_sums(FULL_SHARE) if skill.slug == "new" else "all sums"
            label = f"{skill.title}, at {scientific(rate)}"
            found[f"{where}_{skill.slug}"] = Figure.of_seeds(label, skill_rate(tried, skill, rate), asked)
    rule = "each seed's weakest of the three skills; the same steps at every rate"
    outside, inside = ([wilson(value, FEWEST) for value in weakest(tried, best[w])] for w in ("outside", "inside"))
    found["gain"] = Figure.of_differences(GAIN, outside, inside, rule, len(SUMS))
    ahead = sum(value > 0 for value in found["gain"].seeds)
    found["ahead"] = Figure("seeds in which the rate outside is ahead", ahead, "count", rule, len(inside))
    return found | _new_figures(tried)


def _new_figures(tried: Tried) -> dict[str, Figure]:
    """The best rates by the new skill alone, which need not be the best by the weakest."""
    new = SKILLS["new"]
    best = {
        where: max(rates, key=lambda rate: skill_rate(tried, new, rate).value)
        for where, rates in (("inside", INSIDE), ("outside", OUTSIDE))
    }
    found: dict[str, Figure] = {}
    for where, rate in best.items():
        chosen = f"the best rate {where} the range by the new skill, at {scientific(rate)}"
        found[f"new_{where}"] = Figure(TIMES, _times(rate), "count", chosen)
        label = f"{new.title}, at {scientific(rate)}"
        found[f"new_{where}_right"] = Figure.of_seeds(label, skill_rate(tried, new, rate), shown_sums(FULL_SHARE))
    inside, outside = ([new.read(run) for run in tried.at(rate)] for rate in best.values())
    label = f"{new.title}: the best rate inside less the best outside"
    found["new_gain"] = Figure.of_differences(label, inside, outside, shown_sums(FULL_SHARE), new.questions)
    return found


def _times(rate: float) -> float:
    return round(PRETRAINING_RATE / rate, 6)


def _judge_rate(f: Figures) -> Judgement:
    """Clear is what the whole interval of a difference over seeds says; that one is ahead in all of three is not."""
    gain, new, ahead = f["gain"], f["new_gain"], f["ahead"]
    skills = ", ".join(f"{word} {f[f'outside_{slug}']} against {f[f'inside_{slug}']}" for slug, word in WORDS.items())
    found = (
        f"By the new skill alone the best rates inside and outside that range are {f['new_inside']} and "
        f"{f['new_outside']} times smaller: {f['new_inside_right']} and {f['new_outside_right']} of unseen sums are "
        f"right. By each seed's weakest of three skills the best are {f['inside']} and {f['outside']} times smaller, "
        f"and the one outside is ahead in {ahead} of {ahead.n} seeds, by {gain} on average (95 % interval "
        f"{gain.interval()}): {skills}."
    )
    if gain.at_most() < 0:
        return holds(found)
    if gain.at_least() <= 0:
        return not_settled(f"With {ahead.n} seeds no difference is clear. {found}")
    return holds_when(f"the new skill is what counts. {found}") if new.at_least() > 0 else does_not_hold(found)


RATE_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "learning-rate",
        f"SFT's learning rate should be {SMALLER[0]} to {SMALLER[1]} times smaller than pretraining's.",
        "trade-offs",
        shown("/dispatcher#rates-heading", "rates"),
        _rate_figures,
        _judge_rate,
    ),
)
