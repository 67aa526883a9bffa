"""What the tests of app/ share: the application in this process, readers of what they answer."""

import json
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import anyio
import httpx
import pytest
from anyio.abc import TaskGroup
from fastapi import FastAPI

from app.catalog import Catalog
from app.engine import Engine
from app.main import create_app
from app.races import sessions
from app.races.forks import Forks
from app.settings import Settings
from model.masks.policies import RIGHT
from model.network.gpt import GPT
from model.training.recipes import RECIPES

HERE = "http://localhost"
"""The origin that in-process clients speak to."""


@dataclass
class Gate:
    """Something for a worker to wait at: `engine.call(gate.wait)` holds it until `open` lets one through."""

    permits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    arrived: int = 0

    async def hold(self, engine: Engine, tasks: TaskGroup) -> None:
        """The engine's worker waits here once this returns; until then it could take what else is brought."""
        before = self.arrived
        tasks.start_soon(engine.call, self.wait)
        await self.reached(before + 1)

    async def reached(self, times: int = 1) -> None:
        with anyio.fail_after(60):
            while self.arrived < times:
                await anyio.sleep(0.001)

    def wait(self) -> None:
        self.arrived += 1
        assert self.permits.acquire(timeout=60), "nobody opened the gate"

    def open(self, times: int = 1) -> None:
        self.permits.release(times)


StartApp = Callable[..., AbstractAsyncContextManager[FastAPI]]
Connect = Callable[..., httpx.AsyncClient]


@pytest.fixture(scope="session", autouse=True)
def _read_once(read_once: None) -> None:
    """All of app/ is tested on what was read once."""


class SharedForks(Forks):
    """Torch is imported once for all races of the tests: those that start and stop servers of their own aside."""

    def stop(self) -> None:
        """Others go on to use it."""


@pytest.fixture(scope="session", autouse=True)
def _imported_once() -> Iterator[None]:
    forks = SharedForks()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "Forks", lambda: forks)
        yield
    Forks.stop(forks)


@pytest.fixture
def trained_copy(tmp_path: Path) -> Path:
    """A copy of the shipped runs that a test may break."""
    return Path(shutil.copytree(Settings().trained_folder, tmp_path / "trained"))


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that lets everything through when the test is over, so that no worker is left waiting."""
    gate = Gate()
    yield gate
    gate.open(1000)


@pytest.fixture
async def engine(gate: Gate) -> AsyncIterator[Engine]:
    engine = Engine(queue_size=64, timeout_seconds=30)
    yield engine
    gate.open(1000)
    engine.close()


@pytest.fixture(scope="session")
def trained(catalog: Catalog) -> GPT:
    return catalog.model(RECIPES["reverse"], RIGHT.slug, None)[0]


@pytest.fixture(scope="session")
def start_app() -> StartApp:
    """`async with start_app(queue_size=1) as app`: an application between its start and its end."""

    @asynccontextmanager
    async def started(**settings: Any) -> AsyncIterator[FastAPI]:
        app = create_app(Settings(**settings))
        async with app.router.lifespan_context(app):
            yield app

    return started


@pytest.fixture(scope="session")
def connect() -> Connect:
    """`async with connect(app, address="192.0.2.1") as client`: a client of an application in this process."""

    def connected(app: FastAPI, address: str = "127.0.0.1", raises: bool = True) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, client=(address, 50_000), raise_app_exceptions=raises)
        return httpx.AsyncClient(transport=transport, base_url=HERE, timeout=60)

    return connected


@pytest.fixture(scope="session")
async def app(start_app: StartApp) -> AsyncIterator[FastAPI]:
    """The application with its default settings. For tests that leave nothing behind in it."""
    async with start_app() as app:
        yield app


@pytest.fixture(scope="session")
async def client(app: FastAPI, connect: Connect) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(app) as client:
        yield client


@pytest.fixture(scope="session")
def read_events() -> Callable[[str], list[dict[str, Any]]]:
    """Server-sent events of a complete stream, each as its id, its event and its data read from JSON."""

    def read(text: str) -> list[dict[str, Any]]:
        blocks = [block for block in text.replace("\r\n", "\n").split("\n\n") if block]
        fields = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
        return [{"id": int(f["id"]), "event": f["event"], "data": json.loads(f["data"])} for f in fields]

    return read


@pytest.fixture(scope="session")
def read_html() -> Callable[[str], Element]:
    """A page or fragment as a tree under a root element of ours. Fails for an element that is never closed."""

    @lru_cache(maxsize=4)  # several tests ask the same page one after the other, and none of them changes it
    def read(html: str) -> Element:
        reader = _HtmlReader()
        reader.feed(html)
        reader.close()
        assert [e.tag for e in reader.open] == ["root"], [e.tag for e in reader.open]
        return reader.open[0]

    return read


@pytest.fixture(scope="session")
def text_of() -> Callable[[Element], str]:
    """All the text in an element, with each run of white space as one space."""
    return lambda element: " ".join("".join(element.itertext()).split())


class _HtmlReader(HTMLParser):
    VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Element] = [Element("root")]

    def updatepos(self, i: int, j: int) -> int:
        """Without counting lines, for which nobody asks."""
        return j

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice: {attrs}"
        element = SubElement(self.open[-1], tag, {name: value or "" for name, value in attrs})
        if tag not in self.VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}>"
        self.open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        element = self.open[-1]
        if len(element):
            element[-1].tail = (element[-1].tail or "") + data
        else:
            element.text = (element.text or "") + data
