"""An attention mask as a picture: a T x T grid, a line for each position. In: who sees whom. Out: plain view data.

Lengths are in cells. Neighbouring cells of one kind make one rectangle.
"""

from dataclasses import dataclass
from itertools import groupby, pairwise

from model.experiments.packing.rows import SeenRow, Sight


@dataclass(frozen=True)
class Strip:
    sight: Sight
    x: int
    y: int
    width: int


@dataclass(frozen=True)
class AttentionPicture:
    slug: str
    title: str
    sentence: str
    size: int
    """T."""
    tokens: tuple[str, ...]
    strips: tuple[Strip, ...]
    seams: tuple[int, ...]
    """Where a conversation begins behind another one."""
    sights: frozenset[Sight]
    """Those that occur."""


def draw_attention(row: SeenRow, slug: str, title: str, sentence: str) -> AttentionPicture:
    strips: list[Strip] = []
    for y, line in enumerate(row.sights):
        x = 0
        for sight, cells in groupby(line):
            width = len(list(cells))
            if sight != "future":
                strips.append(Strip(sight, x, y, width))
            x += width
    pairs = enumerate(pairwise(row.documents), 1)
    return AttentionPicture(
        slug,
        title,
        sentence,
        len(row.tokens),
        row.tokens,
        tuple(strips),
        tuple(place for place, (before, after) in pairs if before != after),
        frozenset(strip.sight for strip in strips),
    )
