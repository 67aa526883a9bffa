"""/healthz, /readyz and /metrics: what whoever watches the server is told."""

import re
from typing import Any

import anyio
import httpx
import pytest

from app.settings import Settings
from model.experiments.shipped import SHIPPED_RUNS

pytestmark = pytest.mark.anyio


async def test_a_server_whose_models_are_in_memory_is_up_and_ready(client: httpx.AsyncClient) -> None:
    models = sum(
        len(list((Settings().trained_folder / slug / policy).glob("*.safetensors"))) for slug, policy in SHIPPED_RUNS
    )
    up, ready = await client.get("/healthz"), await client.get("/readyz")
    assert (up.status_code, up.text) == (200, "up\n")
    assert (ready.status_code, ready.text) == (200, f"{models} models of {len(SHIPPED_RUNS)} runs in memory\n")


async def test_a_server_whose_worker_has_ended_says_so_and_refuses_work(
    start_app: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"recipe": "reverse", "prompt": "hello", "policy": "unmasked"}
    async with start_app(queue_timeout_seconds=0.5) as app, connect(app) as client:
        with pytest.raises(Exception, match=r"worker has ended|no answer"):
            await app.state.engine.call(_exit)
        with anyio.fail_after(60):
            while app.state.engine.alive:
                await anyio.lowlevel.checkpoint()
        ready = await client.get("/readyz")
        refused = await client.post("/api/v1/analyze", json=body)
        stream = await client.post("/api/v1/generate", json=body | {"stream": True})
        page = await client.get("/")
        up = await client.get("/healthz")
    assert (ready.status_code, ready.text) == (503, "The model worker has ended\n")
    for response in (refused, stream, page):
        assert response.status_code == 503
        assert "The model worker has ended; the server must be restarted" in response.text
    assert refused.json()["error"]["code"] == "stopped"
    assert up.status_code == 200
    assert "the model worker ended by an error" in caplog.text


async def test_requests_are_counted_under_their_route_and_never_under_what_was_sent(
    start_app: Any, connect: Any
) -> None:
    body = {"recipe": "reverse", "prompt": "hello", "policy": "unmasked"}
    async with start_app() as app, connect(app) as client:
        for _ in range(3):
            await client.post("/api/v1/analyze", json=body)
        await client.post("/api/v1/analyze", json={})
        await client.get("/")
        await client.get("/nope-made-up")
        await client.request("BREW", "/made-up")
        await client.get("/", headers={"host": "evil.example"})
        text = (await client.get("/metrics")).text
    counts = dict(re.findall(r"^maskscope_requests_total(\{.*\}) (\S+)$", text, re.M))
    assert counts['{method="POST",route="/api/v1/analyze",status="200"}'] == "3.0"
    assert counts['{method="POST",route="/api/v1/analyze",status="422"}'] == "1.0"
    assert counts['{method="GET",route="/",status="200"}'] == "1.0"
    assert counts['{method="GET",route="other",status="404"}'] == "1.0"
    assert counts['{method="other",route="other",status="404"}'] == "1.0"
    assert counts['{method="GET",route="other",status="400"}'] == "1.0"
    assert "made-up" not in text
    assert "BREW" not in text


async def test_the_load_counts_what_waits_and_runs(start_app: Any, connect: Any, gate: Any) -> None:
    async with start_app() as app, connect(app) as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(app.state.engine.call, gate.wait)
            await anyio.wait_all_tasks_blocked()
            assert "maskscope_engine_load 3.0" in (await client.get("/metrics")).text
            gate.open(3)
        assert "maskscope_engine_load 0.0" in (await client.get("/metrics")).text


async def test_the_metrics_are_in_prometheus_text_format(client: httpx.AsyncClient) -> None:
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    for line in response.text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) maskscope_\w+ .+|maskscope_\w+(\{.*\})? [0-9.e+-]+", line), line


def _exit() -> None:
    raise SystemExit
