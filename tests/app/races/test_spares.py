"""Workers that wait for a race: there when one is expected, handed out once, and no process left behind."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from app.races.orders import order_race
from app.races.sessions import Races
from app.races.spares import Spares, end_worker
from app.settings import Settings
from model.training.recipes import Variation

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def opened(most: int = 2, seconds: float = 60) -> AsyncIterator[Spares]:
    spares = Spares(most, seconds)
    try:
        yield spares
    finally:
        await spares.close()


async def until(claim: Callable[[], object]) -> None:
    with anyio.fail_after(60):
        while not claim():
            await anyio.sleep(0.01)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_they_wait_when_wanted_never_more_of_them_and_are_handed_out_once() -> None:
    async with opened() as spares:
        assert spares.pids() == ()
        for _ in range(3):
            spares.want()
        await until(lambda: len(spares.pids()) == 2)
        spares.want()
        await anyio.sleep(0.05)
        first, second = pids = spares.pids()
        taken = [await spares.take(), await spares.take()]
        assert [worker.pid for worker in taken] == [first, second]
        third = await spares.take()
        assert third.pid not in pids
        for pid in (*pids, third.pid):  # they give way to the server
            assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)
        for worker in (*taken, third):
            await end_worker(worker)
    assert all(map(is_gone, (*pids, third.pid)))


async def test_one_that_died_while_it_waited_is_not_handed_out() -> None:
    async with opened(most=1) as spares:
        spares.want()
        await until(spares.pids)
        (dead,) = spares.pids()
        os.kill(dead, signal.SIGKILL)
        await until(lambda: is_gone(dead))
        worker = await spares.take()
        assert worker.pid != dead
        assert worker.returncode is None
        await end_worker(worker)


async def test_those_that_nobody_needs_end_and_none_outlives_its_server() -> None:
    async with opened(seconds=0.2) as spares:
        spares.want()
        await until(lambda: len(spares.pids()) == 2)
        pids = spares.pids()
        await until(lambda: all(map(is_gone, pids)))
        assert spares.pids() == ()
    async with opened() as spares:
        spares.want()
        await until(lambda: len(spares.pids()) == 2)
        pids = spares.pids()
    assert all(map(is_gone, pids))
    spares.want()
    assert spares.pids() == ()


async def test_a_race_runs_on_the_workers_that_waited_for_it() -> None:
    races = Races(Settings())
    try:
        races.expect_race()
        spares = races._spares
        await until(lambda: len(spares.pids()) == 2)
        waiting = spares.pids()
        tiny = Variation(width=8, batch_size=4, steps=20, evaluate_every=10, evaluation_words=5)
        race = races.start(order_race("reverse4", ("prompt-masked", "unmasked"), 0, None, tiny, 1e15))
        await until(race.worker_pids)
        await until(lambda: len(race.worker_pids()) == 2)
        assert race.worker_pids() == waiting
        races.expect_race()
        assert spares.pids() == (), "none is started beside a race that runs"
        await until(lambda: race.ended)
        assert race.status == "finished"
    finally:
        await races.close()
    assert all(map(is_gone, waiting))
