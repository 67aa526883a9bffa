"""Eight layouts of what a trainer saw."""

from typing import Any

import pytest

from model.inspector.dumps import LAYOUTS, read_dump
from model.inspector.refusals import UnreadableInput

IDS, LABELS = [5, 6, 7, 8], [-100, -100, 7, 8]
ROWS: dict[str, dict[str, Any]] = {
    "labels": {"input_ids": IDS, "labels": LABELS},
    "mask": {"tokens": IDS, "completion_mask": [0, 0, 1, 1]},
    "weights": {"token_ids": IDS, "weights": [0.0, 0.0, 0.5, 1.0]},
    "labels-attention": {"input_ids": IDS, "labels": LABELS, "attention_mask": [1, 1, 1, 0]},
    "labels-positions": {"input_ids": IDS, "labels": LABELS, "position_ids": [0, 1, 0, 1]},
    "labels-segments": {"input_ids": IDS, "labels": LABELS, "segment_ids": [1, 1, 2, 2]},
    "labels-lengths": {"input_ids": IDS, "labels": LABELS, "cu_seqlens": [0, 2, 4]},
    "batch": {"input_ids": [IDS, IDS], "labels": [LABELS, LABELS]},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_told_and_read(layout: str):
    rows = list(read_dump(ROWS[layout]))
    assert len(rows) == (2 if layout == "batch" else 1)
    for row in rows:
        assert row.layout == layout
        assert row.ids == IDS
        assert row.labels == LABELS or [weight > 0 for weight in row.weights or ()] == [False, False, True, True]


def test_segments_are_the_same_from_numbers_lengths_and_bounds():
    for more in ({"segment_ids": [1, 1, 2, 2]}, {"seq_lengths": [2, 2]}, {"cu_seqlens": [0, 2, 4]}):
        (row,) = read_dump({**ROWS["labels"], **more})
        assert row.segments == [1, 1, 2, 2]


def test_several_masks_are_joined_by_and():
    (row,) = read_dump({"input_ids": IDS, "completion_mask": [0, 1, 1, 1], "assistant_masks": [1, 0, 1, 1]})
    assert row.weights == [0.0, 0.0, 1.0, 1.0]


def test_a_line_without_labels_is_refused_with_its_keys():
    with pytest.raises(UnreadableInput, match="input_ids"):
        list(read_dump({"input_ids": IDS}))
