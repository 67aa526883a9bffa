"""model/masks/shift.py: a label stands under the position that predicts its token, and never wraps around."""

import numpy as np
import pytest

from model.masks.policies import IGNORE_INDEX
from model.masks.shift import shift

__ = IGNORE_INDEX


@pytest.mark.parametrize(
    ("by", "targets"),
    [
        (1, [[__, 12, 13, 14], [21, 22, 23, 24]]),
        (0, [[10, __, 12, 13], [20, 21, 22, 23]]),
        (2, [[12, 13, 14, __], [22, 23, 24, __]]),
    ],
)
def test_position_t_is_scored_on_token_t_plus_the_shift(by: int, targets: list[list[int]]) -> None:
    labels = np.array([[10, __, 12, 13, 14], [20, 21, 22, 23, 24]])
    assert shift(labels, by).tolist() == targets


def test_it_shifts_by_one_unless_told_otherwise() -> None:
    labels = np.arange(8).reshape(2, 4)
    assert shift(labels).tolist() == labels[:, 1:].tolist()
