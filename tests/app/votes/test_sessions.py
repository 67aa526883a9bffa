"""A room's votes: one answer for each voter, nothing shown too early, and every number bounded."""

from collections.abc import Callable

import pytest

from app.codes import ALPHABET, CODE_LENGTH
from app.settings import Settings
from app.votes.polls import Choice, Poll, Truth
from app.votes.sessions import NotTheTeacher, Vote, VoteClosed, Votes, VotesBusy, new_voter
from model.errors import OutOfRange, UnknownName

POLL = Poll("q", "Which?", (Choice("a", "A"), Choice("b", "B")), Truth("a", "It is A.", "/"))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Callable[..., Votes]:
    return lambda **limits: Votes(Settings(**limits), clock)


def say(votes: Votes, vote: Vote, choice: str, voter: str | None = None, client: str = "room") -> str:
    voter = voter or new_voter()
    votes.answer(vote, voter, choice, client)
    return voter


def test_a_voter_counts_once_and_may_change_the_answer_until_the_vote_closes(make: Callable[..., Votes]) -> None:
    votes = make()
    vote = votes.open(POLL, "teacher")
    mine = say(votes, vote, "a")
    say(votes, vote, "b")
    say(votes, vote, "b", mine)
    assert (vote.count, vote.chosen_by(mine)) == (2, "b")
    vote.close()
    assert vote.counts() == {"a": 0, "b": 2}
    with pytest.raises(VoteClosed):
        say(votes, vote, "a", mine)
    assert vote.counts() == {"a": 0, "b": 2}


def test_nobody_sees_the_answers_before_it_closes_nor_the_truth_before_that(make: Callable[..., Votes]) -> None:
    votes = make()
    vote = votes.open(POLL, "teacher")
    say(votes, vote, "a")
    assert vote.counts() is None
    with pytest.raises(VoteClosed, match="still open"):
        vote.reveal()
    assert vote.truth is None
    vote.close()
    vote.reveal()
    vote.close()  # a second click changes nothing
    assert vote.status == "revealed"
    assert vote.truth == POLL.truth


def test_a_vote_on_a_race_waits_for_the_race(make: Callable[..., Votes]) -> None:
    vote = make().open(Poll("race", "Which?", POLL.choices, None), "teacher")
    vote.close()
    with pytest.raises(VoteClosed, match="has not decided"):
        vote.reveal()
    vote.decide = lambda: Truth("b", "It was B.", "/race/x")
    vote.reveal()
    assert vote.truth
    assert vote.truth.choice == "b"


def test_only_the_teacher_s_own_address_commands(make: Callable[..., Votes]) -> None:
    votes = make()
    vote, other = votes.open(POLL, "teacher"), votes.open(POLL, "teacher")
    for token in ("", "x", "\u00e9", other.teacher, vote.teacher[:-1]):
        with pytest.raises(NotTheTeacher):
            vote.check_teacher(token)
    vote.check_teacher(vote.teacher)


def test_codes_are_short_different_and_read_in_any_case(make: Callable[..., Votes]) -> None:
    votes = make(max_votes_per_client=100)
    opened = [votes.open(POLL, "teacher") for _ in range(100)]
    assert len({vote.code for vote in opened}) == 100
    for vote in opened:
        assert len(vote.code) == CODE_LENGTH
        assert set(vote.code) <= set(ALPHABET)
        assert votes.find(f" {vote.code.lower()} ") is vote


def test_a_class_of_300_behind_one_address_can_answer_but_not_without_end(make: Callable[..., Votes]) -> None:
    votes = make()
    vote = votes.open(POLL, "room")
    first = say(votes, vote, "a")
    for _ in range(499):
        say(votes, vote, "a")
    with pytest.raises(VotesBusy, match="500 answers came from this address"):
        say(votes, vote, "a")
    say(votes, vote, "b", first)  # a change is no further answer
    say(votes, vote, "b", client="elsewhere")
    assert vote.count == 501
    small = make(max_voters=2)
    vote = small.open(POLL, "room")
    for client in ("a", "b"):
        say(small, vote, "a", client=client)
    with pytest.raises(VotesBusy, match="2 have answered"):
        say(small, vote, "a", client="c")


def test_of_too_many_votes_the_oldest_finished_leaves(make: Callable[..., Votes]) -> None:
    votes = make(max_votes=3, max_votes_per_client=2)
    first, second = votes.open(POLL, "a"), votes.open(POLL, "a")
    with pytest.raises(VotesBusy, match="2 votes from this address"):
        votes.open(POLL, "a")
    third = votes.open(POLL, "b")
    with pytest.raises(VotesBusy, match="3 votes are open"):
        votes.open(POLL, "c")
    second.close()
    third.close()
    votes.open(POLL, "c")
    assert votes.find(first.code) is first, "an open one stays"
    assert votes.find(third.code) is third
    with pytest.raises(UnknownName):
        votes.find(second.code)


def test_a_vote_is_forgotten_after_its_lifetime(make: Callable[..., Votes], clock: Clock) -> None:
    votes = make(vote_lifetime_seconds=60, max_votes=1)
    vote = votes.open(POLL, "a")
    clock.now = 59
    votes.find(vote.code)
    clock.now = 61
    with pytest.raises(UnknownName, match="There is no vote"):
        votes.find(vote.code)
    votes.open(POLL, "a")


def test_what_is_no_choice_and_no_voter_is_refused(make: Callable[..., Votes]) -> None:
    votes = make()
    vote = votes.open(POLL, "a")
    with pytest.raises(OutOfRange, match="choice must be one of a, b"):
        say(votes, vote, "c")
    for voter in ("short", "x" * 65, "<script>alert(1)</script>"):
        with pytest.raises(OutOfRange):
            say(votes, vote, "a", voter)
    assert vote.count == 0
