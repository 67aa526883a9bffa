"""What /metrics counts. One registry per application, and a middleware that feeds it. Knows no route by name."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.engine import Engine
from app.races.sessions import Races


class Metrics:
    """Counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["method", "route"]
        self.requests = Counter("maskscope_requests", "Requests answered", [*labels, "status"], registry=self.registry)
        self.seconds = Histogram(
            "maskscope_request_seconds", "Time to the last byte of an answer", labels, registry=self.registry
        )
        self.load = Gauge(
            "maskscope_engine_load", "Model calls and generations waiting or running", registry=self.registry
        )

        self.races = Gauge("maskscope_races", "Live races", ["state"], registry=self.registry)

    def follow(self, engine: Engine, races: Races) -> None:
        """Read the engine's load and the number of races whenever the metrics are read."""
        self.load.set_function(lambda: engine.load)
        self.races.labels("running").set_function(lambda: len(races.running()))
        self.races.labels("waiting").set_function(lambda: len(races.waiting()))


class MetricsMiddleware:
    """Counts and times every request under its route's pattern, never under the address it was sent to."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 499

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE") else "other"
            self.metrics.requests.labels(method, route, status).inc()
            self.metrics.seconds.labels(method, route).observe(time.perf_counter() - started)
