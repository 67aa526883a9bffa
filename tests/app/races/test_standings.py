"""app/races/standings.py: who reached what first, in steps and in seconds."""

from typing import Any

import pytest

from app.races.standings import Standing, results_of


def standing(*measured: tuple[int, float, float]) -> Standing:
    """Of (step, seconds, exact match) of each measurement."""
    standing = Standing()
    for step, seconds, value in measured:
        exact: dict[str, Any] = {"value": value, "n": 100, "low": value, "high": value}
        standing.note("step", {"step": step, "loss": 1.5, "step_ms": 0.5})
        standing.note("evaluated", {"step": step, "seconds": seconds, "exact_match": exact, "predictions": []})
    return standing


def test_nobody_has_reached_anything_at_first() -> None:
    results = results_of({"prompt-masked": Standing(), "unmasked": Standing()})
    nothing = {"50": None, "90": None, "99": None}
    assert results["policies"]["unmasked"] == {"step": 0, "seconds": 0.0, "exact_match": None, "reached": nothing}
    assert results["first"] == {name: {"step": None, "seconds": None} for name in nothing}


def test_a_threshold_is_reached_at_the_first_measurement_at_or_above_it() -> None:
    reached = standing((0, 0, 0), (10, 1, 0.5), (20, 2, 0.4), (30, 3, 0.9), (40, 4, 1)).reached
    assert reached(50) == {"step": 10, "seconds": 1}
    assert reached(90) == {"step": 30, "seconds": 3}
    assert reached(99) == {"step": 40, "seconds": 4}


@pytest.mark.parametrize(("right", "words"), [(29, 100), (57, 100), (58, 100), (7, 25)])
def test_a_share_that_is_exactly_the_threshold_reaches_it_in_floating_point_too(right: int, words: int) -> None:
    share = right / words
    assert standing((1, 1, share)).reached(round(100 * share)) is not None


def test_the_first_in_steps_may_not_be_the_first_in_seconds() -> None:
    standings = {
        "prompt-masked": standing((10, 4, 0.6), (20, 8, 0.95)),
        "unmasked": standing((10, 3, 0.2), (20, 5, 0.6), (30, 7, 0.95)),
    }
    assert results_of(standings)["first"] == {
        "50": {"step": "prompt-masked", "seconds": "prompt-masked"},
        "90": {"step": "prompt-masked", "seconds": "unmasked"},
        "99": {"step": None, "seconds": None},
    }


def test_one_alone_is_first_and_of_two_at_once_none_is() -> None:
    standings = {"prompt-masked": standing((10, 1, 1)), "unmasked": standing((10, 2, 0.5))}
    first = results_of(standings)["first"]
    assert first["50"] == {"step": None, "seconds": "prompt-masked"}
    assert first["99"] == {"step": "prompt-masked", "seconds": "prompt-masked"}


def test_a_standing_tells_the_last_step_and_measurement() -> None:
    told = standing((10, 1, 0.25), (20, 2, 0.5))
    told.note("step", {"step": 27, "loss": 0.5, "step_ms": 0.25})
    assert (told.step, told.loss, told.step_ms) == (27, 0.5, 0.25)
    assert told.last() == {"step": 20, "seconds": 2, "exact_match": {"value": 0.5, "n": 100, "low": 0.5, "high": 0.5}}
    assert ["predictions" in evaluation for evaluation in told.evaluations] == [False, True]
