"""app/room.py: codes that lead to addresses of this site and nowhere else, and hosts that others can reach."""

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.codes import ALPHABET, CODE_LENGTH
from app.room import VIEW_LIMIT, ShortAddresses, own_addresses, reach
from app.shares import asking
from model.errors import InvalidText, UnknownName


def test_the_same_address_has_the_same_code_here_and_on_another_server() -> None:
    one, other = ShortAddresses(), ShortAddresses()
    codes = [one.code_of(f"/?prompt={word}") for word in ("live", "step", "live")]
    assert codes[0] == codes[2] != codes[1]
    other.code_of("/race")
    assert other.code_of("/?prompt=live") == codes[0]
    assert all(len(code) == CODE_LENGTH and set(code) <= set(ALPHABET) for code in codes)


def test_a_code_leads_to_its_address_in_small_letters_too() -> None:
    kept = ShortAddresses()
    code = kept.code_of("/?prompt=live&step=325#json")
    assert kept.view_of(code) == kept.view_of(code.lower()) == "/?prompt=live&step=325#json"


def test_two_addresses_never_share_a_code() -> None:
    kept = ShortAddresses(limit=5000)
    views = [f"/?step={step}" for step in range(5000)]
    codes = [kept.code_of(view) for view in views]
    assert len(set(codes)) == 5000, "among 83,521 codes about 150 of these collide, and take the next"
    assert [kept.view_of(code) for code in codes] == views


def test_only_the_last_used_are_kept() -> None:
    kept = ShortAddresses(limit=2)
    first, second = kept.code_of("/a"), kept.code_of("/b")
    kept.view_of(first)
    third = kept.code_of("/c")
    assert (kept.view_of(first), kept.view_of(third)) == ("/a", "/c")
    with pytest.raises(UnknownName, match="There is no code"):
        kept.view_of(second)


def test_who_asks_for_many_codes_drives_out_none_of_another_s() -> None:
    kept, whose = ShortAddresses(limit=10), asking.set("greedy")
    for step in range(4):  # which a class will ask for
        kept.code_of(f"/?step={step}")
    asking.set("a class")
    codes = [kept.code_of(f"/?step={step}") for step in range(4)]
    asking.set("greedy")
    own = [kept.code_of(f"/?prompt={number}") for number in range(100)]
    asking.reset(whose)
    assert [kept.view_of(code) for code in codes] == [f"/?step={step}" for step in range(4)]
    assert kept.view_of(own[-1]) == "/?prompt=99"
    with pytest.raises(UnknownName):
        kept.view_of(own[-7])


@pytest.mark.parametrize(
    "view",
    [
        *("", "live", "//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)"),
        *("/a b", "/\n", "/\t/evil.example", "/é", "/a\\b", "/\x00", "/r/7KTN", "/" + "a" * VIEW_LIMIT),
    ],
)
def test_an_address_of_another_site_or_none_at_all_gets_no_code(view: str) -> None:
    kept = ShortAddresses()
    with pytest.raises(InvalidText):
        kept.code_of(view)
    assert not kept._views


@given(st.text(max_size=40).map(lambda text: "/" + text))
def test_whatever_gets_a_code_stays_on_this_site(view: str) -> None:
    try:
        ShortAddresses().code_of(view)
    except InvalidText:
        return
    assert view[:2] not in ("//", "/\\")
    assert view.isascii()
    assert view.isprintable()


@pytest.mark.parametrize("asked", ["192.168.1.20", "class.example", "2001:db8::5", "[2001:db8::5]"])
def test_a_host_that_the_visitor_came_by_serves_others_too(asked: str) -> None:
    found = reach(asked, "0.0.0.0")
    assert found.sites("http", 8000) == (
        f"http://[{asked.strip('[]')}]:8000" if ":" in asked else f"http://{asked}:8000",
    )
    assert found.is_asked
    assert found.sites("https", None)[0].startswith("https://")


@pytest.mark.parametrize("asked", ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_this_machine_s_own_name_is_given_to_nobody(asked: str) -> None:
    assert reach(asked, "127.0.0.1") == reach(asked, "localhost") == reach(asked, "::1")
    assert reach(asked, "127.0.0.1").hosts == ()
    assert reach(asked, "127.0.0.1").listens_here_only
    assert reach(asked, "192.168.1.20").hosts == ("192.168.1.20",)
    for everywhere in ("0.0.0.0", "::"):
        found = reach(asked, everywhere)
        assert not found.listens_here_only
        assert not any(ip_address(host.strip("[]")).is_loopback for host in found.hosts)


def test_the_unspecified_and_the_mapped_loopback_address_mean_this_machine() -> None:
    assert reach("0.0.0.0", "127.0.0.1").hosts == reach("::ffff:127.0.0.1", "127.0.0.1").hosts == ()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_own_addresses_are_ones_this_machine_can_listen_on(family: socket.AddressFamily) -> None:
    found = own_addresses(family)
    assert len(set(found)) == len(found)
    for host in found:
        with socket.socket(family, socket.SOCK_STREAM) as server:
            server.bind((host, 0))
