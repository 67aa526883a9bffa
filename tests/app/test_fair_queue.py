"""app/fair_queue.py: whoever brings much waits for it himself; what is alone in the queue goes as it came."""

from random import Random

import pytest

from app.fair_queue import FairQueue


def filled(*items: str) -> FairQueue[str]:
    """`a1x` is an item of address a and its request 1."""
    queue: FairQueue[str] = FairQueue()
    for item in items:
        queue.append(item, item[0], item[:2])
    return queue


def order(queue: FairQueue[str]) -> list[str]:
    return [queue.take() for _ in range(len(queue))]


@pytest.mark.parametrize(
    ("came", "go"),
    [
        ("", ""),
        ("a1x a1y a1z", "a1x a1y a1z"),
        ("a1x a1y a1z b1x", "a1x b1x a1y a1z"),
        ("a1x a1y a2x a2y", "a1x a2x a1y a2y"),
        ("a1x a1y a2x b1x b1y", "a1x b1x a2x b1y a1y"),
        ("a1x a2x a3x b1x c1x", "a1x b1x c1x a2x a3x"),
    ],
)
def test_addresses_take_turns_and_so_do_the_requests_of_one(came: str, go: str) -> None:
    assert order(filled(*came.split())) == go.split()


def test_who_comes_last_waits_for_one_item_of_each_other_at_most() -> None:
    queue = filled(*(f"a{n}x" for n in range(9)), *(f"b{n}x" for n in range(9)))
    queue.take()
    queue.append("c0x", "c", "c0")
    assert order(queue).index("c0x") == 2


def test_who_comes_back_at_once_gets_no_more_turns_than_who_waits() -> None:
    queue = filled("a0x", *(f"b{n}x" for n in range(4)))
    gone = []
    for number in range(1, 5):
        gone.append(queue.take())
        if gone[-1][0] == "a":
            queue.append(f"a{number}x", "a", f"a{number}")
    assert [item[0] for item in gone] == ["a", "b", "a", "b"]


def test_what_goes_with_another_s_turn_leaves_the_turns_as_they_are() -> None:
    queue = filled("a1x", "a1y", "b1x", "b1y", "c1x")
    assert queue.take() == "a1x"
    queue.remove(("b1x", "c1x"))
    assert list(queue) == ["a1y", "b1y"]
    assert order(queue) == ["b1y", "a1y"]


def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    random, queue, waiting = Random(0), filled(), set[str]()
    for number in range(2000):
        if random.random() < 0.55 or not waiting:
            item = f"{random.choice('abc')}{random.randrange(3)}-{number}"
            queue.append(item, item[0], item[:2])
            waiting.add(item)
        elif random.random() < 0.7:
            waiting.remove(queue.take())
        else:
            some = random.sample(sorted(waiting), k=min(3, len(waiting)))
            queue.remove(some)
            waiting -= set(some)
        assert len(queue) == len(waiting) == queue.held.total()
    assert set(queue) == waiting == set(order(queue))


def test_the_last_of_a_share_is_what_came_last_of_it() -> None:
    queue = filled("a1x", "b1x", "a2x", "a1y", "b2x")
    assert [queue.take_last(share) for share in "aabc"] == ["a1y", "a2x", "b2x", None]
    assert order(queue) == ["a1x", "b1x"]


def test_of_nothing_there_is_nothing_to_take() -> None:
    with pytest.raises(IndexError):
        filled().take()


def test_in_turn_is_the_order_in_which_all_would_be_taken_and_takes_none() -> None:
    queue = filled("a1x", "a1y", "a2x", "b1x", "b1y", "c1x")
    told = list(queue.in_turn())
    assert len(queue) == 6
    assert told == ["a1x", "b1x", "c1x", "a2x", "b1y", "a1y"]
    assert order(queue) == told


def test_those_who_are_taken_together_have_all_had_their_turn() -> None:
    queue = filled("a1x", "a1y", "b1x", "b1y", "c1x", "d1x")
    queue.take_all(("a1x", "b1x", "d1x"))
    assert order(queue) == ["c1x", "a1y", "b1y"]
