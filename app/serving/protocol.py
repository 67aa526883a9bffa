"""The protocol of each connection: uvicorn's for h11, with a deadline for all that is read and written.

In: the settings, and the places that connections share. A peer that is slow with its headers, idles or does not read
ends by itself; one that sends no HTTP is told so in our shape. What requests mean is the application's.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import h11
import uvicorn
from fastapi import Request
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.errors import ConnectionsBusy, HeadersTooLarge, HeadersTooSlow, NotHttp, respond
from app.security import HEADERS
from app.serving.access_log import WithoutSecrets
from app.serving.connections import Connections
from app.serving.refusals import TARGET_BYTES, whole_answer
from app.serving.transport import PIECE_BYTES, EndingTransport
from app.settings import Settings
from app.shares import share_of
from model.errors import MaskscopeError

if TYPE_CHECKING:
    from uvicorn.server import ServerState

CLOSE = (b"connection", b"close")


class ServingConfig(uvicorn.Config):
    """uvicorn's, with what our protocol needs."""

    def __init__(self, app: Any, settings: Settings, connections: Connections, **given: Any):
        super().__init__(app, http=DeadlineProtocol, ws="none", proxy_headers=False, server_header=False, **given)
        logging.getLogger("uvicorn.access").addFilter(WithoutSecrets())
        self.settings = settings
        self.connections = connections


class RememberingConnection(h11.Connection):
    """Keeps the error that uvicorn drops: whether the request was no HTTP or only too large."""

    problem: h11.RemoteProtocolError | None = None

    def next_event(self) -> Any:
        try:
            return super().next_event()
        except h11.RemoteProtocolError as error:
            self.problem = error
            raise


class DeadlineProtocol(H11Protocol):
    """One connection, from accept to its end."""

    def __init__(
        self,
        config: ServingConfig,
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ):
        super().__init__(config, server_state, app_state, _loop)
        self.settings, self.places = config.settings, config.connections
        self.application = config.loaded_app
        self.app: Any = self._answer
        self.timeout_keep_alive: Any = config.settings.idle_timeout_seconds
        self.conn: RememberingConnection = RememberingConnection(h11.SERVER, config.settings.header_limit_bytes)
        self.share = ""
        self.ending: EndingTransport
        self._begun = b""
        """The first bytes of a request whose headers are not complete."""
        self._headers_timer: asyncio.TimerHandle | None = None

    # The transport's side.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.set_write_buffer_limits(PIECE_BYTES)
        self.ending = EndingTransport(transport, self.settings.close_timeout_seconds, self._is_receiving)
        super().connection_made(self.ending)
        self.share = share_of(self.client[0] if self.client else "")
        if not self.places.admit(self):
            self._turn_away()
            return
        self._headers_timer = self.loop.call_later(self.settings.header_timeout_seconds, self._headers_are_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_headers_timer()
        self.ending.lost()
        self.places.leave(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self.ending.is_closing():
            self.ending.discard(len(data))
            return
        if self.conn.their_state is h11.IDLE and len(self._begun) < TARGET_BYTES:
            self._begun += data[:TARGET_BYTES]
        super().data_received(data)
        self._await_headers()

    def eof_received(self) -> None:
        """The peer sends no more; asyncio closes now, and would wait for ever for one who does not read either."""
        self.ending.close()

    def give_way(self) -> None:
        """Another connection needs this one's place: it idles, so nobody loses an answer that is not sent."""
        self.ending.abort()

    # uvicorn's side.

    def send_400_response(self, msg: str) -> None:
        problem = self.conn.problem
        if problem is not None and problem.error_status_hint == 431:
            limit = self.settings.header_limit_bytes
            self._refuse(HeadersTooLarge(f"The request line and headers are too large: {limit} bytes at most"))
        else:
            said = str(problem or msg).partition(":")[0]  # after it h11 repeats what was sent
            self._refuse(NotHttp(f"This is no HTTP request: {said}"))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE or self.ending.is_closing():
            self.places.rest(self)
        if self.conn.trailing_data[0]:
            self._await_headers()

    def shutdown(self) -> None:
        if self.ending.is_closing():
            self.ending.abort()
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        if not self.ending.is_closing():
            self.ending.close()

    # Ours.

    def _turn_away(self) -> None:
        if self.places.refuse(self):
            self._refuse(ConnectionsBusy("All connections that this server or your address may have are taken"))
        else:
            self.ending.abort()

    def _is_receiving(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY

    def _await_headers(self) -> None:
        """The time for headers runs from their first byte to their last."""
        if self.conn.their_state is not h11.IDLE or self.ending.is_closing():
            self._stop_headers_timer()
        elif self._headers_timer is None:
            seconds = self.settings.header_timeout_seconds
            self._headers_timer = self.loop.call_later(seconds, self._headers_are_late)

    def _stop_headers_timer(self) -> None:
        self._begun = b""
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None

    def _headers_are_late(self) -> None:
        self._headers_timer = None
        if not self.conn.trailing_data[0]:
            self.ending.close()  # a browser's connection in reserve: it asked for nothing
            return
        seconds = self.settings.header_timeout_seconds
        self._refuse(HeadersTooSlow(f"The headers did not arrive within {seconds:g} s"))

    def _refuse(self, error: MaskscopeError) -> None:
        """Answer what is no request and close; if an answer has already begun, only close."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not (answering and self.cycle.response_started):
            self.ending.write(whole_answer(error, self._begun))
        self._stop_headers_timer()
        self.ending.close_after_reading()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, behind what only bytes can tell: two lengths for one body, a target with a host."""
        self.places.begin(self)

        async def send_in_time(message: Message) -> None:
            await self._send(send, message)

        names = {name for name, _ in scope["headers"]}
        if {b"content-length", b"transfer-encoding"} <= names:
            refused = NotHttp("A request gives the length of its body once: Content-Length or Transfer-Encoding")
            response = respond(Request(scope), refused)
            response.headers.update({**HEADERS, "Connection": "close"})
            await response(scope, receive, send_in_time)
            return
        _from_absolute_form(scope)
        await self.application(scope, receive, send_in_time)

    async def _send(self, send: Send, message: Message) -> None:
        """In pieces, each when the one before has left; a reader that takes too long is cut off."""
        if message["type"] == "http.response.start":
            if self._is_receiving():
                message["headers"] = [*message.get("headers", ()), CLOSE]
            await send(message)
            return
        try:
            async with asyncio.timeout(self.settings.send_timeout_seconds):
                for piece in _pieces(message):
                    await self.flow.drain()
                    await send(piece)
                if not message.get("more_body", False):
                    self.ending.flush()
                await self.flow.drain()
        except TimeoutError:
            self.ending.abort()


def _pieces(message: Message) -> Iterator[Message]:
    body = bytes(message.get("body", b""))  # of bytes, and of a slice of all of them, this makes no copy
    for start in range(0, max(1, len(body)), PIECE_BYTES):
        more = message.get("more_body", False) or start + PIECE_BYTES < len(body)
        yield {"type": "http.response.body", "body": body[start : start + PIECE_BYTES], "more_body": more}


def _from_absolute_form(scope: Scope) -> None:
    """`GET http://host/path`: as proxies are asked; servers must take it too, and its host goes before the header."""
    scheme, separator, rest = scope["raw_path"].partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return
    host, slash, path = rest.partition(b"/")
    scope["raw_path"] = slash + path or b"/"
    scope["path"] = unquote(scope["raw_path"].decode("ascii"))
    scope["headers"][:] = [(n, v) for n, v in scope["headers"] if n != b"host"] + [(b"host", host)]
