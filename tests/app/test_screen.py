"""app/screen.py: what an address says of the screen, and how an address says it again."""

import pytest

from app.screen import PARTS, Screen, ScreenState, read_screen
from model.errors import UnknownName


@pytest.mark.parametrize(
    ("hide", "suffix"),
    [
        ("", ""),
        (",", ""),
        ("switch", "&hide=switch"),
        ("curve, switch,,curve", "&hide=switch,curve"),
        (",".join(PARTS), f"&hide={','.join(PARTS)}"),
    ],
)
def test_hidden_parts_are_named_once_and_in_one_order(hide: str, suffix: str) -> None:
    assert read_screen(ScreenState(hide=hide)).suffix == suffix


def test_a_part_that_cannot_be_hidden_is_named_with_those_that_can() -> None:
    with pytest.raises(UnknownName, match=r"There is no part to hide 'menu'. Choose one of: word, examples, switch, "):
        read_screen(ScreenState(hide="switch,menu"))


def test_an_address_says_only_what_is_not_so_anyway() -> None:
    assert Screen().suffix == ""
    assert read_screen(ScreenState(present="off", keys="on")) == Screen()
    screen = read_screen(ScreenState(present="on", keys="off", hide="word"))
    assert screen.suffix == "&hide=word&keys=off&present=on"
    assert read_screen(ScreenState.model_validate(screen.query)) == screen
