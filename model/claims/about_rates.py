"""What the lesson claims about SFT's learning rate. One rule."""

from model.claims.about_base import shown_sums
from model.claims.claim import Claim, Figure, Figures, Judgement, does_not_hold, holds, holds_when, not_settled, shown
from model.claims.evidence import Evidence
from model.experiments.dispatcher.arms import FULL_SHARE
from model.experiments.dispatcher.rates import PRETRAINING_RATE, RATES, SKILLS, best_rate, skill_rate, weakest
from model.writing import joined, scientific

SMALLER = (1, 10)
"""So many times smaller than pretraining's rate, says the lesson."""
WORDS = {"new": "unseen sums right", "continues": "openings continued", "knows": "sums known"}
"""Of SKILLS."""
RANGE = ("outside", "inside")
INSIDE = tuple(rate for rate in RATES if SMALLER[0] <= round(PRETRAINING_RATE / rate, 6) <= SMALLER[1])
OUTSIDE = tuple(rate for rate in RATES if rate not in INSIDE)


def _rate_figures(evidence: Evidence) -> Figures:
    """The best rate inside the lesson's range and the best one outside: the new skill, both kept ones, who is ahead."""
    tried = evidence.tried
    best = {"inside": best_rate(tried, INSIDE), "outside": best_rate(tried, OUTSIDE)}
    found = {}
    for where, rate in best.items():
        times = round(PRETRAINING_RATE / rate, 6)
        among = INSIDE if rate in INSIDE else OUTSIDE
        chosen = f"the best of {len(among)} rates {where} the range, at {scientific(rate)}"
        found[where] = Figure("times smaller than pretraining's rate", times, "count", chosen)
        for skill in SKILLS.values():
            asked = shown_sums(FULL_SHARE) if skill.slug == "new" else "all sums"
            label = f"{skill.title}, at {scientific(rate)}"
            found[f"{where}_{skill.slug}"] = Figure.of_seeds(label, skill_rate(tried, skill, rate), asked)
    pairs = list(zip(*(weakest(tried, rate) for rate in best.values()), strict=True))
    rule = "by each seed's weakest of the three skills; the same steps at every rate"
    for where, ahead in (
        ("inside", sum(inside > outside for inside, outside in pairs)),
        ("outside", sum(outside > inside for inside, outside in pairs)),
    ):
        found[f"{where}_ahead"] = Figure(f"seeds in which the rate {where} is ahead", ahead, "count", rule, len(pairs))
    return found


def _judge_rate(f: Figures) -> Judgement:
    outside, inside = (joined([f"{f[f'{where}_{slug}']} of {word}" for slug, word in WORDS.items()]) for where in RANGE)
    found = f"At a rate {f['outside']} times smaller: {outside}. At {f['inside']} times smaller: {inside}."
    for where, other, judged in (("inside", "outside", holds), ("outside", "inside", does_not_hold)):
        wins = f[f"{where}_ahead"]
        if where == "outside" and wins.value == wins.n and _learns_more_inside(f):
            return holds_when(_told_apart(f))
        if wins.value == wins.n:
            best = f"the best rate {where} that range beats the best one {other} it in {wins} of {wins.n} seeds"
            return judged(f"Judged by the weakest of three skills, {best}. {found}")
    wins = f["inside_ahead"]
    return not_settled(
        f"No difference found: the best rate inside that range wins in {wins} of {wins.n} seeds. {found}"
    )


def _learns_more_inside(f: Figures) -> bool:
    """In no seed less, and more on average."""
    pairs = zip(f["inside_new"].seeds, f["outside_new"].seeds, strict=True)
    return f["inside_new"].value > f["outside_new"].value and all(inside >= outside for inside, outside in pairs)


def _told_apart(f: Figures) -> str:
    """The new skill says one thing, the kept ones another."""
    new, *kept = WORDS
    lost = ", ".join(f"{WORDS[slug]} {f[f'outside_{slug}']} against {f[f'inside_{slug}']}" for slug in kept)
    wins = f["outside_ahead"]
    return (
        f"judged by the new skill alone: at {f['inside']} times smaller {f[f'inside_{new}']} of unseen sums are right, "
        f"at {f['outside']} times smaller {f[f'outside_{new}']}. Judged by the weakest of three skills, {f['outside']} "
        f"times smaller is ahead in {wins} of {wins.n} seeds: {lost}."
    )


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
