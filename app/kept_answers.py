"""Answers that their request alone decides, kept as bytes: asked again, they cost no rendering and no model.

Pure ASGI, behind the guard and the metrics. Equal requests in flight join: the first is computed, all get its answer.
What is kept is bounded in bytes, the longest unused leaves first. A kept page has an ETag; who has it gets a 304.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.compression import compress, encoding_for
from app.room import reach
from app.shares import asking

DECIDED_BY_ADDRESS = frozenset(
    {
        *("/", "/figure", "/lesson", "/ablation", "/shift", "/bugs", "/padding", "/turns", "/packing", "/dispatcher"),
        *("/limits", "/reasoning", "/claims", "/api/v1/openapi.json", "/api/v1/recipes", "/api/v1/analyze"),
        *("/api/v1/ablation", "/api/v1/ablation.csv", "/api/v1/ablation/findings", "/api/v1/policies", "/api/v1/mask"),
        *("/api/v1/budget", "/api/v1/budget/lengths", "/api/v1/claims", "/api/v1/dispatcher", "/api/v1/gallery"),
        *("/api/v1/dispatcher/mass", "/api/v1/dispatcher/rates", "/api/v1/dispatcher/factors", "/api/v1/limits"),
        *(
            "/v1/models",
            "/api/v1/packing",
            "/api/v1/padding",
            "/api/v1/reasoning",
            "/api/v1/turns",
            "/api/v1/inspect/rules",
        ),
    }
)
"""Paths whose GET says the same whenever it is asked: what ships, and models that do not change."""
DECIDED_BY_BODY = frozenset({"/api/v1/analyze", "/api/v1/mask"})
"""The same of POST, with the body."""
SAYS_WHERE = "/"
"""This page says by which of the machine's addresses others reach it, and those change with its networks. So it is kept
unless it is asked for on the machine itself while that can be reached from outside."""
BEGINNINGS = ("/api/v1/ablation/charts/", "/api/v1/recipes/")
"""What begins so is decided by its address too."""

WORTH_COMPRESSING, COMPRESSED_ASIDE = 500, 200_000
"""Bytes: from so many on at all, and in a thread, since it takes longer than the way there and back."""
LARGEST_SHARE = 8
"""One answer takes at most this part of the room, so that it does not drive out all others."""

Key = tuple[object, ...]


@dataclass(frozen=True)
class KeptAnswer:
    """A whole answer with headers, compressed if that was asked for."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    etag: str | None
    """None if it may not be kept by the one who asks."""
    route: object
    """That answered it; the metrics count it under this."""

    def messages(self, revalidates: str) -> tuple[Message, Message]:
        """The answer as ASGI sends it, without the body to those who say (in If-None-Match) that they have it."""
        status, headers, body = self.status, self.headers, self.body
        if self.etag and any(tag.strip().removeprefix("W/") in (self.etag, "*") for tag in revalidates.split(",")):
            wanted = (b"etag", b"cache-control", b"vary")
            status, headers, body = 304, tuple(h for h in headers if h[0] in wanted), b""
        start = {"type": "http.response.start", "status": status, "headers": list(headers)}
        return start, {"type": "http.response.body", "body": body}


class KeptAnswers:
    """Answers from what it keeps, and keeps what answered with 200."""

    def __init__(self, app: ASGIApp, limit_bytes: int, listens_on: str = "127.0.0.1"):
        self.app = app
        self.listens_on = listens_on
        self.limit_bytes = limit_bytes
        self.kept: OrderedDict[Key, KeptAnswer] = OrderedDict()
        self.kept_bytes = 0
        self._coming: dict[Key, tuple[str, asyncio.Future[KeptAnswer | None]]] = {}
        """With whose request it is that is computed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_decided(scope) or self._looks_for_networks(scope):
            await self.app(scope, receive, send)
            return
        body = b""
        if scope["method"] == "POST":
            message = await receive()  # the guard has read all of it; none if the client has left
            body, receive = message.get("body", b""), _again(message, receive)
        headers = Headers(scope=scope)
        answer = await self._answer(_key(scope, headers, body), scope, receive)
        scope["route"] = answer.route
        for message in answer.messages(headers.get("if-none-match", "")):
            await send(message)

    def _looks_for_networks(self, scope: Scope) -> bool:
        if scope["path"] != SAYS_WHERE:
            return False
        found = reach(urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname or "", self.listens_on)
        return not (found.is_asked or found.listens_here_only)

    async def _answer(self, key: Key, scope: Scope, receive: Receive) -> KeptAnswer:
        while key not in self.kept:
            if key not in self._coming:
                return await self._compute(key, scope, receive)
            share, coming = self._coming[key]
            joined = await asyncio.shield(coming)
            if joined is not None and joined.status == 503 and share != asking.get():
                return await _ask(self.app, scope, receive)  # it was another's share of the engine that was used up
            if joined is not None:
                return joined
        self.kept.move_to_end(key)
        return self.kept[key]

    async def _compute(self, key: Key, scope: Scope, receive: Receive) -> KeptAnswer:
        """Those who join meanwhile get the answer too, whatever it is; of a request that was ended they get none."""
        coming: asyncio.Future[KeptAnswer | None] = asyncio.get_running_loop().create_future()
        self._coming[key] = asking.get(), coming
        answer = None
        try:
            answer = await _ask(self.app, scope, receive)
            if answer.status == 200:
                self._keep(key, answer)
            return answer
        finally:
            del self._coming[key]
            coming.set_result(answer)

    def _keep(self, key: Key, answer: KeptAnswer) -> None:
        size = _size(key, answer)
        if size * LARGEST_SHARE > self.limit_bytes:
            return
        self.kept[key] = answer
        self.kept_bytes += size
        while self.kept_bytes > self.limit_bytes:
            self.kept_bytes -= _size(*self.kept.popitem(last=False))


def _is_decided(scope: Scope) -> bool:
    path, method = scope["path"], scope["method"]
    if method == "POST":
        return path in DECIDED_BY_BODY
    return method in ("GET", "HEAD") and (path in DECIDED_BY_ADDRESS or path.startswith(BEGINNINGS))


def _key(scope: Scope, headers: Headers, body: bytes) -> Key:
    """All that an answer may depend on; pages write their own address, so scheme and host are of it."""
    asked = (scope["method"], scope["scheme"], headers.get("host"), scope["path"], scope["query_string"])
    read_as = headers.get("content-type") if body else None
    return *asked, _is_partial(headers), encoding_for(headers), read_as, body


def _is_partial(headers: Mapping[str, str]) -> bool:
    return headers.get("hx-request-type") == "partial"


def _size(key: Key, answer: KeptAnswer) -> int:
    """Bytes, about: what varies, and a round sum for the objects around it."""
    return 1500 + len(answer.body) + sum(len(part) for part in key if isinstance(part, bytes | str))


async def _ask(app: ASGIApp, scope: Scope, receive: Receive) -> KeptAnswer:
    """The application's whole answer, asked for uncompressed and then compressed once."""
    asked: dict[str, Any] = dict(scope, headers=[h for h in scope["headers"] if h[0] != b"accept-encoding"])
    started: list[Message] = []
    pieces: list[bytes] = []

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.append(message)
        else:
            pieces.append(message.get("body", b""))

    await app(asked, receive, collect)
    headers = MutableHeaders(raw=list(started[0]["headers"]))
    body, status, given = b"".join(pieces), started[0]["status"], Headers(scope=scope)
    encoding = encoding_for(given)
    if "accept-encoding" not in headers.get("vary", "").lower():
        headers.add_vary_header("Accept-Encoding")
    etag = None
    if status == 200 and scope["method"] != "POST" and not _is_partial(given):
        headers["Cache-Control"] = "no-cache"
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}{f"-{encoding}" if encoding else ""}"'
        headers["ETag"] = etag
    if encoding and len(body) >= WORTH_COMPRESSING:
        aside = len(body) > COMPRESSED_ASIDE
        body = await asyncio.to_thread(_compress, body, encoding) if aside else _compress(body, encoding)
        headers["Content-Encoding"] = encoding
    headers["Content-Length"] = str(len(body))
    return KeptAnswer(status, tuple(headers.raw), body, etag, asked.get("route"))


def _compress(body: bytes, encoding: str) -> bytes:
    return compress(body, encoding, kept=False)  # the first who asks waits for it


def _again(message: Message, receive: Receive) -> Receive:
    first = [message]

    async def received() -> Message:
        return first.pop() if first else await receive()

    return received
