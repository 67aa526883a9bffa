"""Workers from the process that they are forked from: each its own, however it ends, and no process left behind."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from app.races import sessions
from app.races.fork_server import tell_end
from app.races.forks import GIVES_WAY, Forks, Worker
from app.races.orders import order_race
from app.races.sessions import Races
from app.races.worker import ORDER
from app.settings import Settings
from tests.app.races.runners import ORDERED, TINY, Event, run, without_times
from tests.app.races.waiting import until

pytestmark = pytest.mark.anyio

MOVES_ELSEWHERE = """
import signal, sys
import app.races.fork_server as f
here, there = sys.platform, 'darwin'
signal.signal(signal.SIGUSR1, lambda *_: setattr(sys, 'platform', there if sys.platform == here else here))
f.main()
"""
"""A fork server that takes its system for another one after a signal, and for what it is after the next."""


@pytest.fixture(scope="module")
def stderr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The standard error of all workers."""
    return tmp_path_factory.mktemp("forks") / "stderr"


@pytest.fixture
def complaints(stderr: Path) -> Path:
    """The same, empty at first."""
    os.truncate(stderr, 0)
    return stderr


@pytest.fixture(scope="module")
def forks(stderr: Path) -> Iterator[Forks]:
    python = stderr.with_name("python")
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{MOVES_ELSEWHERE}"\n')
    python.chmod(0o700)
    ours = os.dup(2)
    with stderr.open("a") as theirs, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(python))
        os.dup2(theirs.fileno(), 2)
        forks = Forks()
        forks.want()
        os.dup2(ours, 2)
        os.close(ours)
    yield forks
    forks.stop()


@pytest.fixture
async def elsewhere(forks: Forks) -> AsyncIterator[None]:
    """The fork server takes its system for one that is not Linux."""
    await (await forks.fork()).end()  # before it forks it handles no signal
    assert forks.server_pid
    os.kill(forks.server_pid, signal.SIGUSR1)
    yield
    os.kill(forks.server_pid, signal.SIGUSR1)


@pytest.fixture
async def worker(forks: Forks) -> AsyncIterator[Worker]:
    worker = await forks.fork()
    yield worker
    await worker.end()


async def told_by(worker: Worker) -> Event:
    """The next event."""
    return await anext(worker.events())


async def rest_told_by(worker: Worker) -> list[Event]:
    return [event async for event in worker.events()]


@pytest.fixture(scope="module")
def told_here() -> list[Event]:
    """What a runner in this process tells after `ready`, as it would be read from a worker."""
    told: list[Event] = json.loads(json.dumps(run(b"resume\n")))
    return told[1:]


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_workers_are_processes_of_their_own_that_give_way_to_the_server(forks: Forks, worker: Worker) -> None:
    other = await forks.fork()
    assert len({worker.pid, other.pid, forks.server_pid, os.getpid()}) == 4
    threads = list(Path(f"/proc/{forks.server_pid}/task").iterdir())
    assert len(threads) == 1, "a thread of torch's would not survive a fork"
    yielding = min(19, os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY)  # none yields more than 19
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in (worker.pid, other.pid)} == {yielding}
    await other.end()
    assert is_gone(other.pid), "whoever has waited for its end finds nothing"
    assert not is_gone(worker.pid)


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15)])
async def test_a_worker_that_is_killed_says_how_it_ended(how: int, code: int, forks: Forks, worker: Worker) -> None:
    os.kill(worker.pid, how)
    assert await told_by(worker) == {"event": "ended", "code": code}
    assert [event async for event in worker.events()] == []
    assert is_gone(worker.pid)
    worker.order(b"resume")  # nobody hears it, and nothing fails
    assert await (again := await forks.fork()).end() is None
    assert again.pid != worker.pid


async def test_a_worker_trains_when_it_is_let_go_and_ends_well(
    worker: Worker, complaints: Path, told_here: list[Event]
) -> None:
    worker.order(ORDER.dump_json(ORDERED))
    assert await told_by(worker) == {"event": "ready"}
    worker.order(b"resume")
    told = await rest_told_by(worker)
    assert without_times(told) == [*without_times(told_here), {"event": "ended", "code": 0}]
    assert told_here[-1] == {"event": "done"}
    assert complaints.read_text() == ""


@pytest.mark.usefixtures("elsewhere")
async def test_where_the_system_is_not_linux_a_worker_is_a_python_of_its_own_and_tells_the_same(
    forks: Forks, complaints: Path, told_here: list[Event]
) -> None:
    worker = await forks.fork()
    worker.order(ORDER.dump_json(ORDERED))
    assert await told_by(worker) == {"event": "ready"}
    assert Path(f"/proc/{worker.pid}/cmdline").read_text().split("\0")[1:3] == ["-m", "app.races.worker"]
    worker.order(b"resume")
    assert without_times(await rest_told_by(worker)) == [*without_times(told_here), {"event": "ended", "code": 0}]
    assert complaints.read_text() == ""
    await worker.end()


async def test_the_end_of_the_input_ends_a_worker_that_waits(worker: Worker, complaints: Path) -> None:
    worker.order(ORDER.dump_json(ORDERED))
    assert await told_by(worker) == {"event": "ready"}
    worker._orders.shutdown(socket.SHUT_WR)
    assert await rest_told_by(worker) == [{"event": "ended", "code": 0}]
    assert complaints.read_text() == ""


async def test_a_worker_whose_reader_is_gone_ends_in_silence(forks: Forks, complaints: Path) -> None:
    worker = await forks.fork()
    worker.order(ORDER.dump_json(replace(ORDERED, variation=replace(TINY, steps=10_000))))
    assert await told_by(worker) == {"event": "ready"}
    worker.order(b"resume")
    worker._orders.close()
    worker._connection.close()
    await until(lambda: is_gone(worker.pid))
    assert complaints.read_text() == ""


async def test_an_order_that_is_none_ends_it_badly(worker: Worker, complaints: Path) -> None:
    worker.order(b"{}")
    assert await told_by(worker) == {"event": "ended", "code": 1}
    assert "ValidationError" in complaints.read_text()


async def test_whoever_leaves_while_one_is_started_leaves_none_behind(capfd: pytest.CaptureFixture[str]) -> None:
    forks = Forks()
    with anyio.move_on_after(0.05):  # before torch is imported
        await forks.fork()
        raise AssertionError("torch is imported in 50 ms")
    worker = await forks.fork()  # forked after the one that nobody waits for
    children = Path(f"/proc/{forks.server_pid}/task/{forks.server_pid}/children")
    await until(lambda: children.read_text().split() == [str(worker.pid)])
    server = forks.server_pid
    forks.stop()
    assert is_gone(worker.pid)
    assert server
    assert is_gone(server)
    assert (await told_by(worker))["event"] == "ended"
    await worker.end()
    assert capfd.readouterr().err == ""


async def test_what_a_killed_worker_was_writing_hides_nothing_else() -> None:
    ours, theirs = socket.socketpair()
    told, connection = await asyncio.open_connection(sock=ours)
    worker = Worker(0, told, connection, ours.dup(), lambda pid: None)
    with theirs:
        theirs.send(b'{"event": "step"}\n{"event": "evaluated", "lo')
        tell_end(theirs, -9)
    assert [event async for event in worker.events()] == [{"event": "step"}, {"event": "ended", "code": -9}]
    await worker.end()


async def test_workers_that_end_at_the_same_moment_are_all_told_of(forks: Forks) -> None:
    workers = [await forks.fork() for _ in range(12)]
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    for worker in workers:
        assert await told_by(worker) == {"event": "ended", "code": -9}
        await worker.end()
    await (await forks.fork()).end()


async def test_a_worker_that_has_ended_loses_nothing_by_an_order_that_comes_too_late(forks: Forks) -> None:
    worker = await forks.fork()
    worker.order(ORDER.dump_json(ORDERED))
    worker.order(b"resume")
    await until(lambda: is_gone(worker.pid))
    worker.order(b"pause")
    told = [event["event"] async for event in worker.events()]
    assert told[0] == "ready"
    assert told[-2:] == ["done", "ended"]
    await worker.end()


async def test_what_cannot_fork_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    forks = Forks()
    with pytest.raises(FileNotFoundError):
        await forks.fork()
    (tmp_path / "python").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "python").chmod(0o700)
    with pytest.raises(OSError, match=r"has died|reset|Broken"):
        await forks.fork()
    forks.stop()


async def test_when_it_dies_itself_its_workers_end_and_another_takes_its_place() -> None:
    forks = Forks()
    orphan = await forks.fork()
    first = forks.server_pid
    assert first
    os.kill(first, signal.SIGKILL)
    await until(lambda: forks.server_pid is None)
    await orphan.end()
    await until(lambda: is_gone(orphan.pid))
    second = await forks.fork()
    assert forks.server_pid not in (None, first)
    await second.end()
    forks.stop()


async def test_it_waits_for_a_race_that_is_expected_and_ends_when_none_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "Forks", Forks)
    races = Races(Settings(race_ready_seconds=1))
    try:
        races.expect_race()
        waiting = races._forks.server_pid
        assert waiting
        race = races.start(order_race("reverse4", ("prompt-masked", "unmasked"), 0, None, TINY, 1e15))
        await until(lambda: len(race.worker_pids()) == 2)
        assert races._forks.server_pid == waiting
        await until(lambda: race.ended)
        assert race.status == "finished"
        await until(lambda: races._forks.server_pid is None)
        assert is_gone(waiting)
        races.expect_race()
        assert races._forks.server_pid
    finally:
        await races.close()
    assert races._forks.server_pid is None
    races.expect_race()
    assert races._forks.server_pid is None, "a server that has ended expects no race"


async def test_nothing_is_imported_beforehand_where_that_is_not_wanted() -> None:
    races = Races(Settings(race_ready_seconds=0))
    races._forks = Forks()
    races.expect_race()
    assert races._forks.server_pid is None
    await races.close()
