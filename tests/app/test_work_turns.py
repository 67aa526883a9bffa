"""app/work_turns.py: few requests are worked on at once, addresses take turns, and a slow reader holds nobody up."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.shares import answering, asking
from app.work_turns import WorkTurns

pytestmark = pytest.mark.anyio


class Work:
    """An application whose answers begin when they are told to, and end then too unless they are read slowly."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_answer: dict[str, asyncio.Event] = {}
        self.turns = WorkTurns(self.answer, 2, lambda scope: scope["path"] == "/at-once")

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"]
        self.begun.append(name)
        await self.may_answer.setdefault(name, asyncio.Event()).wait()
        if name == "fails":
            raise ZeroDivisionError
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(
        self, share: str, name: str, reads: asyncio.Event | None = None, begins: Callable[[], object] | None = None
    ) -> None:
        asking.set(share)
        answering.set(name)

        async def receive() -> Message:
            raise AssertionError(name)

        async def send(message: Message) -> None:
            if begins is not None and message["type"] == "http.response.start":
                begins()
            if reads is not None and message["type"] == "http.response.body":
                await reads.wait()

        await self.turns({"type": "http", "path": name}, receive, send)

    def starts(self, share: str, *names: str) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.ask(share, name)) for name in names]

    async def lets(self, *names: str) -> None:
        for name in names:
            self.may_answer.setdefault(name, asyncio.Event()).set()
            await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def work() -> Work:
    return Work()


async def test_two_are_worked_on_and_addresses_take_turns_behind_them(work: Work) -> None:
    tasks = [*work.starts("a", "a1", "a2", "a3", "a4"), *work.starts("b", "b1")]
    await settle()
    assert work.begun == ["a1", "a2"]
    await work.lets("a2", "a1", "a3", "b1", "a4")
    assert work.begun == ["a1", "a2", "a3", "b1", "a4"]
    await asyncio.gather(*tasks)


async def test_what_needs_no_turn_waits_for_none(work: Work) -> None:
    tasks = [*work.starts("a", "a1", "a2", "a3"), *work.starts("a", "/at-once")]
    await settle()
    assert work.begun == ["a1", "a2", "/at-once"]
    await work.lets("/at-once", "a1", "a2", "a3")
    await asyncio.gather(*tasks)


async def test_a_turn_ends_where_the_answer_begins_however_slowly_it_is_read(work: Work) -> None:
    reads = asyncio.Event()
    slow = [asyncio.create_task(work.ask("slow", f"s{number}", reads)) for number in range(5)]
    await work.lets(*(f"s{number}" for number in range(5)))
    assert len(work.begun) == 5
    await work.lets("b1")
    await asyncio.gather(*work.starts("b", "b1"))
    assert not any(task.done() for task in slow)
    reads.set()
    await asyncio.gather(*slow)


async def test_who_leaves_while_waiting_or_fails_gives_the_turn_on(work: Work) -> None:
    fails, holds, leaves, waits = work.starts("a", "fails", "a1", "a2", "a3")
    await settle()
    leaves.cancel()
    await work.lets("fails")
    with pytest.raises(ZeroDivisionError):
        await fails
    assert work.begun == ["fails", "a1", "a3"]
    await work.lets("a1", "a3")
    await asyncio.gather(holds, waits)
    assert leaves.cancelled()
    tasks = work.starts("a", "b1", "b2", "b3")  # and none is lost
    await settle()
    assert work.begun[3:] == ["b1", "b2"]
    await work.lets("b1", "b2", "b3")
    await asyncio.gather(*tasks)


async def test_who_is_cancelled_in_the_moment_of_his_turn_gives_it_on(work: Work) -> None:
    first = asyncio.create_task(work.ask("a", "a1", begins=lambda: third.cancel()))  # the turn is his, and not noticed
    second, third, fourth = work.starts("a", "a2", "a3", "a4")
    await settle()
    await work.lets("a1", "a2", "a4")
    assert work.begun == ["a1", "a2", "a4"]
    await asyncio.gather(first, second, fourth)
    assert third.cancelled()


async def test_when_all_are_cancelled_at_once_each_ends_so_and_every_turn_is_free_again(work: Work) -> None:
    tasks = work.starts("a", "a1", "a2", "a3", "a4")
    await settle()
    for task in tasks:  # as a server does that has waited long enough for its end
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in ended] == [asyncio.CancelledError] * 4
    others = work.starts("a", "b1", "b2", "b3")
    await settle()
    assert work.begun == ["a1", "a2", "b1", "b2"]
    await work.lets("b1", "b2", "b3")
    await asyncio.gather(*others)
