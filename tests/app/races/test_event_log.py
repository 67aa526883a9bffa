"""app/races/event_log.py: every follower reads the same bytes, from any id on, and news come together."""

import asyncio
import json

import anyio
import pytest

from app.races.event_log import NEWS_SECONDS, PIECE_BYTES, EventLog
from app.races.followers import Follower

pytestmark = pytest.mark.anyio


async def follow(log: EventLog, after: int = 0) -> list[bytes]:
    return [piece async for piece in log.follow(after)]


async def test_an_event_is_told_with_its_id_its_name_and_its_data() -> None:
    log = EventLog()
    log.append("started", {"prompt": "a\nb é"})
    (event,) = log.events
    fields = dict(line.split(": ", 1) for line in event.decode().split("\r\n")[:-2])
    assert event.endswith(b"\r\n\r\n")
    assert (fields["id"], fields["event"], json.loads(fields["data"])) == ("1", "started", {"prompt": "a\nb é"})


async def test_what_has_happened_comes_as_one_piece_from_any_id_on() -> None:
    log = EventLog()
    for step in range(5):
        log.append("step", {"step": step})
    log.close()
    assert await follow(log) == [b"".join(log.events)]
    assert await follow(log, 3) == [b"".join(log.events[3:])]
    assert await follow(log, 5) == []


async def test_news_come_together_and_not_more_often_than_they_may() -> None:
    log = EventLog()
    follower = asyncio.create_task(follow(log))
    started = anyio.current_time()
    for step in range(300):
        log.append("step", {"step": step})
        await anyio.sleep(0.001)
    log.close()
    pieces = await follower
    assert b"".join(pieces) == b"".join(log.events)
    assert len(pieces) <= 2 + (anyio.current_time() - started) / NEWS_SECONDS


async def test_a_follower_waits_for_the_first_event_and_ends_with_the_log() -> None:
    log = EventLog()
    followers = [asyncio.create_task(follow(log)) for _ in range(50)]
    await anyio.wait_all_tasks_blocked()
    log.append("started", {})
    await anyio.sleep(0)
    log.append("finished", {})
    log.close()
    assert {b"".join(pieces) for pieces in await asyncio.gather(*followers)} == {b"".join(log.events)}


async def test_a_closed_log_ends_those_who_wait_and_takes_no_more() -> None:
    log = EventLog()
    follower = asyncio.create_task(follow(log))
    await anyio.wait_all_tasks_blocked()
    log.close()
    assert await asyncio.wait_for(follower, 60) == []
    with pytest.raises(AssertionError):
        log.append("step", {})


async def test_what_is_no_number_is_never_told() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        EventLog().append("step", {"loss": float("nan")})


async def test_a_long_log_is_told_in_pieces_of_64_kilobytes_and_whole() -> None:
    log = EventLog()
    for _ in range(300):
        log.append("step", {"padding": "x" * 1000})
    log.append("step", {"padding": "x" * 100_000})
    log.close()
    pieces = await follow(log)
    assert b"".join(pieces) == b"".join(log.events)
    assert max(map(len, pieces[:-1])) <= PIECE_BYTES
    assert len(pieces) == 6


async def test_a_follower_who_is_let_go_hears_no_more() -> None:
    log, follower = EventLog(), Follower("a", lambda: None)
    log.append("started", {})
    news = log.follow(0, follower)
    assert await anext(news) == log.events[0]
    waiting = asyncio.ensure_future(anext(news, None))
    await anyio.wait_all_tasks_blocked()
    follower.let_go = True
    log.wake()
    assert await waiting is None
