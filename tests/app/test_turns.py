"""app/turns.py: however many pages are asked for at once, what is no page is answered between them."""

import asyncio
from itertools import pairwise

import httpx
import pytest

from app.shares import answering, asking
from app.turns import Turns

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


async def test_a_visitor_s_page_waits_for_one_of_an_address_that_has_asked_for_many() -> None:
    turns = Turns()
    drawn: list[str] = []

    async def draw(address: str, name: str) -> None:
        asking.set(address)
        answering.set(name)
        await turns.take()
        drawn.append(name)

    pages = [asyncio.create_task(draw("greedy", f"greedy {number}")) for number in range(5)]
    pages[2].cancel()
    pages.append(asyncio.create_task(draw("visitor", "visitor")))
    await asyncio.sleep(0)
    pages[3].cancel()
    await asyncio.gather(*pages, return_exceptions=True)
    assert drawn == ["greedy 0", "greedy 1", "visitor", "greedy 4"]
    await asyncio.wait_for(draw("greedy", "once more"), 60)


async def test_those_who_wait_for_one_answer_draw_one_by_one_and_others_come_between() -> None:
    turns = Turns()
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    happened: list[str] = []

    async def draw() -> None:
        happened.append(await turns.after(answer))

    pages = [asyncio.create_task(draw()) for _ in range(5)]
    await asyncio.sleep(0)
    answer.set_result("drawn")
    while happened.count("drawn") < 5:
        await asyncio.sleep(0)
        happened.append("else")
    assert ("drawn", "drawn") not in pairwise(happened)
    await asyncio.gather(*pages)
