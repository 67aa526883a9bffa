"""app/shares.py: how many places an address may hold, and who is one address."""

from collections import Counter

import pytest

from app.shares import Shares, greediest, share_of


def fill(shares: Shares, address: str) -> int:
    taken = 0
    while shares.allows(address):
        shares.take(address)
        taken += 1
    return taken


@pytest.mark.parametrize("greedy", [1, 2, 3, 7])
def test_greedy_addresses_that_never_let_go_leave_places_for_others(greedy: int) -> None:
    shares = Shares(840)
    for address in range(greedy):
        fill(shares, str(address))
    assert shares.free == 840 // 2**greedy
    assert shares.allows("newcomer")


def test_greedy_addresses_whose_requests_end_come_to_hold_the_same() -> None:
    shares = Shares(840)
    for _ in range(100):
        for address in "abc":
            fill(shares, address)
        for address in "abc":
            for _ in range(shares.held[address] // 2):
                shares.give_back(address)
    assert max(fill(shares, "newcomer"), 1) >= 840 // 8


def test_one_address_holds_half_and_no_more_than_any_may() -> None:
    assert fill(Shares(100), "a") == 50
    assert fill(Shares(100, each=7), "a") == 7
    assert fill(Shares(1), "a") == 1


def test_what_is_given_back_is_free_again_and_nobody_is_remembered() -> None:
    shares = Shares(4)
    for address in ("a", "b", "a"):
        shares.take(address)
    assert not shares.allows("a")
    for address in ("a", "b", "a"):
        shares.give_back(address)
    assert (shares.free, dict(shares.held)) == (4, {})


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_network_of_one_household_shares_as_one(address: str, share: str) -> None:
    assert share_of(address) == share


@pytest.mark.parametrize(
    ("held", "who_asks", "gives_way"),
    [
        ("aaab", "c", "a"),
        ("aaab", "b", "a"),
        ("aab", "b", None),
        ("aaab", "a", None),
        ("ab", "c", None),
        ("", "a", None),
    ],
)
def test_whoever_holds_most_gives_way_to_who_would_still_hold_less(
    held: str, who_asks: str, gives_way: str | None
) -> None:
    assert greediest(Counter(held), who_asks) == gives_way
