"""A running server under hostile templates: each ends with its own error while a second visitor works."""

import asyncio
import json

import httpx
import pytest

from tests.app.hostile import GOOD, HOSTILE, ROWS

pytestmark = pytest.mark.anyio


async def paste(client: httpx.AsyncClient, template: str) -> httpx.Response:
    fields = {"rows": json.dumps(ROWS[0]), "template": "pasted", "template_text": template}
    return await client.post("/inspect", files={name: (None, value) for name, value in fields.items()})


async def test_each_hostile_template_ends_with_its_own_error_while_a_second_visitor_is_answered(
    live_server: str,
) -> None:
    answered = 0
    async with (
        httpx.AsyncClient(base_url=live_server, timeout=60) as hostile,
        httpx.AsyncClient(base_url=live_server, timeout=60) as visitor,
    ):
        await asyncio.gather(paste(hostile, GOOD), paste(visitor, GOOD))  # both processes have started
        for name, (template, says) in HOSTILE.items():
            asked = asyncio.create_task(paste(hostile, template))
            page, report = await asyncio.gather(
                visitor.get("/inspect?example=right"), visitor.post("/api/v1/inspect", json={"rows": ROWS})
            )
            answered += not asked.done()
            assert (page.status_code, report.status_code) == (200, 200), name
            assert "No error and no warning" in page.text
            assert report.json()["findings"] == []
            refused = await asked
            known = (422, says) if len(template) < 10_000_000 else (413, "too large")
            assert (refused.status_code, known[1] in refused.text) == (known[0], True), (name, refused.text[-3000:])
            after = await paste(hostile, GOOD)
            assert after.status_code == 200, name
            assert "There are no tokens to show" not in after.text
    assert answered, "the visitor was answered while a template ran"
