"""app/races/worker.py: what it tells and when, and what it does when told to."""

import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, pairwise
from typing import BinaryIO

import pytest

from app.races.worker import ORDER, Commands
from model.masks.policies import MASK_POLICIES
from model.training.loop import StepDone, initial_model, train
from model.training.recipes import Variation
from tests.app.races.runners import ORDERED, Event, run, without_times


def names_and_steps(told: Sequence[Event]) -> list[tuple[str, int | None]]:
    return [(event["event"], event.get("step")) for event in told]


def steps_of(told: Sequence[Event], name: str) -> list[int]:
    return [event["step"] for event in told if event["event"] == name]


@pytest.fixture(scope="module")
def told() -> list[Event]:
    return run(b"resume\n")


# What it tells.


def test_it_is_ready_then_tells_every_tenth_step_and_the_last_and_every_measurement(told: list[Event]) -> None:
    assert [event["event"] for event in told[:2]] == ["ready", "evaluated"]
    assert steps_of(told, "evaluated") == [0, 7, 14, 21, 25]
    assert steps_of(told, "step") == [10, 20, 25]
    assert told[-1] == {"event": "done"}
    assert [event["step"] for event in told[1:-1]] == sorted(event["step"] for event in told[1:-1])


def test_a_step_event_holds_the_mean_loss_since_the_one_before(told: list[Event]) -> None:
    recipe = ORDERED.varied()
    model = initial_model(recipe, ORDERED.seed)
    events = train(model, recipe, MASK_POLICIES["unmasked"], seed=ORDERED.seed)
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    means = [sum(losses[a:b]) / (b - a) for a, b in ((0, 10), (10, 20), (20, 25))]
    assert [event["loss"] for event in told if event["event"] == "step"] == pytest.approx(means)
    assert all(event["step_ms"] > 0 and event["policy"] == "unmasked" for event in told if event["event"] == "step")


def test_a_measurement_holds_what_was_measured_the_answer_and_the_predictions(told: list[Event]) -> None:
    for event in (event for event in told if event["event"] == "evaluated"):
        assert event["policy"] == "unmasked"
        assert set(event["exact_match"]) == {"value", "n", "low", "high"}
        assert event["exact_match"]["n"] == 5
        assert set(event["loss"]) == {"user", "assistant", "template"}
        assert 0 <= event["token_accuracy"]["value"] <= 1
        assert 0 <= event["stop_rate"]["value"] <= 1
        assert event["completion"]
        predictions = event["predictions"]
        assert [p["position"] for p in predictions] == list(range(10))
        assert "".join(p["input"] for p in predictions) == "<abcd>dcba"
        assert "".join(p["target"] for p in predictions) == "abcd>dcba#"
        for p in predictions:
            likeliest = [prediction["probability"] for prediction in p["predictions"]]
            assert len({prediction["token"] for prediction in p["predictions"]}) == 3
            assert likeliest == sorted(likeliest, reverse=True)
            assert 0 < p["target_probability"] <= likeliest[0] + 1e-6
            assert sum(likeliest) <= 1 + 1e-6


def test_seconds_begin_at_zero_and_hold_the_steps_and_the_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second whenever it is read."""
    monkeypatch.setattr(time, "perf_counter", map(float, count()).__next__)
    told = run(b"resume\n")
    assert [event["step_ms"] for event in told if event["event"] == "step"] == [1000, 1000, 1000]
    seconds = {event["step"]: event["seconds"] for event in told if event["event"] == "evaluated"}
    steps = list(seconds)
    assert seconds[0] == 0
    for before, after in pairwise(steps):
        assert seconds[after] - seconds[before] > after - before  # each step's own second, and what lies between


def test_a_model_is_measured_at_equal_distances_whatever_the_recipe_keeps() -> None:
    steps = Variation(width=8, batch_size=1, steps=120, evaluate_every=60, evaluation_words=1)
    assert steps_of(run(b"resume\n", order=replace(ORDERED, variation=steps)), "evaluated") == [0, 60, 120]


def test_the_same_order_gives_the_same_numbers_seconds_apart(told: list[Event]) -> None:
    assert without_times(run(b"resume\n")) == without_times(told)
    assert without_times(run(b"resume\n", order=replace(ORDERED, seed=2))) != without_times(told)


# Pause, resume, step.


def test_while_it_pauses_each_step_is_let_through_and_told_alone() -> None:
    told = run(b"step\nstep\nstep\n", lambda event, commands: event.get("step") == 3 and commands.close())
    assert names_and_steps(told) == [("ready", None), ("evaluated", 0), ("step", 1), ("step", 2), ("step", 3)]


def test_a_step_at_which_it_is_measured_is_measured_while_it_pauses_too() -> None:
    told = run(b"step\n" * 8, lambda event, commands: event.get("step") == 8 and commands.close())
    assert names_and_steps(told)[-3:] == [("step", 7), ("evaluated", 7), ("step", 8)]


def test_before_it_waits_it_tells_of_the_steps_that_nobody_was_told_of() -> None:
    def answer(event: Event, commands: BinaryIO) -> None:
        match names_and_steps([event]):
            case [("evaluated", 7)]:
                commands.write(b"pause\n")
            case [("step", 7)]:
                commands.close()

    told = run(b"resume\n", answer)
    assert names_and_steps(told)[-2:] == [("evaluated", 7), ("step", 7)]


def test_a_pause_changes_nothing_but_what_is_told_of_single_steps(told: list[Event]) -> None:
    def answer(event: Event, commands: BinaryIO) -> None:
        match names_and_steps([event]):
            case [("evaluated", 7)]:
                commands.write(b"pause\nstep\n")
            case [("step", 8)]:
                commands.write(b"resume\n")

    paused = run(b"resume\n", answer)
    assert steps_of(paused, "step") == [8, 10, 20, 25]
    measured, freely = ([e for e in without_times(events) if e["event"] == "evaluated"] for events in (paused, told))
    assert measured == freely


def test_a_pause_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which an hour goes by whenever the runner waits."""
    ticks, hours = count(), []
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks) + 3600.0 * len(hours))

    class Hourly(Commands):
        def wait_for_gate(self) -> None:
            super().wait_for_gate()
            hours.append(1)

    def answer(event: Event, commands: BinaryIO) -> None:
        match names_and_steps([event]):
            case [("evaluated", 7)]:
                commands.write(b"pause\n")
            case [("step", 7)]:
                commands.write(b"resume\n")

    told = run(b"resume\n", answer, read_by=Hourly)
    assert len(hours) == 2  # before the start, and in the pause
    assert told[-2]["step"] == 25
    assert 0 < told[-2]["seconds"] < 3600


def test_looking_for_commands_waits_for_none() -> None:
    reader, writer = os.pipe()
    commands = Commands(reader)
    assert not commands.gate_is_open()
    os.write(writer, b"resume\n")
    for _ in range(1000):
        assert commands.gate_is_open()
    os.close(reader)
    os.close(writer)


def test_a_command_may_arrive_in_pieces() -> None:
    reader, writer = os.pipe()
    commands = Commands(reader)
    os.write(writer, b"resu")
    timer = threading.Timer(0.05, lambda: os.write(writer, b"me\npau"))
    timer.start()
    commands.wait_for_gate()
    assert not commands.pass_gate()
    os.write(writer, b"se\n")
    assert not commands.gate_is_open()
    os.close(reader)
    os.close(writer)


def test_an_order_survives_the_line_it_is_sent_in() -> None:
    assert ORDER.validate_json(ORDER.dump_json(ORDERED)) == ORDERED
    assert b"\n" not in ORDER.dump_json(ORDERED)
    assert math.isclose(ORDERED.varied().training.learning_rate, 3e-4)
