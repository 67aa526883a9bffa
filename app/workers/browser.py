"""A browser as a server sees one: the page, then what its head names, over up to six kept connections.

It keeps files that are kept for good, and asks after others by their ETag. It runs nothing and draws nothing.
"""

import asyncio
import re
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.workers.wire import Connections, NoAnswer, Reply, request_of

CONNECTIONS = 6
PAGE_SECONDS = 60.0
"""What is not there by then is given up."""
NAMED = re.compile(r'<(?:link|script)\b[^>]*?\b(?:href|src)="(/static/[^"]*)"')


@dataclass(frozen=True)
class Opened:
    """`status` of the page, `whole_status` the first wrong one of the page and its files; seconds from the start."""

    status: str
    html_seconds: float
    whole_status: str
    whole_seconds: float


@dataclass
class Browser:
    """`address`: where it asks from, one of this machine's."""

    server: str
    address: str | None
    etags: dict[str, str] = field(default_factory=dict)
    for_good: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._connections = Connections(self.server, self.address, CONNECTIONS)

    async def open(self, path: str, seconds: float = PAGE_SECONDS) -> Opened:
        """The page anew, and what it names as far as it is not kept."""
        started = time.perf_counter()
        try:
            reply = await self._connections.ask(self._get(path), seconds)
        except NoAnswer as no:
            lost = time.perf_counter() - started
            return Opened(no.word, lost, no.word, lost)
        html, status = time.perf_counter() - started, str(reply.status)
        if reply.status != 200:
            return Opened(status, html, status, html)
        try:
            files = set(named_in(_text(reply))) - self.for_good
        except (zlib.error, UnicodeDecodeError):
            return Opened("unreadable", html, "unreadable", html)
        statuses = await asyncio.gather(*(self._file(path, seconds) for path in sorted(files)))
        wrong = next((status for status in statuses if status not in ("200", "304")), status)
        return Opened(status, html, wrong, time.perf_counter() - started)

    def close(self) -> None:
        self._connections.close()

    async def _file(self, path: str, seconds: float) -> str:
        asked = f"If-None-Match: {self.etags[path]}\r\n" if path in self.etags else ""
        try:
            reply = await self._connections.ask(self._get(path, asked), seconds)
        except NoAnswer as no:
            return no.word
        if "immutable" in reply.header("cache-control"):
            self.for_good.add(path)
        elif etag := reply.header("etag"):
            self.etags[path] = etag
        return str(reply.status)

    def _get(self, path: str, more: str = "") -> bytes:
        return request_of(self.server, "GET", path, more=f"Accept-Encoding: gzip\r\n{more}")


def named_in(html: str) -> Iterable[str]:
    """The addresses on this server that link and script tags of a page's head name, each once."""
    return dict.fromkeys(NAMED.findall(html.partition("</head>")[0]))


def _text(reply: Reply) -> str:
    content = reply.body
    if reply.header("content-encoding") == "gzip":
        content = zlib.decompress(content, 16 + zlib.MAX_WBITS)
    return content.decode()
