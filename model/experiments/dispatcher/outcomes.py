"""What the dispatcher's runs show, over seeds: who answers, who stops, who runs on. In: Dispatched."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from model.experiments.dispatcher.arms import ARMS, FULL_SHARE, SHARES, Answered, Dispatched, unseen_sums
from model.intervals import Rate, SeedRate, rate_over_seeds
from model.masks.policies import RIGHT, UNMASKED
from model.text.corpus import SUMS

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
    right: SeedRate
    exact: SeedRate
    endings: tuple[tuple[str, SeedRate], ...]
    """What follows the number, by its name in ENDINGS."""
    stops: SeedRate
    continues: SeedRate


@dataclass(frozen=True)
class ShareRow:
    """An arm's sums right, of those that were not seen, one for each of SHARES."""

    title: str
    style: str
    cells: tuple[SeedRate, ...]
    stopped: tuple[SeedRate, ...]
    """Those right and stopped."""


def outcomes(dispatched: Dispatched) -> Iterator[Outcome]:
    """Of the bases in each framing, then of each arm."""
    for framing, asked in FRAMINGS.items():
        yield _outcome("Base", "base", asked, [getattr(base, framing) for base in dispatched.bases], len(SUMS))
    for arm in ARMS.values():
        rows = [run.last for run in dispatched.of(arm.slug)]
        yield _outcome(arm.title, arm.slug, FRAMINGS["templated"], rows, unseen_sums(FULL_SHARE))


def _outcome(title: str, style: str, asked: str, rows: Sequence[Answered], questions: int) -> Outcome:
    def rate(read: Callable[[Answered], Rate]) -> SeedRate:
        return rate_over_seeds([read(row) for row in rows], questions)

    return Outcome(
        title,
        style,
        asked,
        rate(lambda row: row.right),
        rate(lambda row: row.exact),
        tuple((name, rate(attrgetter(f"endings.{end}"))) for end, name in ENDINGS.items()),
        rate(lambda row: row.stops),
        rate(lambda row: row.continues),
    )


def share_rows(dispatched: Dispatched) -> Iterator[ShareRow]:
    for arm in ARMS.values():
        right, stopped = (
            tuple(dispatched.rate(arm.slug, name, share) for share in SHARES) for name in ("right", "exact")
        )
        yield ShareRow(arm.title, arm.slug, right, stopped)


def seeds_ahead(dispatched: Dispatched) -> int:
    """Seeds in which, at the smallest share, the masked run is right more often than the unmasked one.

    Seed by seed: both start from the same base and see the same sums.
    """
    masked, unmasked = (dispatched.of(arm, SHARES[0]) for arm in (RIGHT.slug, UNMASKED.slug))
    return sum(a.last.right.value > b.last.right.value for a, b in zip(masked, unmasked, strict=True))
