"""model/experiments/ablation/shipped.py.

The shipped file by name, its map and sweep found in it, its runs as a table.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from app.settings import Settings
from model.errors import BrokenAblation, UnknownName
from model.experiments.ablation.findings import find
from model.experiments.ablation.runs import ABLATION_FILE, Ablation, write_ablation
from model.experiments.ablation.shipped import (
    FINDINGS_FILE,
    ShippedAblation,
    keep_findings,
    load_ablation,
    write_csv,
)
from model.training.recipes import Variation

TRAINED = Settings().trained_folder
ARRIVALS = {"prompt-masked": [20, 40], "unmasked": [40, None]}
TINY = Variation(width=8, steps=40, evaluate_every=20, evaluation_words=10)
EIGHT = replace(TINY, min_length=8, max_length=8)


@pytest.fixture
def shipped(tmp_path: Path, make_ablation: Callable[..., Ablation]) -> ShippedAblation:
    variations = [replace(TINY, width=width, learning_rate=rate) for width in (8, 16) for rate in (1e-3, 1e-4)]
    variations += [replace(EIGHT, answer_length=n) for n in (1, 8, 2)]
    ablation = make_ablation(*(("reverse4", variation, ARRIVALS) for variation in variations))
    (tmp_path / ABLATION_FILE).write_bytes(write_ablation(ablation))
    keep_findings(tmp_path)
    return load_ablation(tmp_path)


def test_the_map_is_of_widths_and_learning_rates_only(shipped: ShippedAblation) -> None:
    assert [(c.setting.width, c.setting.learning_rate) for c in shipped.grid()] == [
        (8, 1e-3),
        (8, 1e-4),
        (16, 1e-3),
        (16, 1e-4),
    ]


def test_the_sweep_goes_from_the_longest_answer_to_the_shortest(shipped: ShippedAblation) -> None:
    assert [c.setting.answer_length for c in shipped.sweep()] == [8, 2, 1]
    shares = [c.setting.ignored_share() for c in shipped.sweep()]
    assert shares == pytest.approx([9 / 18, 9 / 12, 9 / 11])


def test_names_are_found_or_refused_with_what_is_there(shipped: ShippedAblation) -> None:
    first = shipped.findings.comparisons[0]
    assert shipped.comparison(first.setting.slug) == first
    assert shipped.of_recipe("reverse4") == shipped.first() == first
    for ask in (shipped.comparison, shipped.of_recipe):
        with pytest.raises(UnknownName, match=r"'nope'.*Choose one of: reverse4"):
            ask("nope")


def test_a_recipe_as_it_is_comes_first(tmp_path: Path, make_ablation: Callable[..., Ablation]) -> None:
    as_it_is = Variation(evaluation_words=10)
    ablation = make_ablation(("reverse4", TINY, ARRIVALS), ("reverse4", as_it_is, ARRIVALS))
    (tmp_path / ABLATION_FILE).write_bytes(write_ablation(ablation))
    keep_findings(tmp_path)
    shipped = load_ablation(tmp_path)
    assert shipped.first().setting.slug == shipped.of_recipe("reverse4").setting.slug == "reverse4"
    assert shipped.sweep() == ()


def test_the_table_has_a_line_for_each_run_and_step_with_its_setting_and_commit(shipped: ShippedAblation) -> None:
    ablation = shipped.findings.ablation
    rows = list(csv.DictReader(io.StringIO(write_csv(ablation).decode())))
    assert len(rows) == len(ablation.runs) * 3
    last = [row for row in rows if (row["policy"], row["seed"], row["step"]) == ("unmasked", "0", "40")]
    assert [row["setting"] for row in last] == [setting.slug for setting in ablation.settings]
    assert {row["exact_match"] for row in last} == {"1.0"}
    assert {row["commit"] for row in rows} == {"c0ffee"}
    assert (last[-1]["answer_length"], last[0]["answer_length"], last[0]["budget"]) == ("2", "", "40")
    assert {"loss_user", "loss_assistant", "loss_template"} <= set(rows[0])


def test_one_policy_is_nothing_to_compare(tmp_path: Path, make_ablation: Callable[..., Ablation]) -> None:
    ablation = make_ablation(("reverse4", TINY, {"unmasked": [20]}))
    (tmp_path / ABLATION_FILE).write_bytes(write_ablation(ablation))
    with pytest.raises(BrokenAblation, match="has not the policies prompt-masked and unmasked"):
        load_ablation(tmp_path)


def test_what_ships_of_the_findings_is_what_the_shipped_ablation_shows() -> None:
    digest = hashlib.sha256((TRAINED / ABLATION_FILE).read_bytes()).hexdigest()
    assert json.loads((TRAINED / FINDINGS_FILE).read_bytes())["ablation_sha256"] == digest
    shipped = load_ablation(TRAINED).findings
    found = find(shipped.ablation)
    assert [(c.setting, c.arrivals, c.verdict) for c in shipped.comparisons] == [
        (c.setting, c.arrivals, c.verdict) for c in found.comparisons
    ]
    stated, again = (list(numbers(asdict(each))) for each in (shipped, found))
    assert again == pytest.approx(stated, abs=1e-9)


def test_another_ablation_than_the_one_whose_findings_were_kept_is_analysed_anew(
    tmp_path: Path, make_ablation: Callable[..., Ablation]
) -> None:
    kept, other = (make_ablation(("reverse4", TINY, {**ARRIVALS, "unmasked": [step, 40]})) for step in (40, 20))
    (tmp_path / ABLATION_FILE).write_bytes(write_ablation(kept))
    keep_findings(tmp_path)
    (tmp_path / ABLATION_FILE).write_bytes(write_ablation(other))
    assert load_ablation(tmp_path).findings == find(other)
    assert find(other).comparisons != find(kept).comparisons


def test_findings_that_are_missing_are_named_with_what_makes_them(
    tmp_path: Path, make_ablation: Callable[..., Ablation]
) -> None:
    (tmp_path / ABLATION_FILE).write_bytes(write_ablation(make_ablation(("reverse4", TINY, ARRIVALS))))
    with pytest.raises(BrokenAblation, match=f"{tmp_path}/findings.json: No such file.*ablate --findings"):
        load_ablation(tmp_path)


def numbers(value: object) -> Iterator[float]:
    """All in a value of dictionaries and sequences, in their order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, (int, float)):
        yield value


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenAblation, match=f"{tmp_path}/ablation.json: No such file"):
        load_ablation(tmp_path)
