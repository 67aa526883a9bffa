"""What a trainer saw: ids with labels, masks or weights, in the layouts that trainers and their users write.

In: a JSON value, one row or one batch. Out: DumpRow, labels still where the dump has them. conventions.py aligns them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from model.inspector.refusals import UnreadableInput

ID_KEYS = ("input_ids", "tokens", "token_ids")
MASK_KEYS = (
    *("loss_mask", "completion_mask", "assistant_masks", "assistant_mask", "answer_mask", "response_mask", "mask"),
)
WEIGHT_KEYS = ("weights", "loss_weights")
SEGMENT_KEYS = ("document_ids", "segment_ids", "seq_idx")

LAYOUTS: dict[str, str] = {
    "labels": "labels beside the ids, ignored ones negative",
    "mask": "a mask of zeros and ones beside the ids",
    "weights": "a weight for each token",
    "labels-attention": "labels and an attention mask",
    "labels-positions": "labels and position ids that begin again",
    "labels-segments": "labels and the number of each token's conversation",
    "labels-lengths": "labels and the lengths of the conversations in the row",
    "batch": "lists of rows under each key",
}


@dataclass(frozen=True, slots=True)
class DumpRow:
    """One row. `labels` or `weights` or both; `attended` is None where nothing says what is a pad."""

    ids: list[int]
    labels: list[int] | None
    weights: list[float] | None
    attended: list[int] | None
    segments: list[int] | None
    positions: list[int] | None
    layout: str
    mask_name: str = ""


def is_dump(row: Any) -> bool:
    if not isinstance(row, dict) or not any(key in row for key in ID_KEYS):
        return False
    return "labels" in row or any(key in row for key in (*MASK_KEYS, *WEIGHT_KEYS))


def read_dump(row: Any) -> Iterator[DumpRow]:
    """The rows of one line: one, or those of a batch. Raises UnreadableInput."""
    if not is_dump(row):
        keys = ", ".join(sorted(map(str, row))[:12]) if isinstance(row, dict) else type(row).__name__
        raise UnreadableInput(f"a dump holds ids and labels, a mask or weights; this line holds: {keys}", param="dump")
    ids = next(row[key] for key in ID_KEYS if key in row)
    try:
        if not isinstance(ids, list):
            raise ValueError("its ids are not a list")
        if ids and isinstance(ids[0], list):
            for place in range(len(ids)):
                one = {key: _at(value, place, len(ids)) for key, value in row.items()}
                yield _row({key: value for key, value in one.items() if value is not None}, "batch")
        else:
            yield _row(row, None)
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise UnreadableInput(f"a dump's row: {error}", param="dump") from error


def _at(value: Any, place: int, rows: int) -> Any:
    return value[place] if isinstance(value, list) and len(value) == rows else None


def _row(row: Mapping[str, Any], layout: str | None) -> DumpRow:
    ids = [int(token) for token in next(row[key] for key in ID_KEYS if key in row)]
    labels = None if row.get("labels") is None else [int(label) for label in row["labels"]]
    weights, mask_name = _weights(row, len(ids))
    segments = _segments(row, len(ids))
    positions, attended = _whole_numbers(row, "position_ids"), _whole_numbers(row, "attention_mask")
    found = "labels" if labels is not None else "mask" if mask_name not in WEIGHT_KEYS else "weights"
    for name, present in (
        ("labels-attention", attended is not None),
        ("labels-positions", positions is not None),
        ("labels-segments", any(key in row for key in SEGMENT_KEYS)),
        ("labels-lengths", "seq_lengths" in row or "cu_seqlens" in row),
    ):
        found = name if present and labels is not None else found
    return DumpRow(ids, labels, weights, attended, segments, positions, layout or found, mask_name)


def _whole_numbers(row: Mapping[str, Any], key: str) -> list[int] | None:
    values = row.get(key)
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(value, int) for value in values):
        raise ValueError(f"{key} is not a list of whole numbers")
    return values


def _weights(row: Mapping[str, Any], length: int) -> tuple[list[float] | None, str]:
    """Masks and weights joined by "and": a token counts if every one of them says so."""
    named = [(key, row[key]) for key in (*MASK_KEYS, *WEIGHT_KEYS) if row.get(key) is not None]
    if not named:
        return None, ""
    joined = [1.0] * max(len(values) for _, values in named)
    for _, values in named:
        joined = [a * float(b) for a, b in zip(joined, values, strict=False)]
    return joined, named[0][0]


def _segments(row: Mapping[str, Any], length: int) -> list[int] | None:
    for key in SEGMENT_KEYS:
        if row.get(key) is not None:
            return [int(number) for number in row[key]]
    lengths = row.get("seq_lengths")
    if lengths is None and (bounds := row.get("cu_seqlens")) is not None:
        lengths = [stop - start for start, stop in pairwise(bounds)]
    if lengths is None:
        return None
    return _numbered(lengths, length)


def _numbered(lengths: Sequence[int], length: int) -> list[int]:
    """1, 1, 1, 2, 2, ...; 0 behind the last."""
    numbers: list[int] = []
    for number, size in enumerate(lengths, 1):
        numbers += [number] * min(int(size), length - len(numbers))
    return [*numbers, *[0] * (length - len(numbers))]
