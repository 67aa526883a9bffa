"""A crowd on a server: many clients that ask one after another over plain sockets, and one that looks how it is.

A client library would take as long as the server does. In: an address. Out: Load for each kind of question, and how
long /healthz takes while a crowd opens each page of the menu.
"""

import asyncio
import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import quantiles
from urllib.parse import quote

from app.workers.wire import Connections, request_of
from model.masks.policies import RIGHT
from model.training.recipes import DEFAULT_RECIPE, RECIPES

CLIENTS, SECONDS = 32, 6.0
PAGE_CLIENTS, PAGE_SECONDS, LOOK_SECONDS = 60, 3.0, 0.05
HEALTH_GOAL_MS = 100.0
ANSWER_SECONDS = 60.0
"""Longer than a server may take."""
GENERATE, ANALYZE = "/api/v1/generate", "/api/v1/analyze"


@dataclass(frozen=True)
class Load:
    """Requests per second and percentiles of the time to the last byte, in milliseconds."""

    name: str
    requests: int
    errors: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    def line(self) -> str:
        return (
            f"{self.name:62} {self.per_second:7.0f} per second   p50 {self.p50_ms:.0f} ms   "
            f"p95 {self.p95_ms:.0f} ms   p99 {self.p99_ms:.0f} ms   {self.errors} errors of {self.requests}"
        )


def load_of(name: str, milliseconds: list[float], errors: int, seconds: float) -> Load:
    cuts = quantiles(milliseconds, n=100)
    count = len(milliseconds)
    return Load(name, count, errors, count / seconds, cuts[49], cuts[94], cuts[98])


@dataclass(frozen=True)
class Question:
    path: str
    body: dict[str, object] | None = None
    """As JSON; with one it is a POST."""
    expected: bytes = b""
    """Stands in a right answer."""

    def as_bytes(self, server: str) -> bytes:
        if self.body is None:
            return request_of(server, "GET", self.path, more="Accept-Encoding: gzip\r\n")
        return request_of(server, "POST", self.path, self.body)


@dataclass(frozen=True)
class Crowd:
    name: str
    question: Callable[[str], Question]
    """Of a word; each word comes once."""


def _about(word: str, **more: object) -> dict[str, object]:
    return {"recipe": DEFAULT_RECIPE, "prompt": word, "policy": RIGHT.slug, **more}


CROWDS = (
    Crowd("/lesson", lambda word: Question("/lesson")),
    Crowd("/claims", lambda word: Question("/claims")),
    Crowd("/ablation", lambda word: Question("/ablation")),
    Crowd("/api/v1/recipes", lambda word: Question("/api/v1/recipes")),
    Crowd("/, one word", lambda word: Question("/?prompt=hello")),
    Crowd("/, different words", lambda word: Question(f"/?prompt={quote(word)}")),
    Crowd("analyze, one word", lambda word: Question(ANALYZE, _about("hello"))),
    Crowd("analyze, different words", lambda word: Question(ANALYZE, _about(word))),
    Crowd("streams", lambda word: Question(GENERATE, _about(word, stream=True), b"event: done")),
)


def crowd_on(address: str) -> Iterator[Load]:
    """Each of CROWDS, then /healthz while clients open each of the pages."""
    words = RECIPES[DEFAULT_RECIPE].task.prompts(0, held_out=True)
    for crowd in CROWDS:
        yield asyncio.run(_load(address, crowd, words))
    for path in asyncio.run(_pages(address)):
        yield asyncio.run(_health(address, path))


async def _pages(address: str) -> list[str]:
    """Those that the server's menu names."""
    connections = Connections(address)
    lesson = await connections.ask(request_of(address, "GET", "/lesson"), ANSWER_SECONDS)
    connections.close()
    menu = lesson.body.decode().partition("<nav")[2].partition("</nav>")[0]
    return list(dict.fromkeys(re.findall(r'href="(/[a-z]*)"', menu)))


async def _load(address: str, crowd: Crowd, words: Iterator[str]) -> Load:
    milliseconds: list[float] = []
    name = f"{crowd.name}, {CLIENTS} clients"
    questions = (crowd.question(word) for word in words)
    for question in itertools.islice(questions, 1):
        await _ask_for(address, itertools.repeat(question), time.perf_counter() + 0.5, [])
    started = time.perf_counter()
    clients = [_ask_for(address, questions, started + SECONDS, milliseconds) for _ in range(CLIENTS)]
    errors = sum(await asyncio.gather(*clients))
    return load_of(name, milliseconds, errors, time.perf_counter() - started)


async def _health(address: str, path: str) -> Load:
    milliseconds: list[float] = []
    started = time.perf_counter()
    end = started + PAGE_SECONDS
    crowd = [_ask_for(address, itertools.repeat(Question(path)), end, []) for _ in range(PAGE_CLIENTS)]
    looks = _ask_for(address, itertools.repeat(Question("/healthz")), end, milliseconds, LOOK_SECONDS)
    errors, *_ = await asyncio.gather(looks, *crowd)
    name = f"/healthz while {PAGE_CLIENTS} clients ask for {path} (goal: p95 {HEALTH_GOAL_MS:g} ms)"
    return load_of(name, milliseconds, errors, time.perf_counter() - started)


async def _ask_for(
    address: str, questions: Iterator[Question], end: float, milliseconds: list[float], pause_seconds: float = 0
) -> int:
    """Ask until `end` over one connection; notes how long each answer took, returns how many were wrong."""
    connections, errors = Connections(address), 0
    while (started := time.perf_counter()) < end:
        question = next(questions)
        reply = await connections.ask(question.as_bytes(address), ANSWER_SECONDS)
        milliseconds.append(1e3 * (reply.last - started))
        errors += reply.status != 200 or question.expected not in reply.body
        await asyncio.sleep(pause_seconds)
    connections.close()
    return errors
