"""app/rows.py: rows go by model and in turn; what they are given reaches their queues in order, in few wakings."""

import asyncio
from collections.abc import Callable
from copy import deepcopy

from app.rows import MOST_ROWS, NewToken, Post, Row, WaitingRows
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


def test_rows_of_one_model_are_taken_together_each_address_s_first_before_any_second(
    trained: GPT,
) -> None:
    waiting, crowd, other = WaitingRows(), [row(trained) for _ in range(MOST_ROWS)], row(deepcopy(trained))
    for item in crowd:
        waiting.append(item, "crowd", item)
    waiting.append(other, "other", other)
    late = row(trained)
    waiting.append(late, "late", late)
    first = waiting.take_together()
    assert first == [crowd[0], late, *crowd[1 : MOST_ROWS - 1]]
    assert waiting.take_together() == [other]
    assert waiting.take_together() == crowd[MOST_ROWS - 1 :]
    assert waiting.take_together() == []
