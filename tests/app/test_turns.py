"""app/turns.py: however many pages are asked for at once, what is no page is answered between them."""

import asyncio

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("page", ["/room", "/votes", "/race", "/inspect?example=own"])
async def test_health_is_told_before_most_of_the_pages_that_were_asked_for_before_it(
    client: httpx.AsyncClient, page: str
) -> None:
    answered: list[str] = []

    async def ask(path: str) -> None:
        answer = await client.get(path)
        assert answer.status_code == 200
        answered.append(path)

    await asyncio.gather(*(ask(page) for _ in range(20)), ask("/healthz"))
    assert answered.index("/healthz") < 5
    assert len(answered) == 21
