"""A school on a server: what many do at once, as a table of scenarios, and what each of them waited.

`python -m app.workers.school ADDRESS SECONDS SEED` plays SCENARIOS against a server that runs, in a process of its own
without torch, and writes a line of JSON for each Answers.
"""

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

from app.workers.browser import Browser
from app.workers.memory import listening, resident_mib
from app.workers.pupils import Ground, ask_json, client_address, follow, keep_streaming, offer_analyses, visit
from app.workers.tallies import Answers, Tally
from app.workers.wire import NoAnswer
from model.text.tasks import TASKS

TASK = "reverse"
ADDRESSES = 30
PAGE_GOAL_MS, TOKEN_GOAL_MS, VISITOR_GOAL_MS = 3000.0, 1000.0, 1000.0
LOOK_AT_MEMORY_SECONDS = 0.25
REST_SECONDS, MOST_RESTS, QUIET_SECONDS = 0.5, 120, 0.1
"""Between scenarios: until /healthz answers within so long, but no more rests than that."""
DESCRIPTORS = 8192


class Scenario(Protocol):
    @property
    def name(self) -> str: ...

    async def play(self, ground: Ground, seconds: float) -> Sequence[Tally]: ...


@dataclass(frozen=True)
class Arrival:
    """So many browsers that open a page at the same moment, each for the first time."""

    browsers: int
    page: str
    name: str
    goal_ms: float | None = None

    async def play(self, ground: Ground, seconds: float) -> Sequence[Tally]:
        html, whole = Tally("the page", self.goal_ms), Tally("the page and its files", self.goal_ms)
        browsers = [Browser(ground.server, client_address(number % ADDRESSES)) for number in range(self.browsers)]
        same = quote(next(ground.words))
        paths = [self.page.format(word=quote(next(ground.words)), same=same) for _ in browsers]
        for opened in await asyncio.gather(*(one.open(path) for one, path in zip(browsers, paths, strict=True))):
            html.count(opened.status, opened.html_seconds)
            whole.count(opened.whole_status, opened.whole_seconds)
        for one in browsers:
            one.close()
        return html, whole


@dataclass(frozen=True)
class Following:
    """Followers of one race, for at most `most_seconds`, and visitors that each open a page in so many seconds."""

    followers: int
    visitors: int
    most_seconds: float = 30.0
    page_every_seconds: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.followers} followers of a race, {self.visitors} visitors"

    async def play(self, ground: Ground, seconds: float) -> Sequence[Tally]:
        events = Tally("an event, after the first follower has it")
        visits = Tally("a visitor's page with its files", VISITOR_GOAL_MS)
        try:
            race = await ask_json(ground, "POST", "/api/v1/races", {"recipe": TASK})
        except NoAnswer as no:
            events.count(no.word, 0.0)
            return events, visits
        addresses = [client_address(number % ADDRESSES) for number in range(self.followers)]
        end = time.perf_counter() + min(seconds, self.most_seconds)
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(ground, str(race["events"]), addresses, end, events))
            for number in range(self.visitors):
                address = client_address(ADDRESSES + number)
                group.create_task(visit(ground, address, end, self.page_every_seconds, visits))
        owner = f"?owner={race['owner']}" if "owner" in race else ""
        with suppress(NoAnswer):  # it may have finished
            await ask_json(ground, "DELETE", f"{race['address']}{owner}")
        return events, visits


@dataclass(frozen=True)
class School:
    """Streams that begin anew when they end, analyses on a schedule, and one visitor."""

    streams: int
    analyses_per_second: float
    page_every_seconds: float = 0.5

    @property
    def name(self) -> str:
        return f"{self.streams} streams and {self.analyses_per_second:g} analyze/s, from {ADDRESSES} addresses"

    async def play(self, ground: Ground, seconds: float) -> Sequence[Tally]:
        first, whole = Tally("a stream's first token", TOKEN_GOAL_MS), Tally("a whole stream")
        analyses = Tally("analyze, different words")
        visits = Tally("a visitor's page with its files", VISITOR_GOAL_MS)
        addresses = [client_address(number) for number in range(ADDRESSES)]
        end = time.perf_counter() + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(self.streams):
                group.create_task(keep_streaming(ground, addresses[number % ADDRESSES], end, first, whole))
            group.create_task(offer_analyses(ground, addresses, self.analyses_per_second, end, analyses))
            group.create_task(visit(ground, client_address(ADDRESSES), end, self.page_every_seconds, visits))
        return first, whole, analyses, visits


SCENARIOS: tuple[Scenario, ...] = (
    Arrival(60, "/?prompt={word}", "60 browsers open `/`, different words"),
    Arrival(300, "/?prompt={word}", "300 browsers open `/`, different words", PAGE_GOAL_MS),
    Arrival(60, "/?prompt={same}", "60 browsers open `/`, one word"),
    Arrival(300, "/?prompt={same}", "300 browsers open `/`, one word", PAGE_GOAL_MS),
    Arrival(60, "/claims", "60 browsers open `/claims`"),
    Arrival(300, "/claims", "300 browsers open `/claims`"),
    Arrival(60, "/dispatcher", "60 browsers open `/dispatcher`"),
    Arrival(300, "/dispatcher", "300 browsers open `/dispatcher`"),
    Following(60, 20),
    School(300, 200),
)


async def play(
    server: str, seconds: float, seed: int, scenarios: Sequence[Scenario] = SCENARIOS
) -> AsyncIterator[Answers]:
    """One scenario after another, those without an end of their own for `seconds`; other words for another `seed`."""
    ground = Ground(server, TASK, _different(TASKS[TASK].prompts(seed, held_out=True)))
    serving = listening(urlsplit(server).port or 0)
    for scenario in scenarios:
        highest = [resident_mib(serving)]
        looking = asyncio.create_task(_look_at_memory(serving, highest))
        started = time.perf_counter()
        tallies = await scenario.play(ground, seconds)
        lasted = time.perf_counter() - started
        looking.cancel()
        for tally in tallies:
            yield tally.answers(scenario.name, lasted, max(highest) if serving else None)
        await _until_quiet(ground)


async def _until_quiet(ground: Ground) -> None:
    """A server may still be busy with what nobody waits for any more; that is not the next scenario's cost."""
    connections = ground.connections(None)
    for _ in range(MOST_RESTS):
        await asyncio.sleep(REST_SECONDS)
        started = time.perf_counter()
        with suppress(NoAnswer):
            reply = await connections.ask(ground.request("GET", "/healthz"), REST_SECONDS)
            if reply.last - started < QUIET_SECONDS:
                break
    connections.close()


async def _look_at_memory(serving: frozenset[int], highest: list[float]) -> None:
    while serving:
        highest.append(resident_mib(serving))
        await asyncio.sleep(LOOK_AT_MEMORY_SECONDS)


def _different(words: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for word in words:
        if word not in seen:
            seen.add(word)
            yield word


async def _tell(server: str, seconds: float, seed: int) -> None:
    async for answers in play(server, seconds, seed):
        print(json.dumps(asdict(answers)), flush=True)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    gc.freeze()
    asyncio.run(_tell(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
