"""What the dispatcher's runs show, all seeds together: who answers, who stops, who runs on. In: Dispatched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.experiments.dispatcher.arms import ARMS, SHARES, Answered, Dispatched
from model.intervals import Rate, pooled
from model.masks.policies import RIGHT, UNMASKED

FRAMINGS = {"plain": "plain text", "framed": "Q: and A:", "templated": "the template"}
"""Of a base's requests."""
ENDINGS = {"line": "line end", "stop": "#", "other": "anything else", "none": "no number"}
"""What follows the number that a text gives."""


@dataclass(frozen=True)
class Outcome:
    """What a model does with sums."""

    title: str
    style: str
    asked: str
    right: Rate
    exact: Rate
    endings: tuple[tuple[str, Rate], ...]
    """What follows the number, by its name in ENDINGS."""
    stops: Rate
    continues: Rate


@dataclass(frozen=True)
class ShareRow:
    """An arm's sums right, of those that were not seen, one for each of SHARES."""

    title: str
    style: str
    cells: tuple[Rate, ...]
    spreads: tuple[tuple[float, float], ...]
    """The lowest and the highest seed of each."""


def outcomes(dispatched: Dispatched) -> Iterator[Outcome]:
    """Of the bases in each framing, then of each arm."""
    for framing, asked in FRAMINGS.items():
        yield _outcome("Base", "base", asked, [getattr(base, framing) for base in dispatched.bases])
    for arm in ARMS.values():
        yield _outcome(arm.title, arm.slug, FRAMINGS["templated"], [run.last for run in dispatched.of(arm.slug)])


def _outcome(title: str, style: str, asked: str, rows: Sequence[Answered]) -> Outcome:
    right, exact, stops, continues = (
        pooled([getattr(row, name) for row in rows]) for name in ("right", "exact", "stops", "continues")
    )
    ends = ((name, pooled([getattr(row.endings, end) for row in rows])) for end, name in ENDINGS.items())
    return Outcome(title, style, asked, right, exact, tuple(ends), stops, continues)


def share_rows(dispatched: Dispatched) -> Iterator[ShareRow]:
    for arm in ARMS.values():
        right = [[run.last.right for run in dispatched.of(arm.slug, share)] for share in SHARES]
        spreads = tuple((min(r.value for r in rates), max(r.value for r in rates)) for rates in right)
        yield ShareRow(arm.title, arm.slug, tuple(map(pooled, right)), spreads)


def seeds_ahead(dispatched: Dispatched) -> int:
    """Seeds in which, at the smallest share, the masked run is right more often than the unmasked one.

    Seed by seed: both start from the same base and see the same sums.
    """
    masked, unmasked = (dispatched.of(arm, SHARES[0]) for arm in (RIGHT.slug, UNMASKED.slug))
    return sum(a.last.right.value > b.last.right.value for a, b in zip(masked, unmasked, strict=True))
