"""The shift, in the one place where it happens: labels that stand on their tokens become targets of positions.

Position t of the inputs `s[:-1]` predicts token t+1, so `y[t] = s[t+1]`. By 0 each position would be scored on the
token it has just read, by 2 on the one after the next: two of the bugs that the gallery shows.
"""

import numpy as np
from numpy.typing import NDArray

from model.masks.policies import IGNORE_INDEX


def shift(labels_BT: NDArray[np.int64], by: int = 1) -> NDArray[np.int64]:
    """(B, T) labels -> (B, T-1) targets: position t is scored on token t + by; on nothing where the row has ended."""
    T = labels_BT.shape[1]
    targets = np.full((len(labels_BT), T - 1), IGNORE_INDEX)
    kept = labels_BT[:, by : by + T - 1]
    targets[:, : kept.shape[1]] = kept
    return targets
