"""HEAD wherever GET is, and a 405 that says everything the address takes. Pure ASGI; in: the routes that there are.

FastAPI answers HEAD with 405 where a route says GET, and of several routes with one path a 405 names the first alone.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OF_FILES = {"GET", "HEAD"}
"""What the static files take; they are no routes of a router."""


@dataclass(frozen=True)
class Methods:
    """Of one path."""

    path: re.Pattern[str]
    taken: frozenset[str]


def methods_of(routers: Iterable[APIRouter]) -> tuple[Methods, ...]:
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return tuple(Methods(route.path_regex, frozenset(route.methods or ())) for route in routes)


class MethodsMiddleware:
    """Asks GET for who says HEAD, and tells him all but the body."""

    def __init__(self, app: ASGIApp, methods: tuple[Methods, ...]):
        self.app = app
        self.methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_methods(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 405:
                MutableHeaders(scope=message)["Allow"] = ", ".join(sorted(self._taken(scope["path"])))
            await send(message)

        taken = self._routed(scope["path"]) if scope["method"] == "HEAD" else set()
        if "GET" not in taken or "HEAD" in taken:
            await self.app(scope, receive, send_with_methods)
            return
        try:
            scope["method"] = "GET"
            await self._without_body(scope, receive, send_with_methods)
        finally:
            scope["method"] = "HEAD"

    async def _without_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = asyncio.Event()

        async def received() -> Message:
            """Whoever streams hears after the headers that nobody listens."""
            await told.wait()
            return {"type": "http.disconnect"}

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
            elif not told.is_set():
                told.set()
                await send({"type": "http.response.body", "body": b""})

        await self.app(scope, received, send_headers)

    def _routed(self, path: str) -> set[str]:
        return {method for route in self.methods if route.path.match(path) for method in route.taken}

    def _taken(self, path: str) -> set[str]:
        routed = self._routed(path) or OF_FILES
        return routed | {"HEAD"} if "GET" in routed else routed
