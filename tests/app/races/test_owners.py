"""app/races/owners.py: each race has a key of its own, a teacher's opens all, and no other does."""

import pytest
from pydantic import SecretStr

from app.races.owners import NotTheOwner, Owner

TEACHER = "the teacher's own word"


def test_a_race_is_commanded_by_its_own_token_alone() -> None:
    owner, other = Owner(), Owner()
    owner.check(owner.token)
    for token in ("", other.token, owner.token[:-1], owner.token + "x", owner.token.swapcase(), "é", TEACHER):
        assert not owner.is_told_by(token)
        with pytest.raises(NotTheOwner) as raised:
            owner.check(token)
        assert raised.value.param == "owner"
        assert not token or token not in raised.value.message


def test_the_teacher_s_token_commands_every_race() -> None:
    for owner in (Owner(SecretStr(TEACHER)), Owner(SecretStr(TEACHER))):
        assert owner.is_told_by(TEACHER)
        assert owner.is_told_by(owner.token)
        assert not owner.is_told_by("")


def test_no_two_races_have_the_same_token() -> None:
    tokens = {Owner().token for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 22
