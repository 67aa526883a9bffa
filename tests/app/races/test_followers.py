"""app/races/followers.py: who finds a place among those who follow, and who is let go."""

import pytest

from app.races.followers import Follower, Followers, FollowersBusy


def admit(followers: Followers, share: str, count: int, woken: list[str]) -> list[Follower]:
    return [followers.admit(share, lambda: woken.append(share)) for _ in range(count)]


def test_an_address_that_follows_less_gets_the_oldest_place_of_the_one_that_follows_most() -> None:
    followers, woken = Followers(4, 4), list[str]()
    many, few = admit(followers, "many", 3, woken), admit(followers, "few", 1, woken)
    admit(followers, "new", 1, woken)
    assert [f.let_go for f in many + few] == [True, False, False, False]
    assert woken == ["many"]
    assert len(followers) == 4


def test_addresses_that_follow_as_much_as_each_other_do_not_chase_each_other_away() -> None:
    followers, woken = Followers(4, 4), list[str]()
    admit(followers, "a", 2, woken)
    admit(followers, "b", 2, woken)
    for share in ("a", "b"):
        with pytest.raises(FollowersBusy, match="All 4 places"):
            followers.admit(share, lambda: None)
    assert woken == []


def test_ten_addresses_that_hold_all_they_can_get_leave_a_place_for_each_newcomer() -> None:
    followers = Followers(100, 60)
    for address in range(10):
        for _ in range(60):
            try:
                followers.admit(str(address), lambda: None)
            except FollowersBusy:
                break
    for newcomer in range(5):
        followers.admit(f"new {newcomer}", lambda: None)
    assert len(followers) == 100


def test_an_address_has_no_more_than_its_own_limit_and_a_place_is_given_back_once() -> None:
    followers, woken = Followers(10, 1), list[str]()
    (follower,) = admit(followers, "a", 1, woken)
    with pytest.raises(FollowersBusy, match="1 followers"):
        followers.admit("a", lambda: None)
    followers.leave(follower)
    followers.leave(follower)
    assert len(followers) == 0
    admit(followers, "a", 1, woken)
