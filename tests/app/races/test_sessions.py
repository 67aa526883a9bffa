"""app/races/sessions.py: races from their order to their end, in real processes, and what is left of them: nothing."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from app.races import sessions
from app.races.forks import Forks
from app.races.orders import RaceOrder, order_race
from app.races.sessions import Race, Races, RacesBusy, WrongState
from app.settings import Settings
from app.shares import asking
from model.errors import UnknownName
from model.training.recipes import Variation
from tests.app.races.waiting import until

pytestmark = pytest.mark.anyio

BOTH = ("prompt-masked", "unmasked")
LONG = {"steps": 10_000, "evaluate_every": 1000}
"""Nobody waits for the end of it."""

Events = list[dict[str, Any]]


def order(*policies: str, seed: int = 0, **changes: Any) -> RaceOrder:
    """A tiny race, by default of both policies."""
    tiny: dict[str, Any] = {"width": 8, "batch_size": 4, "steps": 30, "evaluate_every": 10, "evaluation_words": 5}
    return order_race("reverse4", policies or BOTH, seed, None, Variation(**{**tiny, **changes}), 1e15)


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[Races]:
    races = Races(Settings(**settings))
    try:
        yield races
    finally:
        await races.close()


def events_of(race: Race) -> Events:
    return [read(event) for event in race.log.events]


def read(event: bytes) -> dict[str, Any]:
    fields = dict(line.split(": ", 1) for line in event.decode().strip().split("\r\n"))
    return {"id": int(fields["id"]), "event": fields["event"], "data": json.loads(fields["data"])}


def names_of(race: Race) -> list[str]:
    return [event["event"] for event in events_of(race)]


def numbers_of(race: Race) -> dict[str, Events]:
    """What each policy's worker told, without what a clock said."""
    told: dict[str, Events] = {policy: [] for policy in race.order.policies}
    for event in events_of(race):
        if event["event"] in ("step", "evaluated"):
            data = {name: value for name, value in event["data"].items() if name not in ("seconds", "step_ms")}
            told[data["policy"]].append(data)
    return told


async def standstill(race: Race) -> dict[str, int]:
    """The step each model stands at, once every worker waits in silence; one that lacks a processor does not wait."""
    while True:
        known = len(race.log.events)
        await anyio.sleep(0.2)
        if len(race.log.events) == known and all(state_of(pid) == "S" for pid in race.worker_pids()):
            return {policy: standing.step for policy, standing in race.standings.items()}


async def all_of(race: Race, races: Races, after: int = 0) -> bytes:
    return b"".join([piece async for piece in races.follow(race, after)])


def state_of(pid: int) -> str:
    """As the kernel has it: R runs or could, S waits, Z has ended; nothing for a process that is not there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def has_ended(pid: int) -> bool:
    return state_of(pid) in ("", "Z")


def script(folder: Path, command: str) -> Path:
    """An executable that is run instead of python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\nexec {command}\n")
    path.chmod(0o700)
    return path


def with_forks_of_its_own(monkeypatch: pytest.MonkeyPatch, python: str) -> None:
    """The next races are trained by another python than ours."""
    monkeypatch.setattr(sys, "executable", python)
    monkeypatch.setattr(sessions, "Forks", Forks)


@pytest.fixture(scope="module")
async def finished() -> Race:
    """A race of both policies that ran to its end."""
    async with opened() as races:
        race = races.start(order())
        await until(lambda: race.ended)
    return race


# What it tells.


async def test_events_count_from_one_without_a_gap_from_started_to_finished(finished: Race) -> None:
    events = events_of(finished)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["event"], events[-1]["event"]) == ("started", "finished")
    assert {event["event"] for event in events[1:-1]} == {"step", "evaluated"}
    assert (finished.status, finished.log.closed, finished.worker_pids()) == ("finished", True, ())


async def test_it_starts_with_all_that_determines_it(finished: Race) -> None:
    data = events_of(finished)[0]["data"]
    settings = data["settings"]
    assert settings["policies"] == list(BOTH)
    assert (settings["recipe"], settings["seed"], settings["prompt"], data["answer"]) == (
        "reverse4",
        0,
        "abcd",
        "dcba#",
    )
    assert (settings["width"], settings["layers"], settings["batch_size"], settings["learning_rate"]) == (8, 1, 4, 3e-4)
    assert (settings["steps"], settings["evaluate_every"], settings["evaluation_words"]) == (30, 10, 5)
    assert data["parameters"] == finished.order.recipe.model.parameter_count()


async def test_both_models_take_every_step_from_the_same_weights(finished: Race) -> None:
    told = numbers_of(finished)
    for policy in BOTH:
        assert [data["step"] for data in told[policy] if "predictions" in data] == [0, 10, 20, 30]
        assert [data["step"] for data in told[policy] if "predictions" not in data] == [10, 20, 30]
    masked, unmasked = (told[policy][0] | {"policy": ""} for policy in BOTH)
    assert masked == unmasked
    assert told["prompt-masked"][-1]["loss"] != told["unmasked"][-1]["loss"]


async def test_it_ends_with_who_came_how_far(finished: Race) -> None:
    events = events_of(finished)
    data = events[-1]["data"]
    assert data["status"] == "finished"
    for policy in BOTH:
        result = data["policies"][policy]
        assert result["step"] == 30
        assert result["exact_match"]["n"] == 5
        evaluated = [e["data"] for e in events if e["event"] == "evaluated" and e["data"]["policy"] == policy]
        assert result["seconds"] == evaluated[-1]["seconds"]
        assert result["reached"] == {"50": None, "90": None, "99": None}
    assert data["first"] == {name: {"step": None, "seconds": None} for name in ("50", "90", "99")}


async def test_the_same_seed_gives_the_same_numbers_seconds_apart_whoever_else_runs(finished: Race) -> None:
    async with opened() as races:
        again = races.start(order("unmasked"))
        await until(lambda: again.ended)
    assert numbers_of(again)["unmasked"] == numbers_of(finished)["unmasked"]


async def test_a_follower_gets_what_comes_after_any_id(finished: Race) -> None:
    everything = b"".join(finished.log.events)
    async with opened() as races:
        for after in (0, 1, len(finished.log.events) - 1, len(finished.log.events)):
            assert await all_of(finished, races, after) == b"".join(finished.log.events[after:])
        assert await all_of(finished, races) == everything
    assert finished.followers == 0


async def test_only_the_last_measurement_keeps_its_predictions_in_memory(finished: Race) -> None:
    for standing in finished.standings.values():
        assert ["predictions" in evaluation for evaluation in standing.evaluations] == [False, False, False, True]


# Commands.


async def test_pause_step_resume_stop() -> None:
    async with opened() as races:
        race = races.start(order(**LONG))
        for command in ("pause", "resume", "step"):
            with pytest.raises(WrongState, match="queued"):
                race.command(command)  # type: ignore[arg-type]
        await until(lambda: names_of(race).count("step") > 10)
        pids = race.worker_pids()
        with pytest.raises(WrongState, match="The race is running; step needs a paused one"):
            race.command("step")
        race.command("pause")
        assert race.status == "paused"
        with pytest.raises(WrongState, match="The race is paused; pause needs a running one"):
            race.command("pause")
        stood = await standstill(race)
        for _ in range(3):
            race.command("step")
        assert await standstill(race) == {policy: step + 3 for policy, step in stood.items()}
        single = [event["data"] for event in events_of(race) if event["event"] == "step"][-6:]
        for policy in BOTH:
            steps = [data["step"] for data in single if data["policy"] == policy]
            assert steps == [stood[policy] + 1, stood[policy] + 2, stood[policy] + 3]
        race.command("resume")
        await until(lambda: all(race.standings[policy].step > stood[policy] + 100 for policy in BOTH))
        races.stop(race)
        races.stop(race)  # whoever is late to say it changes nothing
        await until(lambda: race.ended)
        await until(lambda: all(has_ended(pid) for pid in pids))
    names = names_of(race)
    assert [name for name in names if name not in ("step", "evaluated")] == ["started", "paused", "resumed", "finished"]
    assert events_of(race)[-1]["data"]["status"] == race.status == "stopped"
    assert events_of(race)[-1]["data"]["policies"]["unmasked"]["exact_match"]["n"] == 5
    with pytest.raises(WrongState, match="The race is stopped"):
        race.command("pause")


# Places.


async def test_a_race_takes_so_many_commands_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_COMMANDS", 3)
    async with opened() as races:
        race = races.start(order("unmasked", steps=5000, evaluate_every=1000))
        await until(lambda: race.status == "running")
        for name in ("pause", "step", "resume"):
            race.command(name)  # type: ignore[arg-type]
        with pytest.raises(WrongState, match="has had 3 commands"):
            race.command("pause")
        races.stop(race)
        await until(lambda: race.ended)


async def test_an_address_whose_races_wait_leaves_as_many_places_to_others() -> None:
    async with opened(race_slots=1, race_queue_size=4) as races:
        for address, places in (("greedy", 3), ("modest", 1)):  # the first of all runs
            whose = asking.set(address)
            started = [races.start(order(**LONG)) for _ in range(places)]
            with pytest.raises(RacesBusy, match="of them yours"):
                races.start(order())
            asking.reset(whose)
            assert started[-1] in races.waiting()


async def test_a_killed_worker_ends_its_race_and_the_next_one_runs() -> None:
    async with opened(race_slots=1, race_queue_size=4) as races:
        first, second, third = races.start(order(**LONG)), races.start(order("unmasked")), races.start(order())
        assert [races.place_of(race) for race in (first, second, third)] == [None, 1, 2]
        with pytest.raises(RacesBusy, match="2 races wait, 2 of them yours, in 4 places"):
            races.start(order())
        await until(lambda: names_of(first).count("step") > 4)
        assert (len(races.running()), second.status, names_of(second)) == (1, "queued", [])
        killed, other = first.worker_pids()
        os.kill(killed, signal.SIGKILL)
        await until(lambda: first.ended)
        assert has_ended(other)
        error = events_of(first)[-1]
        assert (first.status, error["event"]) == ("failed", "failed")
        assert error["data"] == {
            "error": {
                "type": "server_error",
                "message": "The worker of prompt-masked died: signal 9",
                "param": None,
                "code": "worker_died",
            }
        }
        assert [races.place_of(race) for race in (first, second, third)] == [None, None, 1]
        races.stop(third)
        assert (names_of(third), third.status) == (["finished"], "stopped")
        await until(lambda: second.ended)
        assert second.status == "finished"
        assert [event["id"] for event in events_of(second)] == list(range(1, len(second.log.events) + 1))
        assert races.running() == races.waiting() == ()


async def test_of_too_many_races_the_oldest_that_has_ended_is_forgotten() -> None:
    async with opened(max_races=3, race_queue_size=6) as races:
        running, *waiting = (races.start(order("unmasked", **LONG)) for _ in range(4))
        assert len(races.newest_first()) == 4  # none has ended: none can be forgotten
        for race in waiting:
            races.stop(race)
        newest = races.start(order())
        assert races.newest_first() == (newest, waiting[2], running)
        assert races.find(running.id) is running
        with pytest.raises(UnknownName, match="There is no race"):
            races.find(waiting[0].id)
        races.stop(waiting[2])  # it has ended: nothing changes
        assert races.newest_first() == (newest, waiting[2], running)
        for race in (waiting[2], newest):
            races.forget(race)
        assert races.newest_first() == (running,)
        assert newest.ended


async def test_ids_are_short_fit_an_address_and_cannot_be_guessed() -> None:
    async with opened(race_queue_size=100) as races:
        ids = [races.start(order()).id for _ in range(50)]
    assert len(set(ids)) == 50
    for id in ids:
        assert len(id) >= 8
        assert set(id) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


# Ends.


async def test_a_race_that_takes_too_long_ends_visibly_its_pauses_and_its_start_included(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_forks_of_its_own(monkeypatch, str(script(tmp_path, "sleep 600")))  # a start that never ends
    async with opened(race_timeout_seconds=1) as races:
        race = races.start(order())
        await until(lambda: race.ended)
        server = races._forks.server_pid
    assert server
    assert has_ended(server)
    assert names_of(race) == ["failed"]
    error = events_of(race)[-1]["data"]["error"]
    assert (error["code"], error["message"]) == ("race_too_long", "The race took longer than 1 s")


async def test_a_race_that_nobody_follows_ends_after_the_grace_time_and_a_followed_one_does_not() -> None:
    async with opened(race_grace_seconds=0.4, race_slots=1) as races:
        followed, waiting = races.start(order("unmasked", **LONG)), races.start(order())
        follower = asyncio.create_task(all_of(followed, races))
        await until(lambda: waiting.ended)
        await anyio.sleep(0.8)
        assert (waiting.status, names_of(waiting)) == ("stopped", ["finished"])
        assert (followed.ended, followed.followers) == (False, 1)
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        assert (followed.ended, followed.followers) == (False, 0)
        await until(lambda: followed.ended)
        assert followed.status == "stopped"


async def test_a_race_that_is_asked_for_now_and_then_goes_on() -> None:
    async with opened(race_grace_seconds=1.5) as races:
        race = races.start(order("unmasked", **LONG))
        for _ in range(20):  # in all longer than the grace time, each far shorter
            await anyio.sleep(0.1)
            assert not races.find(race.id).ended


async def test_followers_who_leave_leave_nothing_behind_and_others_miss_nothing() -> None:
    async with opened() as races:
        race = races.start(order("unmasked", steps=400))
        stays = asyncio.create_task(all_of(race, races))
        leaves = races.follow(race, 0)
        first = await anext(leaves)
        assert race.followers == 2
        await leaves.aclose()
        assert race.followers == 1
        again = await all_of(race, races, after=first.count(b"id: "))
        assert first + again == await stays == b"".join(race.log.events)
        assert race.followers == 0


@pytest.mark.parametrize("moment", ["starting", "running"])
async def test_the_end_of_the_server_ends_every_race_its_processes_and_its_streams(moment: str) -> None:
    async with opened() as races:
        policies = BOTH if moment == "starting" else ("unmasked",)
        running, waiting = races.start(order(*policies, **LONG)), races.start(order())
        streams = [asyncio.create_task(all_of(race, races)) for race in (running, waiting)]
        await until(lambda: len(running.worker_pids()) == len(policies) and (moment == "starting" or names_of(running)))
        pids = running.worker_pids()
    assert all(has_ended(pid) for pid in pids)
    for stream in await asyncio.wait_for(asyncio.gather(*streams), 60):
        assert b'"status":"stopped"' in stream.split(b"id: ")[-1]
    with pytest.raises(RacesBusy):
        races.start(order())


async def test_a_race_whose_processes_cannot_be_started_ends_visibly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_forks_of_its_own(monkeypatch, "/nowhere/python")
    async with opened() as races:
        race = races.start(order())
        await until(lambda: race.ended)
    assert events_of(race)[-1]["data"]["error"]["message"] == "Unexpected error; the server's log has it"
    assert "No such file" in caplog.text


async def test_a_training_that_diverges_ends_the_race_and_names_the_field(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    diverges = "import model.network.learner as l; l.Learner.step = lambda *_: float('nan')"
    code = f"{diverges}\nimport app.races.fork_server as f; f.main()"
    with_forks_of_its_own(monkeypatch, str(script(tmp_path, f'{sys.executable} -c "{code}"')))
    async with opened() as races:
        race = races.start(order("unmasked"))
        await until(lambda: race.ended)
    assert names_of(race) == ["started", "evaluated", "failed"]
    error = events_of(race)[-1]["data"]["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request", "learning_rate", "diverged")
