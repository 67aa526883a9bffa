"""`maskscope serve`: the process of the server. In: settings and the application. Out: nothing; a signal ends it.

As many connections are taken as there are descriptors for: what is without a place is refused before `accept` fails.
Should it fail all the same, that is said once a minute.
"""

import asyncio
import logging
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from app.forwarding import FromWorkers
from app.serving.connections import Connections
from app.serving.protocol import DeadlineProtocol, ServingConfig
from app.settings import Settings
from app.workers.log_writer import ServerLog
from app.workers.servers import listen

RESERVED_DESCRIPTORS = 160
"""For files, workers' pipes and sockets, and connections that are being refused or closed."""
REPEATED_SECONDS = 60.0
SEND_BUFFER_BYTES = 131_072
"""Of the kernel, per connection; by itself it would keep up to 4 MB for a reader that has stalled."""
OUT_OF_DESCRIPTORS = "socket.accept() out of system resource"
"""asyncio's words."""
log = logging.getLogger(__name__)


def serve(application: FastAPI, settings: Settings, keeper: Path | None = None) -> None:
    """Until a signal ends it. Exits with uvicorn's code if it cannot start.

    `keeper`: where this process listens for the others, if it keeps races and votes for them.
    """
    wanted = RESERVED_DESCRIPTORS + settings.max_connections * _each(settings)
    places = places_within(_descriptors(wanted), settings)
    config = ServingConfig(
        application,
        settings,
        Connections(places, settings.max_connections_per_address),
        host=settings.host,
        port=settings.port,
        lifespan="on",
        timeout_graceful_shutdown=settings.shutdown_timeout_seconds,
        log_config=None,
    )
    server = Server(config, application, keeper)
    listening = [listen(settings.host, settings.port)] if settings.shares_port else None
    with suppress(KeyboardInterrupt):  # uvicorn has ended in order, and raises the signal once more
        server.run(listening)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def places_within(descriptors: int, settings: Settings) -> int:
    """How many connections these are enough for; no more than the settings want."""
    return max(1, min(settings.max_connections, (descriptors - RESERVED_DESCRIPTORS) // _each(settings)))


def _each(settings: Settings) -> int:
    """Descriptors of a connection: where one process keeps races, each may need one more from or to another process."""
    return 1 if settings.keeper_folder is None and settings.keeper_address is None else 2


def _descriptors(wanted: int) -> int:
    """As many as this process may have, after asking for enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


class Server(uvicorn.Server):
    """uvicorn's, that tells streams of the end before it waits for them."""

    def __init__(self, config: ServingConfig, application: FastAPI, keeper: Path | None):
        super().__init__(config)
        self._places = config.connections
        self._keeper = keeper
        self._application = application
        self._said = -REPEATED_SECONDS

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """All that uvicorn does, and a terminal that closes (SIGHUP) ends it in order too, unless `nohup` forbids it.

        With a log that holds nobody up: written before the signal is raised once more.
        """
        with super().capture_signals():
            written, hangup = ServerLog(), signal.getsignal(signal.SIGHUP)
            if hangup != signal.SIG_IGN:
                signal.signal(signal.SIGHUP, self.handle_exit)
            try:
                yield
            finally:
                signal.signal(signal.SIGHUP, hangup)
                written.close()

    async def startup(self, sockets: Any = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._handle)
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if self._keeper is not None and self.started:
            self.servers.append(await self._listen_for_workers(self._keeper))

    async def _listen_for_workers(self, path: Path) -> asyncio.Server:
        """At a Unix socket: places are for visitors' addresses, and those have been given by the worker."""
        settings = self._application.state.settings
        places = self._places.places  # as many again; all are of one address, which may have half of its table
        connections = Connections(2 * places, places)
        config = ServingConfig(FromWorkers(self._application), settings, connections, log_config=None)
        config.load()

        def protocol() -> DeadlineProtocol:
            connection = DeadlineProtocol(config, self.server_state, self.lifespan.state)
            connection.access_log = False  # whoever forwards a request has it in the log
            return connection

        return await asyncio.get_running_loop().create_unix_server(protocol, path, backlog=config.backlog)

    async def shutdown(self, sockets: Any = None) -> None:
        """Followers and streams get their last event now; uvicorn waits for their connections, and then cuts off."""
        self._application.state.races.stop_all()
        self._application.state.engine.end_generations()
        await super().shutdown(sockets)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """asyncio tries to accept thousands of times a second while there is no descriptor, and logs each time."""
        if context.get("message") != OUT_OF_DESCRIPTORS:
            loop.default_exception_handler(context)
        elif loop.time() - self._said >= REPEATED_SECONDS:
            self._said = loop.time()
            log.error("no descriptor is left for a new connection; it waits. Raise the limit (ulimit -n)")
