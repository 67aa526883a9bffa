"""The paddings that are compared, as literal data: policies that differ in padding alone."""

from dataclasses import dataclass

from model.masks.policies import RIGHT

PADDING_RECIPE = "reverse"
EXAMPLE_WORDS = ("live", "helicopter")
"""The second is as long as words get, so the first one always gets pads."""


@dataclass(frozen=True)
class LeftPadding:
    """A cell of the 2 x 2: what is put right when pads stand on the left."""

    policy: str
    hidden: bool
    """Attention does not see the pads."""
    corrected: bool
    """Positions are counted from the first real token."""


TWO_BY_TWO = (
    LeftPadding("left-pad", hidden=True, corrected=True),
    LeftPadding("left-pad-no-positions", hidden=True, corrected=False),
    LeftPadding("left-pad-seen", hidden=False, corrected=True),
    LeftPadding("left-pad-unmasked", hidden=False, corrected=False),
)

PADDINGS = {
    RIGHT.slug: "on the right",
    "left-pad": "left, hidden, positions corrected",
    "left-pad-no-positions": "left, hidden, positions not corrected",
    "left-pad-seen": "left, seen, positions corrected",
    "left-pad-unmasked": "left, seen, positions not corrected",
}
"""What they are called beside each other, by policy."""

TRAINED_PADDINGS = tuple(slug for slug in PADDINGS if slug != "left-pad-seen")
"""Those that a shipped model was trained with."""
