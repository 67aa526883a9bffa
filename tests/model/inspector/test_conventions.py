"""How labels lie is found on random rows, and not guessed on periodic or short ones."""

import random

import pytest

from model.inspector.conventions import ShiftCount, find_convention, targets_of


def dump(rng: random.Random, shift: int, vocabulary: int, ignore: int) -> tuple[list[int], list[int]]:
    ids = [rng.randrange(vocabulary) for _ in range(40)]
    labels = [ids[i + shift] if 0 <= i + shift < 40 and rng.random() < 0.6 else ignore for i in range(40)]
    return ids, labels


def found(rows: list[tuple[list[int], list[int]]]) -> tuple[int | None, int | None]:
    counts = ShiftCount()
    for ids, labels in rows:
        counts.add(ids, labels)
    convention = find_convention(counts)
    return convention.shift, convention.ignore_index


@pytest.mark.parametrize("shift", [0, 1, 2, -1])
@pytest.mark.parametrize("ignore", [-100, -1])
def test_random_rows_tell_it_and_never_wrongly(shift: int, ignore: int):
    for seed in range(50):
        rng = random.Random(seed)
        rows = [dump(rng, shift, rng.choice([5, 100, 50_000]), ignore) for _ in range(rng.randint(1, 20))]
        assert found(rows) in ((shift, ignore), (None, ignore))
    rng = random.Random(0)
    assert found([dump(rng, shift, 1_000, ignore) for _ in range(5)]) == (shift, ignore)


def test_periodic_rows_and_few_targets_cannot_tell():
    assert found([([7] * 40, [-100] * 10 + [7] * 30)])[0] is None
    assert found([([7, 8] * 20, [-100] * 10 + [7, 8] * 15)])[0] is None
    assert found([(list(range(15)), list(range(15)))])[0] is None
    assert found([([1, 2, 3], [-100, -100, -100])])[0] is None


def test_counts_merge():
    rng = random.Random(1)
    rows = [dump(rng, 1, 100, -100) for _ in range(6)]
    whole, parts = ShiftCount(), ShiftCount()
    for ids, labels in rows:
        whole.add(ids, labels)
        one = ShiftCount()
        one.add(ids, labels)
        parts.merge(one)
    assert parts == whole


def test_labels_are_put_back_on_their_tokens():
    ids = [5, 6, 7, 8]
    assert targets_of(ids, [-100, -100, 7, 8], 0, -100) == (ids, b"\0\0\1\1", [])
    assert targets_of(ids, [-100, 7, 8, 9], 1, -100) == ([5, 6, 7, 8, 9], b"\0\0\1\1\1", [])
    assert targets_of(ids, [-100, 9, 8, -100], 1, -100) == (ids, b"\0\0\1\1", [2])
