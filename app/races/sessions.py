"""Live training: races of models, each an event log with many followers. In: orders. Out: events, resumable by id.

A race trains one model per policy, each in a worker process of its own (worker.py), and tells what they tell. At
most so many races run at once; the others wait in a queue. Knows neither HTTP nor HTML.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Literal

from app.races.event_log import EventLog
from app.races.followers import Follower, Followers
from app.races.forks import Forks, Worker
from app.races.orders import RaceOrder
from app.races.owners import Owner
from app.races.standings import Standing, results_of
from app.races.worker import ORDER, RunnerOrder
from app.settings import Settings
from app.shares import asking
from model.errors import MaskscopeError, UnknownName

MOST_COMMANDS = 1000
"""Of one race: each is kept for followers to come, and waits to be read by the workers."""

Status = Literal["queued", "running", "paused", "finished", "stopped", "failed"]
Command = Literal["pause", "resume", "step"]
log = logging.getLogger(__name__)


class WrongState(MaskscopeError, RuntimeError):
    """A command that a race cannot follow as it stands."""

    code = "wrong_state"


class RacesBusy(MaskscopeError, TimeoutError):
    """No place in the queue. Trying again later helps."""

    code = "busy"


class RaceFailed(MaskscopeError, RuntimeError):
    """A race that could not go on: a worker died, its time was up, or its training diverged."""

    code = "race_failed"

    def __init__(self, message: str, *, param: str | None = None, code: str = code):
        super().__init__(message, param=param)
        self.code = code

    def body(self) -> dict[str, str | None]:
        """As every error of the API is told. One that names a field is the request's fault."""
        kind = "invalid_request" if self.param else "server_error"
        return {"type": kind, "message": self.message, "param": self.param, "code": self.code}


class Race:
    """One race, from the queue to its end. Made by Races."""

    def __init__(self, id: str, order: RaceOrder, clock: float, owner: Owner | None = None):
        self.id, self.order, self.owner, self.share = id, order, owner or Owner(), asking.get()
        self.log = EventLog()
        self.status: Status = "queued"
        self.commands = self.followers = 0
        self.last_seen = clock
        """When it had a follower or a visitor last."""
        self.standings = {policy: Standing() for policy in order.policies}
        self.failure: RaceFailed | None = None
        self._workers: dict[str, Worker] = {}
        self._ready: set[str] = set()

    @property
    def ended(self) -> bool:
        return self.status in ("finished", "stopped", "failed")

    def worker_pids(self) -> tuple[int, ...]:
        return tuple(worker.pid for worker in self._workers.values())

    def command(self, name: Command) -> None:
        """Raises WrongState if the race cannot do that now."""
        needed: Status = "running" if name == "pause" else "paused"
        if self.status != needed:
            raise WrongState(f"The race is {self.status}; {name} needs a {needed} one")
        if self.commands == MOST_COMMANDS:
            raise WrongState(f"The race has had {MOST_COMMANDS} commands, the most it takes; it can be stopped")
        self.commands += 1
        self._send(name)
        if name != "step":
            self.status = "paused" if name == "pause" else "running"
            self.log.append(f"{name}d", {})

    async def run(self, timeout_seconds: float, forks: Forks) -> None:
        """Run to the end, whatever the end is; leaves a last event and no process. Cancelling it stops the race."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._train(forks)
            self.end("finished")
        except RaceFailed as failure:
            self.fail(failure)
        except TimeoutError:
            self.fail(RaceFailed(f"The race took longer than {timeout_seconds:g} s", code="race_too_long"))
        except asyncio.CancelledError:
            self.end("stopped")
        except Exception:  # the top of a race: its followers must see its end, whatever it is
            log.exception("race %s failed", self.id)
            self.fail(RaceFailed("Unexpected error; the server's log has it"))

    def end(self, status: Literal["finished", "stopped"]) -> None:
        self.status = status
        self.log.append("finished", {"status": status, **results_of(self.standings)})
        self.log.close()

    def fail(self, failure: RaceFailed) -> None:
        self.status, self.failure = "failed", failure
        self.log.append("failed", {"error": failure.body()})
        self.log.close()

    async def _train(self, forks: Forks) -> None:
        readers: list[asyncio.Task[None]] = []
        try:
            for policy in self.order.policies:
                worker = self._workers[policy] = await forks.fork()
                readers.append(asyncio.create_task(self._read(policy, worker)))
            await asyncio.gather(*readers)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, *map(Worker.end, self._workers.values()), return_exceptions=True)
            self._workers.clear()

    async def _read(self, policy: str, worker: Worker) -> None:
        """Tell what a worker tells, up to its `done`."""
        order = RunnerOrder(self.order.recipe_slug, policy, self.order.seed, self.order.prompt, self.order.variation)
        worker.order(ORDER.dump_json(order))
        reason = "nobody saw how"
        async for event in worker.events():
            match event.pop("event"):
                case "ready":
                    self._start_when_all_are_ready(policy)
                case "error":
                    raise RaceFailed(event["message"], param=event["param"], code=event["code"])
                case "done":
                    return
                case "ended":
                    reason = _describe(event["code"])
                case name:
                    self.standings[policy].note(name, event)
                    self.log.append(name, event)
        raise RaceFailed(f"The worker of {policy} died: {reason}", code="worker_died")

    def _start_when_all_are_ready(self, policy: str) -> None:
        self._ready.add(policy)
        if len(self._ready) == len(self.order.policies):
            self.status = "running"
            self.log.append("started", self.order.describe())
            self._send("resume")

    def _send(self, name: Command) -> None:
        for worker in self._workers.values():
            worker.order(name.encode())


def _describe(exit_code: int) -> str:
    return f"exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"


class Races:
    """All races of a server. Made and closed by the application's lifespan, in the event loop of all its callers."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self.followers = Followers(settings.max_followers, settings.max_followers_per_address)
        self._races: dict[str, Race] = {}
        self._tasks: dict[Race, asyncio.Task[None]] = {}
        self._closing = False
        self._forks = Forks()
        self._last_needed = time.monotonic()
        """When a race was expected, or ended, last."""
        self._sweeper = asyncio.create_task(self._sweep())

    def start(self, order: RaceOrder) -> Race:
        """Queue a race; it runs as soon as there is a place. An address leaves as many places as it takes.

        Raises RacesBusy.
        """
        waiting, places = self.waiting(), self._settings.race_queue_size
        own = sum(race.share == asking.get() for race in waiting)
        if self._closing or own >= places - len(waiting):
            raise RacesBusy(f"{len(waiting)} races wait, {own} of them yours, in {places} places; try again")
        race = Race(secrets.token_urlsafe(6), order, time.monotonic(), Owner(self._settings.teacher_token))
        self._races[race.id] = race
        ended = [race for race in self._races.values() if race.ended]
        for race_too_many in ended[: max(0, len(self._races) - self._settings.max_races)]:
            del self._races[race_too_many.id]
        self._fill_places()
        return race

    def expect_race(self) -> None:
        """Somebody is about to start one: import what it needs, and keep it for a while."""
        if self._settings.race_ready_seconds and not self._closing:
            self._last_needed = time.monotonic()
            with suppress(OSError):  # a race says what is wrong
                self._forks.want()

    def find(self, id: str) -> Race:
        """Raises UnknownName. Finding a race counts as a visit."""
        if id not in self._races:
            raise UnknownName(f"There is no race {id[:64]!a}: races are kept until the server restarts", param="id")
        race = self._races[id]
        race.last_seen = time.monotonic()
        return race

    def newest_first(self) -> tuple[Race, ...]:
        return tuple(reversed(self._races.values()))

    def running(self) -> tuple[Race, ...]:
        return tuple(self._tasks)

    def waiting(self) -> tuple[Race, ...]:
        return tuple(r for r in self._races.values() if r.status == "queued" and r not in self._tasks)

    def place_of(self, race: Race) -> int | None:
        """1 for the next to run; None for a race that does not wait."""
        waiting = self.waiting()
        return waiting.index(race) + 1 if race in waiting else None

    def stop(self, race: Race) -> None:
        """Stop a race that waits or runs; one that has ended stays as it is."""
        if race.ended:
            return
        if race in self._tasks:
            if not self._tasks[race].cancelling():
                self._tasks[race].cancel()
        else:
            race.end("stopped")

    def forget(self, race: Race) -> None:
        """Stop a race, and know nothing more of it; who follows it still gets its last event."""
        self.stop(race)
        self._races.pop(race.id, None)

    async def follow(self, race: Race, after: int, follower: Follower | None = None) -> AsyncGenerator[bytes, None]:
        """Server-sent events after an id; see EventLog. `follower`: whom `followers` admitted."""
        race.followers += 1
        try:
            async with aclosing(race.log.follow(after, follower)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            race.followers -= 1
            race.last_seen = time.monotonic()

    def stop_all(self) -> None:
        """Stop every race, and start no more: each one's followers get its last event."""
        self._closing = True
        for race in self._races.values():
            self.stop(race)

    async def close(self) -> None:
        """Stop every race; no process is left."""
        self._sweeper.cancel()
        tasks = list(self._tasks.values())
        self.stop_all()
        await asyncio.gather(self._sweeper, *tasks, return_exceptions=True)
        self._forks.stop()

    def _fill_places(self) -> None:
        for race in self.waiting()[: max(0, self._settings.race_slots - len(self._tasks))]:
            task = asyncio.create_task(race.run(self._settings.race_timeout_seconds, self._forks))
            self._tasks[race] = task
            task.add_done_callback(lambda _, race=race: self._after(race))  # type: ignore[misc]

    def _after(self, race: Race) -> None:
        del self._tasks[race]
        self._last_needed = time.monotonic()
        if not race.ended:  # cancelled before it could begin
            race.end("stopped")
        if not self._closing:
            self._fill_places()

    async def _sweep(self) -> None:
        """A race that nobody follows or visits ends after the grace time, an unneeded fork server after its own."""
        grace, ready = self._settings.race_grace_seconds, self._settings.race_ready_seconds
        while True:
            await asyncio.sleep(min(1.0, grace / 4))
            now = time.monotonic()
            for race in list(self._races.values()):
                if race.followers == 0 and now - race.last_seen > grace and not race.ended:
                    self.stop(race)
            if not self._tasks and now - self._last_needed > ready:
                self._forks.stop()
