"""model/kept.py: what is written is read, what is incomplete is refused, what departs is told."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from model.errors import BrokenAblation, BrokenRun
from model.intervals import Rate, wilson
from model.kept import ROUNDING, STRICT, TIES, KeptFile, Value, agree, compare_rates, overlap, read_checked, write


@dataclass(config=STRICT)
class Row:
    slug: str
    seed: int
    right: Rate

    @property
    def key(self) -> tuple[str, str]:
        return self.slug, str(self.seed)


ROWS = TypeAdapter(tuple[Row, ...])
ANY_OF_IT = KeptFile("rows", ROWS, lambda rows: [row.key for row in rows], [("a", "0"), ("b", "1")])
BY_NAME = KeptFile("rows", ROWS, ANY_OF_IT.keys, ANY_OF_IT.expected, named="/".join)
A, B, C = (Row(slug, seed, wilson(0.5, 10)) for seed, slug in enumerate("abc"))


# Writing and reading


@pytest.mark.parametrize("file", [ANY_OF_IT, BY_NAME])
def test_what_was_saved_is_read(tmp_path: Path, file: KeptFile[tuple[Row, ...], tuple[str, str]]):
    file.save(tmp_path, (B, A))
    assert file.read(tmp_path) == (B, A)


def test_a_file_is_indented_by_one_and_ends_with_its_line(tmp_path: Path):
    write(tmp_path / "numbers.json", TypeAdapter(tuple[float, ...]), (0.1, 2.0))
    assert (tmp_path / "numbers.json").read_bytes() == b"[\n 0.1,\n 2.0\n]\n"


@pytest.mark.parametrize(
    ("rows", "told_apart", "by_name"),
    [
        ((A, B), None, None),
        ((A,), "a run", "b/1"),
        ((B,), "a run", "a/0"),
        ((), "a run", "a/0, b/1"),
        ((A, B, C), "a run", None),
        ((A, C), "a run", "b/1"),
    ],
)
def test_a_file_must_have_the_rows_expected(
    tmp_path: Path, rows: tuple[Row, ...], told_apart: str | None, by_name: str | None
):
    for file, lacks in ((ANY_OF_IT, told_apart), (BY_NAME, by_name)):
        file.save(tmp_path, rows)
        if lacks is None:
            assert file.read(tmp_path) == rows
        else:
            with pytest.raises(BrokenRun) as caught:
                file.read(tmp_path)
            made_anew = "`maskscope rows --measure` makes it anew"
            assert caught.value.message == f"{tmp_path / 'rows.json'}: lacks {lacks}; {made_anew}"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", ": Invalid JSON"),
        (b"{}", ": Input should be a valid array"),
        (b'[{"slug": "a", "seed": 0}]', "0.right: Field required"),
        (b'[{"slug": "a", "seed": 0, "right": null}]', "0.right: "),
        (b'[{"slug": "a", "seed": 0, "right": {"value": 2, "n": 1, "low": 0, "high": 1}}]', "0.right.value: "),
        (b'[{"slug": "a", "seed": 0, "right": {"value": 1, "n": 1, "low": 0, "high": 1}, "more": 1}]', "0.more: Unexp"),
    ],
)
@pytest.mark.parametrize("broken", [BrokenRun, BrokenAblation])
def test_what_is_no_such_file_is_refused_with_the_place(
    tmp_path: Path, content: bytes, place: str, broken: type[BrokenRun]
):
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    with pytest.raises(broken) as caught:
        read_checked(path, ROWS, "`make` makes it", broken)
    assert f"{path}: " in caught.value.message
    assert caught.value.message.endswith("; `make` makes it")
    assert place in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("broken", [BrokenRun, BrokenAblation])
def test_a_missing_file_is_refused_by_name(tmp_path: Path, broken: type[BrokenRun]):
    with pytest.raises(broken) as caught:
        read_checked(tmp_path / "rows.json", ROWS, "`make` makes it", broken)
    assert caught.value.message == f"{tmp_path / 'rows.json'}: No such file or directory; `make` makes it"


# Comparing


@pytest.mark.parametrize("n", [500, 173])
def test_two_trials_are_no_difference_and_three_are(n: int):
    assert TIES == 2
    for hits, more, same in ((n // 2, 0, 1), (n // 2, 2, 1), (n // 2, -2, 1), (0, 2, 1), (0, 3, 0), (n, -3, 0)):
        assert agree(wilson(hits / n, n), wilson((hits + more) / n, n)) == same


def test_the_same_rate_of_fewer_trials_is_a_difference():
    assert not agree(wilson(1.0, 500), wilson(1.0, 499))


@pytest.mark.parametrize("stated", [0.002, 1.0, 6.5])
def test_a_number_may_round_otherwise_and_no_more_unless_it_is_given_slack(stated: float):
    allowed = ROUNDING * max(1.0, stated)
    for sign in (1, -1):
        assert agree(stated, stated + sign * 0.9 * allowed)
        assert not agree(stated, stated + sign * 1.1 * allowed)
        assert agree(stated, stated + sign * 1.1 * allowed, slack=1.2 * allowed)
        assert agree(stated, stated + sign * 0.9 * allowed, slack=0.5 * allowed)


@pytest.mark.parametrize(
    ("stated", "measured", "same"),
    [(None, None, True), (None, 0.0, False), (0.0, None, False), (wilson(0.5, 10), 0.5, False)],
)
def test_nothing_agrees_with_nothing_alone_and_a_rate_with_rates_alone(stated: Value, measured: Value, same: bool):
    assert agree(stated, measured) == same


@pytest.mark.parametrize(
    ("low", "high", "same"), [(0.1, 0.3, True), (0.3, 0.4, True), (0.31, 0.4, False), (0.0, 0.09, False)]
)
def test_intervals_overlap_that_have_a_point_in_common(low: float, high: float, same: bool):
    stated, measured = Rate(0.2, 10, 0.1, 0.3), Rate(low, 10, low, high)
    assert overlap(stated, measured) == overlap(measured, stated) == same


def test_what_departs_is_told_with_both_values_and_nothing_else():
    rates = [("a", wilson(0.5, 10), wilson(0.5, 10)), ("b", wilson(0.1, 10), wilson(0.9, 10))]
    assert compare_rates(rates) == ["b: stated 0.100, measured 0.900"]
    assert compare_rates(rates, same=lambda stated, measured: False) == [
        "a: stated 0.500, measured 0.500",
        "b: stated 0.100, measured 0.900",
    ]
