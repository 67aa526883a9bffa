"""Pure ASGI, outermost first: headers and CSP, host check, cross-origin guard, places in flight, body limits.

Refuses before any work is done, and answers through errors.py. Knows no route.
"""

import asyncio
import ipaddress
import re
from collections.abc import Collection, Mapping
from functools import partial

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    BodyTooLarge,
    BodyTooSlow,
    CrossOrigin,
    HostNotAllowed,
    Overloaded,
    TooManyRequests,
    respond,
    respond_to_bug,
)
from app.settings import Settings
from app.shares import Place, Shares, answering, asking, share_of
from model.errors import MaskscopeError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PARTS_OF_PAGES = ("text/css", "text/javascript")
OF_PARTS = ("X-Content-Type-Options", "Cross-Origin-Resource-Policy")
"""The headers that act on a style or a script; the others are 500 bytes for each that act on documents only."""
HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
ALWAYS_ANSWERED = re.compile(
    r"(GET|HEAD) /(healthz|readyz|metrics)|DELETE /api/v1/races/[^/]+|POST /(race|api/v1/races)/[^/]+/(pause|stop)"
)
"""Not counted as places in flight: a full server must still say how it is, and end what fills it."""


def is_always_answered(scope: Scope) -> bool:
    return ALWAYS_ANSWERED.fullmatch(f"{scope['method']} {scope['path']}") is not None


class SecurityHeaders:
    """Adds HEADERS, to styles and scripts OF_PARTS: to refusals and the answer to an unforeseen error too."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                part = headers.get("content-type", "").startswith(PARTS_OF_PAGES)
                headers.update({name: HEADERS[name] for name in OF_PARTS} if part else HEADERS)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            await respond_to_bug(Request(scope), error)(scope, receive, send_with_headers)


class Guard:
    """Lets a request through only if its host, origin, number and size are allowed."""

    def __init__(self, app: ASGIApp, settings: Settings, body_limits: Mapping[str, int] | None = None):
        """`body_limits`: bytes, of paths whose bodies may have another size than others."""
        self.app = app
        self.settings = settings
        self.body_limits = body_limits or {}
        self.in_flight = Shares(settings.max_requests, settings.max_requests_per_client)
        self.large_bodies = Shares(settings.inspection_queue_size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self._believe_proxy(scope)
        share, large = share_of(scope["client"][0] if scope["client"] else ""), self._is_large(scope)
        asking.set(share)
        answering.set(object())
        try:
            self._check(scope)
            if large and not self.large_bodies.allows(share):
                places, free, own = self.large_bodies.places, self.large_bodies.free, self.large_bodies.held[share]
                raise _Refused(
                    Overloaded(f"{places - free} large bodies are in flight, {own} of them yours; try again")
                )
            place = self._take_place(scope, share)
            if large:
                self.large_bodies.take(share)
            scope.setdefault("state", {})["place"] = place
            try:
                received = await self._read_body(scope, receive)
                if received is not None:
                    await self.app(scope, received, send)
            finally:
                place.leave()
                if large:
                    self.large_bodies.give_back(share)
        except _Refused as refused:
            await respond(Request(scope), refused.error)(scope, receive, send)

    def _believe_proxy(self, scope: Scope) -> None:
        """Put the client's address in place of the proxy's, if that is one of ours and gives one."""
        trusted = self.settings.trusted_proxies
        if not trusted or not scope["client"] or not _is_one_of(scope["client"][0], trusted):
            return
        headers = Headers(scope=scope)
        forwarded = ",".join(headers.getlist("x-forwarded-for")).split(",")
        client = next((given.strip() for given in reversed(forwarded) if not _is_one_of(given.strip(), trusted)), "")
        if _address(client) is not None:
            scope["client"] = (str(_address(client)), 0)
        if headers.get("x-forwarded-proto") in ("http", "https"):
            scope["scheme"] = headers["x-forwarded-proto"]

    def _take_place(self, scope: Scope, share: str) -> Place:
        """Raises _Refused for one request too many, of all or of an address."""
        if is_always_answered(scope):
            return Place(lambda: None)
        if self.in_flight.free <= 0:
            raise _Refused(Overloaded(f"{self.settings.max_requests} requests are in flight; try again"))
        if not self.in_flight.allows(share):
            held = self.in_flight.held[share]
            raise _Refused(TooManyRequests(f"{held} requests from this address are in flight; try again"))
        self.in_flight.take(share)
        return Place(partial(self.in_flight.give_back, share))

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not _host_is_allowed(hosts[0], self.settings):
            raise _Refused(HostNotAllowed("This server does not go by that host name; see MASKSCOPE_ALLOWED_HOSTS"))
        if scope["method"] not in SAFE_METHODS and not _same_origin(headers):
            raise _Refused(CrossOrigin("Another site's page may not do this"))

    def _is_large(self, scope: Scope) -> bool:
        """True for a body that may be larger than most: it stays in memory for as long as the request does."""
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        size = int(length) if length.isdecimal() else self.settings.body_limit_bytes + ("transfer-encoding" in headers)
        return scope["path"] in self.body_limits and size > self.settings.body_limit_bytes

    async def _read_body(self, scope: Scope, receive: Receive) -> Receive | None:
        """The request's messages with the body read ahead, within its limits; None if the client left meanwhile."""
        headers, limit = Headers(scope=scope), self.body_limits.get(scope["path"], self.settings.body_limit_bytes)
        if "content-length" not in headers and "transfer-encoding" not in headers:
            return receive
        too_large = BodyTooLarge(f"The body is too large: {limit} bytes at most")
        if int(headers.get("content-length", 0)) > limit:
            raise _Refused(too_large)
        body = bytearray()
        try:
            async with asyncio.timeout(self.settings.body_timeout_seconds):
                async for piece in Request(scope, receive).stream():
                    body += piece
                    if len(body) > limit:
                        raise _Refused(too_large)
        except ClientDisconnect:
            return None
        except TimeoutError as error:
            seconds = self.settings.body_timeout_seconds
            raise _Refused(BodyTooSlow(f"The body did not arrive within {seconds:g} s")) from error
        return _replay(bytes(body), receive)


class _Refused(Exception):
    """Carries an error out of the checks; never one that the application itself raised."""

    def __init__(self, error: MaskscopeError):
        self.error = error


def _replay(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return first.pop() if first else await receive()

    return received


def _host_is_allowed(host: str, settings: Settings) -> bool:
    """localhost, any IP address (a page elsewhere cannot make a name point to one), and the settings' names."""
    match = HOST.fullmatch(host.lower())
    if match is None or int(match["port"] or 0) > 65535:
        return False
    name = match["name"].strip("[]")
    if name in ("localhost", *(allowed.lower() for allowed in settings.allowed_hosts)):
        return True
    return _address(name) is not None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_one_of(text: str, networks: Collection[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


def _same_origin(headers: Headers) -> bool:
    """Browsers say where a request comes from; scripts say nothing, and carry no one's rights."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin in (None, f"http://{headers['host']}", f"https://{headers['host']}")
