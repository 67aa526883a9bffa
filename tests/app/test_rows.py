"""Post: what rows are given reaches their queues in order, and the loop is woken once for all that comes meanwhile."""

import asyncio
from collections.abc import Callable

from app.rows import NewToken, Post, Row
from model.network.gpt import GPT


def row(model: GPT) -> Row:
    return Row(model, (1, 2), 0, 3, asyncio.Queue())


def test_a_busy_loop_is_woken_once_and_finds_all_in_order(trained: GPT) -> None:
    wakings: list[Callable[[], None]] = []
    post, first, second = Post(wakings.append), row(trained), row(trained)
    tokens = [NewToken(number, 0.5, None) for number in range(3)]
    post.send([(first, tokens[0]), (second, tokens[1])])
    post.send([(first, tokens[2])])
    (wake,) = wakings
    assert first.tokens.empty()
    wake()
    assert [first.tokens.get_nowait() for _ in range(2)] == [tokens[0], tokens[2]]
    assert second.tokens.get_nowait() == tokens[1]


def test_what_comes_after_the_loop_has_looked_wakes_it_again(trained: GPT) -> None:
    wakings: list[Callable[[], None]] = []
    post, reader = Post(wakings.append), row(trained)
    for count in (1, 2):
        post.send([(reader, NewToken(count, 0.5, None))])
        assert len(wakings) == count
        wakings[-1]()
    assert reader.tokens.qsize() == 2
