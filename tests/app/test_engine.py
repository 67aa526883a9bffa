"""app/engine.py: one worker, many callers. A gate holds the worker still wherever the order of things matters."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from app.catalog import Catalog
from app.engine import Engine, EngineBusy, EngineFailed, EngineStopped
from app.shares import asking
from model.network.decoder import Decoder
from model.network.generation import generate, new_token_cap
from model.network.gpt import GPT
from model.training.conversations import prompt_ids
from model.training.recipes import RECIPES

pytestmark = pytest.mark.anyio

REVERSE = RECIPES["reverse"]
STOP = REVERSE.tokenizer.end_of_turn_id


@pytest.fixture(scope="session")
def untrained(catalog: Catalog) -> GPT:
    """Never stops: its answers are as long as they may be."""
    return catalog.model(REVERSE, "unmasked", 0)[0]


def start(engine: Engine, model: GPT, word: str, max_new_tokens: int | None = None) -> AsyncIterator[Any]:
    ids = prompt_ids(REVERSE, word)
    cap = new_token_cap(model, len(ids), max_new_tokens)
    return one_by_one(engine.generate(model, ids, stop_id=STOP, max_new_tokens=cap))


async def one_by_one(pieces: AsyncIterator[list[Any]]) -> AsyncIterator[Any]:
    async for piece in pieces:
        for token in piece:
            yield token


async def text_of(tokens: AsyncIterator[Any]) -> str:
    return REVERSE.tokenizer.decode([token.token_id async for token in tokens])


def answer_of(model: GPT, word: str) -> str:
    (completion,) = generate(model, [prompt_ids(REVERSE, word)], stop_id=STOP)
    return REVERSE.tokenizer.decode(completion.token_ids)


async def wait_for_load(engine: Engine, load: int) -> None:
    with anyio.fail_after(60):
        while engine.load != load:
            await anyio.lowlevel.checkpoint()


# Calls


async def test_a_call_returns_what_the_function_does(engine: Engine) -> None:
    assert await engine.call(lambda: 6 * 7) == 42
    await wait_for_load(engine, 0)


async def test_calls_keep_their_order(engine: Engine, gate: Any) -> None:
    order: list[int] = []
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        for number in range(10):
            tasks.start_soon(engine.call, lambda number=number: order.append(number))
        await anyio.wait_all_tasks_blocked()
        gate.open()
    assert order == list(range(10))


async def test_a_visitor_waits_for_one_call_of_an_address_that_has_brought_many(engine: Engine, gate: Any) -> None:
    order: list[str] = []
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        for address, number in (*(("greedy", number) for number in range(10)), ("visitor", 0), ("visitor", 1)):
            asking.set(address)
            tasks.start_soon(engine.call, lambda name=f"{address} {number}": order.append(name))
        await anyio.wait_all_tasks_blocked()
        gate.open()
    assert order[:4] == ["greedy 0", "visitor 0", "greedy 1", "visitor 1"]
    assert order[4:] == [f"greedy {number}" for number in range(2, 10)]


async def test_a_full_queue_makes_room_for_a_visitor_by_the_last_call_of_whoever_has_most(gate: Any) -> None:
    engine = Engine(queue_size=5, timeout_seconds=30)
    told: list[str] = []

    async def ask(name: str) -> None:
        try:
            told.append(await engine.call(lambda: name))
        except EngineBusy:
            told.append(f"{name} is busy")

    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        asking.set("greedy")
        for number in range(5):
            tasks.start_soon(ask, f"greedy {number}")
        asking.set("visitor")
        tasks.start_soon(ask, "visitor")
        with anyio.fail_after(60):
            while len(told) < 2:
                await anyio.lowlevel.checkpoint()
        assert told == ["greedy 4 is busy", "greedy 3 is busy"]
        assert engine.load == 5
        gate.open()
    assert told[2:] == ["greedy 0", "visitor", "greedy 1", "greedy 2"]
    engine.close()


async def test_whoever_has_most_gives_way_whatever_he_waits_for(gate: Any, trained: GPT) -> None:
    engine = Engine(queue_size=7, timeout_seconds=30)
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        asking.set("greedy")
        streams = [start(engine, trained, "hello") for _ in range(4)]
        asking.set("modest")
        for _ in range(2):
            tasks.start_soon(engine.call, int)
        await anyio.wait_all_tasks_blocked()
        asking.set("visitor")
        visitor = start(engine, trained, "hello")
        with pytest.raises(EngineBusy, match="All 7 places are taken"):
            await text_of(streams.pop())
        gate.open()
        assert [await text_of(stream) for stream in (*streams, visitor)] == ["olleh#"] * 4
    engine.close()


@pytest.mark.parametrize(
    "error", [ValueError("no"), EngineBusy("theirs"), ZeroDivisionError(), KeyError("k")], ids=repr
)
async def test_what_the_function_raises_reaches_its_caller_as_it_is(engine: Engine, error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await engine.call(fail)
    assert caught.value is error
    assert await engine.call(lambda: "still working") == "still working"
    await wait_for_load(engine, 0)


async def test_a_call_that_has_been_answered_takes_no_place(trained: GPT) -> None:
    engine = Engine(queue_size=1, timeout_seconds=30)
    for number in range(300):
        assert await engine.call(lambda number=number: number) == number
        assert await text_of(start(engine, trained, "a", max_new_tokens=1)) == "a"
    engine.close()


async def test_calls_run_outside_of_the_event_loop(engine: Engine, gate: Any) -> None:
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        assert engine.load == 1  # this line runs although the worker is held
        gate.open()
    await wait_for_load(engine, 0)


# Tokens


@pytest.mark.parametrize("policy", ["prompt-masked", "unmasked"])
@pytest.mark.parametrize("step", [0, 500, 3000])
async def test_tokens_are_those_of_generate(engine: Engine, catalog: Catalog, policy: str, step: int) -> None:
    model, _ = catalog.model(REVERSE, policy, step)
    ids = prompt_ids(REVERSE, "hello")
    (expected,) = generate(model, [ids], stop_id=STOP)
    tokens = [token async for token in start(engine, model, "hello")]
    assert tuple(token.token_id for token in tokens) == expected.token_ids
    assert [token.probability for token in tokens] == pytest.approx(expected.probabilities, rel=1e-5)
    assert [token.finish_reason for token in tokens] == [None] * (len(tokens) - 1) + [expected.finish_reason]
    await wait_for_load(engine, 0)


async def test_rows_that_wait_together_are_answered_each_as_if_alone(
    engine: Engine, gate: Any, trained: GPT, untrained: GPT
) -> None:
    asked = [(model, word) for model in (trained, untrained) for word in ("a", "hello", "abcdefghij", "zz", "hello")]
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        streams = [start(engine, model, word) for model, word in asked]
        assert engine.load == 11
        gate.open()
        assert [await text_of(stream) for stream in streams] == [answer_of(model, word) for model, word in asked]
    await wait_for_load(engine, 0)


async def test_twenty_visitors_at_once_are_all_answered_right(engine: Engine, trained: GPT) -> None:
    words = ["".join("abcdefghij"[(start + i) % 10] for i in range(1 + start % 10)) for start in range(20)]
    answers: dict[int, str] = {}

    async def visit(number: int) -> None:
        answers[number] = await text_of(start(engine, trained, words[number]))

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(visit, number)
    assert answers == {number: answer_of(trained, word) for number, word in enumerate(words)}
    await wait_for_load(engine, 0)


async def test_a_second_visitor_does_not_wait_for_the_end_of_the_first_one_s_text(
    engine: Engine, gate: Any, untrained: GPT
) -> None:
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        for _ in range(9):  # the worker decodes one token of each stream between two of these
            tasks.start_soon(engine.call, gate.wait)
        await anyio.wait_all_tasks_blocked()
        first = start(engine, untrained, "hello", max_new_tokens=20)
        gate.open(3)
        first_tokens = [await anext(first)]
        second = start(engine, untrained, "abc", max_new_tokens=2)
        gate.open(4)
        assert len(await text_of(second)) == 2
        await wait_for_load(engine, 1 + 3)  # the first text is not at its end, and three calls are at the gate
        gate.open(3)
        first_tokens += [token async for token in first]
    assert REVERSE.tokenizer.decode([token.token_id for token in first_tokens]) == answer_of(untrained, "hello")[:20]


async def test_calls_are_answered_while_a_text_is_decoded(engine: Engine, gate: Any, untrained: GPT) -> None:
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        stream = start(engine, untrained, "hello", max_new_tokens=20)
        answered = anyio.Event()
        tasks.start_soon(_set_when_done, answered, engine.call(lambda: None))
        tasks.start_soon(engine.call, gate.wait)
        await anyio.wait_all_tasks_blocked()
        gate.open()
        with anyio.fail_after(60):
            await answered.wait()
        await wait_for_load(engine, 2)  # the text, of which two tokens are decoded, and the call at the gate
        gate.open()
    assert len(await text_of(stream)) == 20


async def test_tokens_that_came_meanwhile_come_together_and_in_order(engine: Engine, gate: Any, trained: GPT) -> None:
    ids = prompt_ids(REVERSE, "hello")
    slow, other = (engine.generate(trained, ids, stop_id=STOP, max_new_tokens=20) for _ in range(2))
    assert await text_of(one_by_one(other)) == "olleh#"  # decoded with the slow reader's, who has read nothing
    (piece,) = [piece async for piece in slow]
    assert REVERSE.tokenizer.decode([token.token_id for token in piece]) == "olleh#"
    assert [token.finish_reason for token in piece] == [*[None] * 5, "stop"]


async def test_a_failure_while_decoding_reaches_every_reader_of_the_batch(engine: Engine, trained: GPT) -> None:
    too_long = engine.generate(trained, prompt_ids(REVERSE, "hello"), stop_id=STOP, max_new_tokens=27)
    with pytest.raises(ValueError, match="1 to 26"):
        await anext(too_long)
    assert await text_of(start(engine, trained, "hello")) == "olleh#"
    await wait_for_load(engine, 0)


async def test_an_unforeseen_failure_while_decoding_is_told_as_one(
    engine: Engine, trained: GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter([Decoder.step])

    def fails(*given: Any) -> Any:
        for step in steps:
            return step(*given)
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(Decoder, "step", fails)
    stream = start(engine, trained, "hello")
    await anext(stream)
    with pytest.raises(EngineFailed, match="the server's log has it"):
        await anext(stream)
    await wait_for_load(engine, 0)


# Refusals


async def test_a_full_queue_refuses_at_once_and_has_room_again_afterwards(gate: Any, trained: GPT) -> None:
    engine = Engine(queue_size=2, timeout_seconds=30)
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        stream = start(engine, trained, "hello")
        with pytest.raises(EngineBusy, match="All 2 places are taken; try again"):
            await engine.call(lambda: None)
        with pytest.raises(EngineBusy, match="All 2 places are taken; try again"):
            start(engine, trained, "hello")
        assert engine.load == 2
        gate.open()
        assert await text_of(stream) == "olleh#"
    await wait_for_load(engine, 0)
    assert await engine.call(lambda: 1) == 1
    engine.close()


async def test_a_call_that_takes_too_long_is_given_up_and_leaves_no_load(gate: Any, trained: GPT) -> None:
    engine = Engine(queue_size=8, timeout_seconds=0.05)
    ran: list[str] = []
    stream = None
    with pytest.raises(EngineBusy, match=r"No answer within 0\.05 s"):
        await engine.call(gate.wait)
    with pytest.raises(EngineBusy, match=r"No answer within 0\.05 s"):
        await engine.call(lambda: ran.append("given up"))
    stream = start(engine, trained, "hello")
    with pytest.raises(EngineBusy, match=r"No answer within 0\.05 s"):
        await anext(stream)
    assert engine.load == 3
    gate.open()
    await wait_for_load(engine, 0)
    assert ran == []
    assert engine.alive
    engine.close()


async def test_a_cancelled_call_is_never_run_and_leaves_no_load(engine: Engine, gate: Any) -> None:
    ran: list[str] = []
    async with anyio.create_task_group() as outer:
        await gate.hold(engine, outer)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.call, lambda: ran.append("cancelled"))
            await anyio.wait_all_tasks_blocked()
            assert engine.load == 2
            tasks.cancel_scope.cancel()
        gate.open()
    await wait_for_load(engine, 0)
    assert ran == []


async def test_a_call_cancelled_while_it_runs_leaves_no_load(engine: Engine, gate: Any) -> None:
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        tasks.cancel_scope.cancel()
    assert engine.load == 1
    gate.open()
    await wait_for_load(engine, 0)
    assert await engine.call(lambda: "next") == "next"


async def test_a_stream_left_in_its_middle_leaves_no_load(engine: Engine, gate: Any, untrained: GPT) -> None:
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        never_read = start(engine, untrained, "abc")
        async with aclosing(start(engine, untrained, "hello")) as left:  # type: ignore[type-var]
            gate.open()
            await anext(left)
    await wait_for_load(engine, 0)
    del never_read


# The end


async def test_close_tells_all_who_wait_and_returns_when_the_worker_has_ended(gate: Any, trained: GPT) -> None:
    engine = Engine(queue_size=8, timeout_seconds=30)
    outcomes: dict[str, object] = {}

    async def note(name: str, call: Any) -> None:
        try:
            outcomes[name] = await call
        except EngineStopped as error:
            outcomes[name] = error

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(note, "running", engine.call(lambda: gate.wait() or "done"))
        await gate.reached()
        tasks.start_soon(note, "waiting call", engine.call(lambda: "never"))
        tasks.start_soon(note, "waiting text", text_of(start(engine, trained, "hello")))
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(anyio.to_thread.run_sync, engine.close)
        with anyio.fail_after(60):
            while engine.alive:
                await anyio.lowlevel.checkpoint()
        gate.open()
    assert outcomes["running"] == "done"
    assert isinstance(outcomes["waiting call"], EngineStopped)
    assert isinstance(outcomes["waiting text"], EngineStopped)


async def test_a_text_in_its_middle_is_told_of_the_end(gate: Any, untrained: GPT) -> None:
    engine = Engine(queue_size=8, timeout_seconds=30)
    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        for _ in range(2):  # between these the worker decodes the first token
            tasks.start_soon(engine.call, gate.wait)
        await anyio.wait_all_tasks_blocked()
        stream = start(engine, untrained, "hello")
        gate.open(2)
        await anext(stream)
        tasks.start_soon(anyio.to_thread.run_sync, engine.close)
        with anyio.fail_after(60):
            while engine.alive:
                await anyio.lowlevel.checkpoint()
        gate.open()
        with pytest.raises(EngineStopped, match="The model worker has ended"):
            await text_of(stream)


async def test_a_closed_engine_refuses_and_can_be_closed_again(trained: GPT) -> None:
    engine = Engine(queue_size=8, timeout_seconds=30)
    engine.close()
    engine.close()
    assert not engine.alive
    with pytest.raises(EngineStopped, match="the server must be restarted"):
        await engine.call(lambda: None)
    with pytest.raises(EngineStopped, match="the server must be restarted"):
        start(engine, trained, "hello")


async def test_a_worker_that_dies_tells_all_who_wait_on_it(
    gate: Any, untrained: GPT, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine(queue_size=8, timeout_seconds=30)
    stopped: list[str] = []

    async def expect_the_end(name: str, call: Any) -> None:
        with pytest.raises(EngineStopped):
            await call
        stopped.append(name)

    async with anyio.create_task_group() as tasks:
        await gate.hold(engine, tasks)
        tasks.start_soon(_swallow, engine.call(_exit))
        tasks.start_soon(expect_the_end, "call behind it", engine.call(lambda: None))
        tasks.start_soon(expect_the_end, "text", text_of(start(engine, untrained, "hello")))
        await anyio.wait_all_tasks_blocked()
        gate.open()
        with anyio.fail_after(60):
            while len(stopped) < 2:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert not engine.alive
    assert "the model worker ended by an error" in caplog.text


async def test_the_call_that_kills_the_worker_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(queue_size=8, timeout_seconds=60)
    with pytest.raises(EngineStopped):
        await engine.call(_exit)
    engine.close()  # returns when the worker has ended
    assert "the model worker ended by an error" in caplog.text


async def _set_when_done(done: anyio.Event, call: Any) -> None:
    await call
    done.set()


async def _swallow(call: Any) -> None:
    with pytest.raises((EngineStopped, EngineBusy)):
        await call


def _exit() -> None:
    raise SystemExit
