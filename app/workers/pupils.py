"""What single clients of a school do until a moment comes: stream, ask for analyses, follow a race, open pages.

Each tells what it met to a Tally. Client addresses are those of loopback, 127.0.0.2 and on.
"""

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from app.workers.browser import Browser
from app.workers.tallies import Tally
from app.workers.wire import Connections, NoAnswer, request_of
from model.masks.policies import RIGHT

ANSWER_SECONDS = 60.0
"""Longer than a server may take; then it is given up."""
RETRY_SECONDS = 1.0
ANALYSES_UNDER_WAY = 1500
"""At most so many connections for analyses; beyond, one is not sent and counted so."""
VISITED = ("/?prompt={word}", "/lesson", "/claims")
EVENT = re.compile(rb"(?m)^id: (\d+)")


@dataclass(frozen=True)
class Ground:
    server: str
    """Its address, with a host that is loopback."""
    task: str
    words: Iterator[str]

    def connections(self, address: str | None, most: int = 1) -> Connections:
        return Connections(self.server, address, most)

    def request(self, method: str, path: str, body: dict[str, object] | None = None) -> bytes:
        return request_of(self.server, method, path, body)

    def about_a_word(self, path: str, **more: object) -> bytes:
        """A POST about the next word."""
        body = {"recipe": self.task, "policy": RIGHT.slug, "prompt": next(self.words), **more}
        return self.request("POST", path, body)


def client_address(number: int) -> str:
    """Loopback answers to all of 127.0.0.0/8 on Linux."""
    return f"127.0.0.{2 + number}"


async def ask_json(ground: Ground, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, object]:
    """Raises NoAnswer for anything but success."""
    connections = ground.connections(None)
    try:
        reply = await connections.ask(ground.request(method, path, body), ANSWER_SECONDS)
    finally:
        connections.close()
    if reply.status not in (200, 201):
        raise NoAnswer(f"{method} {path}: {reply.status}")
    answer: dict[str, object] = json.loads(reply.body)
    return answer


async def keep_streaming(ground: Ground, address: str, end: float, first: Tally, whole: Tally) -> None:
    """One stream after another; after one that was refused or broke, a moment's pause, as clients do."""
    connections = ground.connections(address)
    while (started := time.perf_counter()) < end:
        try:
            reply = await connections.ask(ground.about_a_word("/api/v1/generate", stream=True), ANSWER_SECONDS)
        except NoAnswer as no:
            status, began, ended = no.word, 0.0, 0.0
        else:
            began, ended = reply.first - started, reply.last - started
            status = str(reply.status)
            if reply.status == 200 and b"event: done" not in reply.body:
                status = "error event"
        first.count(status, began)
        whole.count(status, ended)
        if status != "200":
            await asyncio.sleep(RETRY_SECONDS)
    connections.close()


async def offer_analyses(ground: Ground, addresses: Sequence[str], per_second: float, end: float, tally: Tally) -> None:
    """Each sent when its time comes, from the addresses in turn, however many answers are still out."""
    each = [ground.connections(address, ANALYSES_UNDER_WAY) for address in addresses]
    under_way = 0

    async def ask(connections: Connections) -> None:
        nonlocal under_way
        if under_way >= ANALYSES_UNDER_WAY:
            tally.count("not sent", 0.0)
            return
        under_way += 1
        started = time.perf_counter()
        try:
            reply = await connections.ask(ground.about_a_word("/api/v1/analyze"), ANSWER_SECONDS)
            tally.count(str(reply.status), reply.last - started)
        except NoAnswer as no:
            tally.count(no.word, 0.0)
        under_way -= 1

    async with asyncio.TaskGroup() as group:
        async for number in _beats(1 / per_second, end):
            group.create_task(ask(each[number % len(each)]))
    for connections in each:
        connections.close()


async def visit(ground: Ground, address: str, end: float, every_seconds: float, visits: Tally) -> None:
    """Open a page when its time comes, whether or not the one before is there, with all that it names."""
    browser = Browser(ground.server, address)

    async def see(path: str) -> None:
        opened = await browser.open(path)
        visits.count(opened.whole_status, opened.whole_seconds)

    async with asyncio.TaskGroup() as group:
        async for number in _beats(every_seconds, end):
            group.create_task(see(VISITED[number % len(VISITED)].format(word=quote(next(ground.words)))))
    browser.close()


async def follow(ground: Ground, path: str, addresses: Sequence[str], end: float, lags: Tally) -> None:
    """One follower for each address. Counts how long after the first of them each of the others has an event."""
    arrived: dict[bytes, list[float]] = defaultdict(list)
    broken: list[str] = []

    def hear(piece: bytes) -> None:
        for number in EVENT.findall(piece):
            arrived[number].append(time.perf_counter())

    async def hold(address: str) -> None:
        connections = ground.connections(address)
        seconds = end - time.perf_counter()
        try:
            reply = await connections.ask(ground.request("GET", path), seconds, hear)
            if reply.status != 200:
                broken.append(str(reply.status))
        except NoAnswer as no:
            if no.word != "too late":
                broken.append(no.word)
        connections.close()

    await asyncio.gather(*map(hold, addresses))
    for times in arrived.values():
        for moment in times:
            lags.count("200", moment - min(times))
    lags.statuses.update(broken)


async def _beats(every_seconds: float, end: float) -> AsyncIterator[int]:
    """0, 1, 2, ... each at its time; a late one is made up for at once."""
    started = time.perf_counter()
    number = 0
    while (due := started + number * every_seconds) < end:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        yield number
        number += 1
