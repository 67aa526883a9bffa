"""app/analyses.py and the batches of the engine behind it."""

import asyncio
import copy
import threading
import time
from typing import Any
from weakref import ref

import pytest

from app.analyses import Analyses
from app.calls import LARGEST_TOGETHER, MOST_TOGETHER, NEAR
from app.engine import GATHERING_SECONDS, Engine, EngineBusy
from app.shares import asking
from model.errors import InvalidText
from model.explain.analysis import Analysis, analyze
from model.masks.policies import RIGHT, UNMASKED
from model.network.gpt import GPT
from model.training.recipes import RECIPES

pytestmark = pytest.mark.anyio

REVERSE = RECIPES["reverse"]


def assert_same(ours: Analysis, alone: Analysis) -> None:
    """But for rounding: a batch adds up in another order."""
    assert (ours.tokens, ours.token_ids, ours.prompt_length) == (alone.tokens, alone.token_ids, alone.prompt_length)
    assert (ours.supervised_count, ours.ignored_count) == (alone.supervised_count, alone.ignored_count)
    for one, other in zip(ours.positions, alone.positions, strict=True):
        assert (one.target, one.right_target, one.supervised) == (other.target, other.right_target, other.supervised)
        assert one.loss == pytest.approx(other.loss, rel=1e-4, abs=1e-6)
        assert one.predictions[0].token == other.predictions[0].token
        assert vars(one.gradient) == pytest.approx(vars(other.gradient), rel=1e-3, abs=1e-6)
    for cosines, others in zip(ours.similarity, alone.similarity, strict=True):
        assert cosines == pytest.approx(others, abs=1e-4)


@pytest.mark.parametrize("policy", [RIGHT, UNMASKED])
async def test_words_that_wait_together_are_analysed_each_as_if_alone(
    engine: Engine, gate: Any, trained: GPT, policy: Any
) -> None:
    known = Analyses(engine)
    held = asyncio.create_task(engine.call(gate.wait))
    words = ["hello", "a", "zzzz", "abcdefghij", "live"]
    asked = [asyncio.create_task(known.of(REVERSE, trained, policy, word)) for word in words]
    while engine.load < 1 + len(words):
        await asyncio.sleep(0)
    gate.open()
    for word, analysis in zip(words, await asyncio.gather(*asked), strict=True):
        assert_same(analysis, analyze(REVERSE, trained, policy, word))
    await held


async def test_one_call_computes_what_waits_for_one_thing_up_to_a_limit_and_nearest_in_size(
    engine: Engine, gate: Any
) -> None:
    computed: list[list[int]] = []

    def double(items: list[int]) -> list[int]:
        computed.append(items)
        return [2 * item for item in items]

    held = asyncio.create_task(engine.call(gate.wait))
    sizes = [2, *range(3, 30), 1, 1, *[2] * 16]
    asked = [asyncio.create_task(engine.call_together(double, "sizes", size, size)) for size in sizes]
    other = asyncio.create_task(engine.call_together(double, "others", 100, 1))
    while engine.load < len(sizes) + 2:
        await asyncio.sleep(0)
    gate.open()
    assert await asyncio.gather(*asked, other) == [2 * size for size in (*sizes, 100)]
    first, second, *rest = computed
    assert first == [2] * MOST_TOGETHER
    assert sorted(second) == [2, 3, 4]  # of those that wait, 3 has its turn now
    assert all(max(items) - min(items) <= 2 * NEAR for items in computed)
    assert all(len(items) == 1 or len(items) * max(items) <= LARGEST_TOGETHER for items in rest)
    assert max(map(len, rest)) > 1
    await held
    assert engine.load == 0


async def test_what_comes_within_a_few_turns_of_the_loop_is_computed_together(engine: Engine) -> None:
    computed: list[list[int]] = []

    async def ask(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
            time.sleep(0.001)  # the loop is busy, and the worker could begin
        result: int = await engine.call_together(lambda items: computed.append(items) or items, "group", turns, 1)
        return result

    assert await asyncio.gather(ask(0), ask(1), ask(2)) == [0, 1, 2]
    assert computed == [[0, 1, 2]]


async def test_an_error_of_a_batch_reaches_all_who_are_in_it(engine: Engine) -> None:
    def fail(items: list[int]) -> list[int]:
        raise ZeroDivisionError(len(items))

    results = await asyncio.gather(*(engine.call_together(fail, "a", i, i) for i in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError] * 3
    assert engine.load == 0


async def test_equal_words_are_analysed_once_and_kept(engine: Engine, gate: Any, trained: GPT) -> None:
    known = Analyses(engine)
    held = asyncio.create_task(engine.call(gate.wait))
    asked = [asyncio.create_task(known.of(REVERSE, trained, RIGHT, "hello")) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert engine.load == 2
    gate.open()
    first, *others = await asyncio.gather(*asked)
    assert all(other is first for other in others)
    assert await known.of(REVERSE, trained, RIGHT, "hello") is first
    assert await known.of(REVERSE, trained, UNMASKED, "hello") is not first
    await held


async def test_one_who_leaves_takes_the_answer_from_nobody(engine: Engine, gate: Any, trained: GPT) -> None:
    known = Analyses(engine)
    held = asyncio.create_task(engine.call(gate.wait))
    leaves, stays = (asyncio.create_task(known.of(REVERSE, trained, RIGHT, "hello")) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    gate.open()
    assert (await stays).tokens[0] == "<"
    await held


async def test_only_the_last_ones_are_kept(engine: Engine, trained: GPT) -> None:
    known = Analyses(engine, most=3)
    first = await known.of(REVERSE, trained, RIGHT, "ab")
    for word in ("cd", "ef", "ab", "gh", "ij"):
        await known.of(REVERSE, trained, RIGHT, word)
    assert len(known) == 3
    assert await known.of(REVERSE, trained, RIGHT, "ab") is first


async def test_a_model_that_the_catalog_let_go_stays_for_no_analysis(engine: Engine, trained: GPT) -> None:
    known = Analyses(engine)
    copied = copy.deepcopy(trained)
    model = ref(copied)
    first = await known.of(REVERSE, copied, RIGHT, "hello")
    assert await known.of(REVERSE, copied, RIGHT, "hello") is first
    del copied
    await engine.call(list)  # the worker forgets what it did before
    assert model() is None
    assert len(known) == 1


async def test_a_word_that_cannot_be_read_spoils_no_batch(engine: Engine, trained: GPT) -> None:
    known = Analyses(engine)
    asked = [known.of(REVERSE, trained, RIGHT, word) for word in ("hello", "HELLO!", "live")]
    first, refused, last = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(refused, InvalidText)
    assert (type(first), type(last)) == (Analysis, Analysis)


async def test_calls_wait_for_others_of_their_group_no_longer_than_they_may_in_all(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.GATHERING_TURNS", 10**9)
    loop, passed = asyncio.get_running_loop(), 0.0
    monkeypatch.setattr(loop, "time", lambda: passed)
    asked = [asyncio.create_task(engine.call_together(list, group, group, 1)) for group in range(9)]
    for _ in range(300):
        await asyncio.sleep(0)
    assert not any(task.done() for task in asked), "they wait: no time has passed"
    passed = 2 * GATHERING_SECONDS
    for _ in range(10_000):  # while this clock stands still again
        await asyncio.to_thread(threading.Event().wait, 0.001)
        if all(task.done() for task in asked):
            break
    assert [task.done() and task.result() for task in asked] == list(range(9))


async def test_an_analysis_that_got_no_place_is_not_remembered(gate: Any, trained: GPT) -> None:
    engine = Engine(queue_size=1, timeout_seconds=30)
    known = Analyses(engine)
    held = asyncio.create_task(engine.call(gate.wait))
    await asyncio.sleep(0)
    with pytest.raises(EngineBusy):
        await known.of(REVERSE, trained, RIGHT, "hello")
    gate.open()
    await held
    assert (await known.of(REVERSE, trained, RIGHT, "hello")).prompt_length == 7
    engine.close()


async def test_who_asks_for_the_word_of_a_greedy_address_gets_none_of_its_refusals(gate: Any, trained: GPT) -> None:
    engine = Engine(queue_size=3, timeout_seconds=60)
    known = Analyses(engine)
    asked: list[asyncio.Task[Any]] = []
    for address, word in (("greedy", "a"), ("greedy", "b"), ("greedy", "hello"), ("other", "hello")):
        asking.set(address)
        first = engine.call(gate.wait) if not asked else known.of(REVERSE, trained, RIGHT, word)
        asked.append(asyncio.create_task(first))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    gate.open()
    *_, refused, told = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(refused, EngineBusy)
    assert told.tokens[0] == "<"  # type: ignore[union-attr]
    engine.close()
