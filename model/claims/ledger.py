"""The ledger: every claim of the lesson with its figures and its verdict, by rules in code. In: Evidence."""

from collections.abc import Iterator
from dataclasses import dataclass

from model.claims.about_ablation import ABLATION_CLAIMS
from model.claims.about_base import BASE_CLAIMS
from model.claims.about_layout import LAYOUT_CLAIMS
from model.claims.about_limits import LIMIT_CLAIMS
from model.claims.about_masks import MASK_CLAIMS
from model.claims.about_prompts import PROMPT_CLAIMS
from model.claims.about_rates import RATE_CLAIMS
from model.claims.about_slice import SLICE_CLAIMS
from model.claims.claim import Claim, Figure, Judgement
from model.claims.evidence import Evidence
from model.claims.lines import Lined, line_of

EVERY = (
    *BASE_CLAIMS,
    *PROMPT_CLAIMS,
    *ABLATION_CLAIMS,
    *MASK_CLAIMS,
    *LAYOUT_CLAIMS,
    *SLICE_CLAIMS,
    *RATE_CLAIMS,
    *LIMIT_CLAIMS,
)
CLAIMS: dict[str, Claim] = {claim.slug: claim for claim in EVERY}
"""In the lesson's order."""


@dataclass(frozen=True)
class Entry:
    """A claim as it stands."""

    claim: Claim
    figures: tuple[Figure, ...]
    judgement: Judgement
    line: tuple[Lined, ...]
    """The figures that stand for it in one line."""


def ledger(evidence: Evidence) -> Iterator[Entry]:
    return (enter(claim, evidence) for claim in CLAIMS.values())


def enter(claim: Claim, evidence: Evidence) -> Entry:
    figures = claim.collect(evidence)
    return Entry(claim, tuple(figures.values()), claim.judge(figures), line_of(claim.slug, figures))
