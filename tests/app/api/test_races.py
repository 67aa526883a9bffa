"""/api/v1/races: from the order to the result over HTTP, what is refused, and a room full of followers."""

import asyncio
import csv
import io
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI

from model.training.recipes import LIMITS

pytestmark = pytest.mark.anyio

TINY = {"width": 8, "batch_size": 4, "steps": 30, "evaluate_every": 10, "evaluation_words": 5}
LONG = TINY | {"steps": 10_000, "evaluate_every": 1000}
"""Nobody waits for the end of it."""
HEAVY = {"recipe": "reverse", "policies": ["unmasked"], "steps": 6000, "evaluate_every": 1000}
"""A minute's work, so that its process ends for another reason."""
RACES = "/api/v1/races"
COLUMNS = "policy,step,seconds,exact_match,low,high,n,token_accuracy,stop_rate,loss_user,loss_template,loss_assistant"

Event = dict[str, Any]


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text[:500]
    error: dict[str, Any] = response.json()["error"]
    assert list(error) == ["type", "message", "param", "code"]
    assert response.text.isascii()
    assert len(response.text) < 600
    return error


async def command(client: httpx.AsyncClient, race: dict[str, Any], name: str) -> httpx.Response:
    """By its owner."""
    return await client.post(f"{race['address']}/{name}", params={"owner": race["owner"]})


@pytest.fixture(scope="module")
async def racing_app(start_app: Any) -> AsyncIterator[FastAPI]:
    async with start_app(race_slots=1, race_queue_size=4, stream_timeout_seconds=1, send_timeout_seconds=1) as app:
        yield app


@pytest.fixture(scope="module")
async def racing(racing_app: FastAPI, connect: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(racing_app) as client:
        yield client


@pytest.fixture(scope="module")
async def finished(racing: httpx.AsyncClient) -> dict[str, Any]:
    """What was answered to the start of a race that has ended since, and all of its events as they were sent."""
    response = await racing.post(RACES, json=TINY | {"seed": 3, "prompt": "wxyz"})
    assert response.status_code == 201
    stream = await racing.get(response.json()["events"])
    return {"started": response, "stream": stream}


# A race, from its start to its result.


async def test_a_race_is_made_with_an_id_and_addresses(finished: dict[str, Any]) -> None:
    response = finished["started"]
    body = response.json()
    assert response.headers["location"] == body["address"] == f"{RACES}/{body['id']}"
    assert body["events"] == f"{RACES}/{body['id']}/events"
    assert body["page"] == f"/race/{body['id']}"
    for name in ("address", "page"):
        assert body[f"owner_{name}"] == f"{body[name]}?owner={body['owner']}"
    assert response.headers["cache-control"] == "no-store"
    assert (body["status"], body["place"]) == ("queued", None)


async def test_its_events_are_a_stream_without_a_gap(finished: dict[str, Any], read_events: Any) -> None:
    stream = finished["stream"]
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    events = read_events(stream.text)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["event"], events[-1]["event"]) == ("started", "finished")
    assert events[0]["data"]["settings"]["seed"] == 3


async def test_how_it_stands_can_be_asked_with_every_measurement(
    racing: httpx.AsyncClient, finished: dict[str, Any], read_events: Any
) -> None:
    events = read_events(finished["stream"].text)
    state = (await racing.get(finished["started"].json()["address"])).json()
    assert (state["status"], state["place"], state["followers"], state["error"]) == ("finished", None, 0, None)
    assert state["last_event_id"] == len(events)
    assert state["settings"] == events[0]["data"]["settings"]
    assert state["parameters"] == events[0]["data"]["parameters"]
    assert {"status": "finished", **state["results"]} == events[-1]["data"]
    measured = [event["data"] for event in events if event["event"] == "evaluated"]
    for data in measured:
        del data["predictions"]
    by_policy = [data for policy in state["settings"]["policies"] for data in measured if data["policy"] == policy]
    assert state["evaluations"] == by_policy
    assert len(by_policy) == 8


@pytest.mark.parametrize("how", ["header", "query", "both"])
async def test_a_reader_who_comes_back_gets_the_rest(
    racing: httpx.AsyncClient, finished: dict[str, Any], read_events: Any, how: str
) -> None:
    address, everything = finished["started"].json()["events"], read_events(finished["stream"].text)
    headers = {"last-event-id": "5"} if how != "query" else {}
    params = {"header": {}, "query": {"after": 5}, "both": {"after": 2}}[how]
    rest = await racing.get(address, params=params, headers=headers)
    assert read_events(rest.text) == everything[5:]


async def test_a_reader_who_has_had_everything_is_told_to_ask_no_more(
    racing: httpx.AsyncClient, finished: dict[str, Any], read_events: Any
) -> None:
    address, last = finished["started"].json()["events"], len(read_events(finished["stream"].text))
    response = await racing.get(address, headers={"last-event-id": str(last)})
    assert (response.status_code, response.content) == (204, b"")
    error = error_of(await racing.get(address, headers={"last-event-id": str(last + 1)}), 422)
    assert (error["param"], error["message"]) == (
        "after",
        f"Event {last + 1} has not happened yet: the last one is {last}",
    )


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "9" * 5000, "\u0661", "", "1, 2", "0x1", "NaN"])
async def test_an_event_id_that_is_none_is_refused(
    racing: httpx.AsyncClient, finished: dict[str, Any], after: str
) -> None:
    address = finished["started"].json()["events"]
    error_of(await racing.get(address, params={"after": after}), 422)
    error_of(await racing.get(address, headers={"last-event-id": after.encode()}), 422)


async def test_its_result_can_be_taken_away(racing: httpx.AsyncClient, finished: dict[str, Any]) -> None:
    body = finished["started"].json()
    as_json = await racing.get(f"{body['address']}/result.json")
    assert as_json.headers["content-disposition"] == f'attachment; filename="race-{body["id"]}.json"'
    assert as_json.json() == (await racing.get(body["address"])).json()
    as_csv = await racing.get(f"{body['address']}/result.csv")
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert as_csv.headers["content-disposition"] == f'attachment; filename="race-{body["id"]}.csv"'
    assert as_csv.text.splitlines()[0] == COLUMNS
    rows = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert [(row["policy"], int(row["step"])) for row in rows] == [
        (policy, step) for policy in ("prompt-masked", "unmasked") for step in (0, 10, 20, 30)
    ]
    for row, evaluation in zip(rows, as_json.json()["evaluations"], strict=True):
        assert float(row["seconds"]) == pytest.approx(evaluation["seconds"], abs=1e-4)
        assert float(row["exact_match"]) == evaluation["exact_match"]["value"]
        assert float(row["high"]) == pytest.approx(evaluation["exact_match"]["high"])
        assert float(row["token_accuracy"]) == evaluation["token_accuracy"]["value"]
        assert float(row["loss_user"]) == pytest.approx(evaluation["loss"]["user"]["value"], abs=1e-6)


@pytest.mark.parametrize("name", ["pause", "resume", "step"])
async def test_a_race_that_has_ended_takes_no_command(
    racing: httpx.AsyncClient, finished: dict[str, Any], name: str
) -> None:
    error = error_of(await command(racing, finished["started"].json(), name), 409)
    assert (error["type"], error["code"]) == ("invalid_request", "wrong_state")
    assert "The race is finished" in error["message"]


async def test_races_are_listed_the_newest_first_and_counted(
    racing: httpx.AsyncClient, racing_app: FastAPI, finished: dict[str, Any]
) -> None:
    started = [(await racing.post(RACES, json=LONG)).json() for _ in range(3)]
    assert [race["place"] for race in started] == [None, 1, 2]
    listed = (await racing.get(RACES)).json()["races"]
    assert [race["id"] for race in listed] == [race["id"] for race in (*reversed(started), finished["started"].json())]
    assert [race["place"] for race in listed] == [2, 1, None, None]
    metrics = (await racing.get("/metrics")).text
    assert 'maskscope_races{state="running"} 1.0' in metrics
    assert 'maskscope_races{state="waiting"} 2.0' in metrics
    refused = await racing.post(RACES, json=LONG)
    assert error_of(refused, 503)["code"] == "busy"
    assert int(refused.headers["retry-after"]) >= 1
    error_of(await command(racing, started[1], "pause"), 409)
    for race in reversed(started):
        assert (await command(racing, race, "stop")).status_code == 200
    with anyio.fail_after(60):
        while racing_app.state.races.running():
            await anyio.sleep(0.01)
    for race in started:
        state = (await racing.get(race["address"])).json()
        assert (state["status"], state["results"]["policies"]["unmasked"]["exact_match"]) == ("stopped", None)
        assert (await racing.get(race["events"])).text.count("event: finished") == 1
        assert (await racing.get(f"{race['address']}/result.csv")).text.splitlines() == [COLUMNS]
        assert (await command(racing, race, "stop")).json()["status"] == "stopped"  # as it was
        assert (await racing.delete(race["owner_address"])).status_code == 204
        error_of(await racing.get(race["address"]), 404)


@pytest.mark.parametrize("token", [None, "", "x" * 22, "é😀"])
async def test_a_race_obeys_nobody_but_its_owner(
    racing: httpx.AsyncClient, finished: dict[str, Any], token: str | None
) -> None:
    race = finished["started"].json()
    given = {} if token is None else {"owner": token}
    for method, path in (("POST", "/pause"), ("POST", "/resume"), ("POST", "/step"), ("POST", "/stop"), ("DELETE", "")):
        error = error_of(await racing.request(method, race["address"] + path, params=given), 403)
        assert (error["type"], error["param"], error["code"]) == ("invalid_request", "owner", "not_the_owner")
    assert (await racing.get(race["address"])).status_code == 200


async def test_nothing_that_followers_get_holds_the_owner_s_token(
    racing: httpx.AsyncClient, finished: dict[str, Any]
) -> None:
    race = finished["started"].json()
    for address in (RACES, race["address"], race["page"], "/race", f"{race['address']}/result.json"):
        assert race["owner"] not in (await racing.get(address)).text
    assert race["owner"] not in finished["stream"].text


async def test_the_teacher_s_token_stops_any_race(start_app: Any, connect: Any) -> None:
    teacher = "a teacher's long word"
    async with start_app(teacher_token=teacher) as app, connect(app) as client:
        race = (await client.post(RACES, json=LONG)).json()
        error_of(await client.delete(race["address"], params={"owner": teacher[:-1]}), 403)
        assert (await client.delete(race["address"], params={"owner": teacher})).status_code == 204
        assert teacher not in repr(app.state.settings)


async def test_a_race_obeys_and_the_server_answers_meanwhile(racing: httpx.AsyncClient, read_events: Any) -> None:
    race = (await racing.post(RACES, json=LONG | {"policies": ["unmasked"]})).json()
    with anyio.fail_after(60):
        while (await racing.get(race["address"])).json()["status"] != "running":
            await anyio.sleep(0.05)
    assert (await command(racing, race, "pause")).json()["status"] == "paused"
    assert (await command(racing, race, "step")).json()["status"] == "paused"
    assert (await command(racing, race, "resume")).json()["status"] == "running"
    body = {"recipe": "reverse", "prompt": "hello", "policy": "prompt-masked"}
    answers = [await racing.post("/api/v1/analyze", json=body) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert (await racing.get(race["address"])).json()["status"] == "running"
    assert (await command(racing, race, "stop")).status_code == 200
    events = read_events((await racing.get(race["events"])).text)
    names = [event["event"] for event in events if event["event"] not in ("step", "evaluated")]
    assert names == ["started", "paused", "resumed", "finished"]


async def test_whoever_follows_a_race_that_is_deleted_is_told_its_end(
    racing: httpx.AsyncClient, racing_app: FastAPI, read_events: Any
) -> None:
    race = (await racing.post(RACES, json=LONG)).json()
    followed: list[httpx.Response] = []

    async def follow() -> None:
        followed.append(await racing.get(race["events"]))

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        with anyio.fail_after(60):
            while not racing_app.state.races.find(race["id"]).followers:
                await anyio.sleep(0.01)
        assert (await racing.delete(race["owner_address"])).status_code == 204
        error_of(await racing.get(race["address"]), 404)
    assert read_events(followed[0].text)[-1]["event"] == "finished"


# What is refused.


@pytest.mark.parametrize("name", LIMITS)
async def test_every_number_is_bounded_on_both_sides(racing: httpx.AsyncClient, name: str) -> None:
    lowest, highest = LIMITS[name]
    below = lowest / 2 if name == "learning_rate" else lowest - 1
    above = highest * 2 if name == "learning_rate" else highest + 1
    for given in (below, above, -1, 0, 10**400, "3", True, [1], {}, 2.5e300):
        error = error_of(await racing.post(RACES, json={name: given}), 422)
        assert error["param"] == name, error
    for given in (float("nan"), float("inf"), float("-inf")):
        text = json.dumps({name: given})
        response = await racing.post(RACES, content=text, headers={"content-type": "application/json"})
        assert error_of(response, 422)["param"] == name


@pytest.mark.parametrize(
    ("body", "status", "param", "said"),
    [
        ({"seed": -1}, 422, "seed", "greater than or equal to 0"),
        ({"seed": 2**31}, 422, "seed", "less than or equal to 2147483647"),
        ({"seed": 1.5}, 422, "seed", "1.5"),
        ({"recipe": "nope"}, 404, "recipe", "There is no recipe 'nope'. Choose one of: reverse, reverse4"),
        ({"recipe": ""}, 422, "recipe", "''"),
        ({"recipe": "r" * 65}, 422, "recipe", "'rrr"),
        ({"recipe": None}, 422, "recipe", "None"),
        ({"policies": []}, 422, "policies", "at least 1"),
        ({"policies": ["unmasked", "unmasked"]}, 422, "policies", "each once"),
        ({"policies": ["nope"]}, 404, "policies", "There is no policy 'nope'. Choose one of: prompt-masked, unmasked"),
        ({"policies": ["no-shift", "double-shift"]}, 422, "policies", "at most one other"),
        ({"policies": ["unmasked"] * 4}, 422, "policies", "at most 3"),
        ({"policies": "unmasked"}, 422, "policies", "'unmasked'"),
        ({"policies": [["unmasked"]]}, 422, "policies.0", "['unmasked']"),
        ({"prompt": ""}, 422, "prompt", "Write exactly 4 characters; you wrote 0"),
        ({"prompt": "hello"}, 422, "prompt", "Write exactly 4 characters; you wrote 5"),
        ({"prompt": "ab<d"}, 422, "prompt", "the 3rd character is <"),
        ({"prompt": "ab\u202ed"}, 422, "prompt", "U+202E"),
        ({"prompt": "\0\0\0\0"}, 422, "prompt", "U+0000"),
        ({"prompt": "a" * 257}, 422, "prompt", "'aaa"),
        ({"prompt": 5}, 422, "prompt", "5"),
        ({"max_length": 6, "prompt": "abcdefg"}, 422, "prompt", "Write 4 to 6 characters"),
        ({"min_length": 5}, 422, "min_length", "min_length must be 1 to 4, not 5"),
        ({"width": 12}, 422, "width", "a multiple of 8"),
        ({"max_length": 3, "min_length": 3, "evaluation_words": 1000}, 422, "max_length", "only 439 words"),
        ({"steps": 10_000, "evaluate_every": 1}, 422, "evaluate_every", "20 or more with 10000 steps, not 1"),
        ({"temperature": 1}, 422, "temperature", "1"),
        ({"variation": {"width": 8}}, 422, "variation", "{'width': 8}"),
    ],
    ids=str,
)
async def test_what_cannot_be_run_is_refused_and_named(
    racing: httpx.AsyncClient, racing_app: FastAPI, body: dict[str, Any], status: int, param: str, said: str
) -> None:
    known = len(racing_app.state.races.newest_first())
    error = error_of(await racing.post(RACES, json=body), status)
    assert error["param"] == param
    assert said in error["message"]
    assert len(racing_app.state.races.newest_first()) == known


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        ({"width": 128, "layers": 4, "batch_size": 256, "steps": 10_000, "evaluate_every": 100}, "4.1e+13"),
        ({"recipe": "reverse", "steps": 10_000}, "3.1e+12"),
    ],
)
async def test_too_costly_a_race_is_refused_before_it_starts(
    racing: httpx.AsyncClient, body: dict[str, Any], cost: str
) -> None:
    error = error_of(await racing.post(RACES, json=body), 422)
    assert error["message"].startswith(
        f"This race is too long for the server: it costs {cost} (parameters x tokens trained and measured on) of 2e+12 "
    )
    assert "fewer steps" in error["message"]
    assert error["code"] == "out_of_range"


async def test_what_a_race_may_cost_is_a_setting_and_counts_every_policy(start_app: Any, connect: Any) -> None:
    async with start_app(race_max_cost=8e9) as app, connect(app) as client:
        error_of(await client.post(RACES, json={}), 422)
        assert (await client.post(RACES, json={"policies": ["unmasked"]})).status_code == 201


@pytest.mark.parametrize(
    "id",
    ["nope", "1", "..", "%2e%2e%2fhealthz", "a" * 5000, "%00", "%ff", "%E2%80%AE", "<script>", "%0d%0aSet-Cookie:x"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/events"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/step"),
        ("GET", "/result.json"),
        ("GET", "/result.csv"),
    ],
)
async def test_a_race_that_does_not_exist_is_not_found(
    racing: httpx.AsyncClient, id: str, method: str, path: str
) -> None:
    response = await racing.request(method, f"{RACES}/{id}{path}")
    assert error_of(response, response.status_code)["type"] in ("not_found", "invalid_request")
    assert response.status_code in (404, 405)


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
async def test_another_site_s_page_may_neither_start_nor_command_nor_stop(
    racing: httpx.AsyncClient, finished: dict[str, Any], headers: dict[str, str]
) -> None:
    address = finished["started"].json()["address"]
    for method, path in (("POST", RACES), ("POST", f"{address}/pause"), ("DELETE", address)):
        assert error_of(await racing.request(method, path, headers=headers), 403)["code"] == "cross_origin"
    assert (await racing.get(address)).status_code == 200


async def test_a_reader_who_stalls_is_let_go_in_silence(racing_app: FastAPI, finished: dict[str, Any]) -> None:
    race = finished["started"].json()
    scope = {
        **{"type": "http", "method": "GET", "path": race["events"], "raw_path": race["events"].encode()},
        **{"query_string": b"", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1)},
        **{"server": ("localhost", 80), "scheme": "http", "http_version": "1.1", "root_path": ""},
    }
    sent: list[str] = []

    async def stall(message: Any) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await anyio.sleep_forever()

    with anyio.fail_after(60):
        await racing_app(scope, anyio.sleep_forever, stall)
    assert sent == ["http.response.start", "http.response.body"]
    assert racing_app.state.races.find(race["id"]).followers == 0


# Over real sockets.


async def follow(client: httpx.AsyncClient, address: str, *, drops: bool) -> list[Event]:
    """All the events that arrive; whoever drops breaks off every now and then, and says the last id it got."""
    events: list[Event] = []
    while not events or events[-1]["event"] != "finished":
        headers = {"last-event-id": str(events[-1]["id"])} if events else {}
        until = len(events) + 7 if drops else 10**9
        async with client.stream("GET", address, headers=headers) as stream:
            assert stream.status_code == 200
            event: Event = {}
            async with aclosing(stream.aiter_lines()) as lines:
                async for line in lines:
                    name, _, value = line.partition(": ")
                    if name in ("id", "event", "data"):
                        event[name] = int(value) if name == "id" else value
                    elif not line and event:
                        events.append(event)
                        event = {}
                    if len(events) >= until:
                        break
    return events


async def test_twenty_followers_of_whom_five_drop_and_come_back_hold_the_same_events(live_server: str) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=live_server, timeout=60, limits=limits) as client:
        race = (await client.post(RACES, json=TINY | {"steps": 600, "evaluate_every": 25})).json()
        followers = [follow(client, race["events"], drops=number < 5) for number in range(20)]
        held = await asyncio.gather(*followers)
        state = (await client.get(race["address"])).json()
    assert [event["id"] for event in held[0]] == list(range(1, state["last_event_id"] + 1))
    assert len(held[0]) > 160
    for events in held:
        assert events == held[0]
    assert state["followers"] == 0


def parent_of(pid: int) -> int | None:
    """Of a process that is not over; one that nobody has waited for yet is."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else int(parent)


def workers_of(server: Any) -> list[int]:
    """The processes whose parent is the server."""
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if parent_of(pid) == server.process.pid]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["asked", "killed"])
def test_the_end_of_the_server_however_it_ends_leaves_no_process(start_server: Any, number: int) -> None:
    with start_server() as server:
        race = httpx.post(f"{server.address}{RACES}", json=HEAVY).json()
        with httpx.stream("GET", f"{server.address}{race['events']}", timeout=60) as stream:
            for line in stream.iter_lines():
                if line == "event: step":
                    break
            workers = workers_of(server)
            assert len(workers) == 1
            os.kill(server.process.pid, number)
            server.process.wait(timeout=60)
        deadline = time.monotonic() + 60  # far below what is left of the race
        while any(parent_of(worker) is not None for worker in workers):
            assert time.monotonic() < deadline
            time.sleep(0.05)
