"""Votes of a room: opened by a teacher, answered once by each phone, closed, revealed. In: polls. Out: counts.

While a vote is open nobody learns more than how many have answered. Knows neither HTTP nor HTML; the clock is given.
"""

import re
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from app.codes import ALPHABET, CODE_LENGTH
from app.settings import Settings
from app.votes.polls import Poll, Truth
from model.errors import MaskscopeError, UnknownName, outside

VOTER = re.compile(r"[A-Za-z0-9_-]{16,64}")
"""What a browser calls itself in one vote."""

Status = Literal["open", "closed", "revealed"]


class VotesBusy(MaskscopeError, TimeoutError):
    """Too many votes are open, or too many have answered one. Trying again later helps."""

    code = "busy"


class VoteClosed(MaskscopeError, RuntimeError):
    """An answer that comes too late, or a truth that is asked for too early."""

    code = "wrong_state"


class NotTheTeacher(MaskscopeError, PermissionError):
    """Only who opened a vote may close and reveal it."""

    code = "not_the_teacher"


@dataclass(frozen=True)
class Answer:
    choice: str
    client: str
    """The address it came from."""


@dataclass
class Vote:
    """One vote from its opening until it is forgotten. Made by Votes."""

    code: str
    poll: Poll
    teacher: str
    """What the teacher's address holds and nobody else's."""
    client: str
    """The address it was opened from."""
    opened: float
    """By the clock of Votes, in seconds."""
    status: Status = "open"
    answers: dict[str, Answer] = field(default_factory=dict)
    """By voter."""
    truth: Truth | None = None
    """As it was revealed."""
    decide: Callable[[], Truth | None] = lambda: None
    """What came of the race that the question was about; None as long as that is open."""
    race: str | None = None
    """The race that decides it, once that was started."""
    race_owner: str = ""
    """What the teacher's address of that race holds."""

    @property
    def count(self) -> int:
        return len(self.answers)

    def counts(self) -> dict[str, int] | None:
        """How many chose what, by choice; None while the vote is open."""
        if self.status == "open":
            return None
        chosen = Counter(answer.choice for answer in self.answers.values())
        return {choice.slug: chosen[choice.slug] for choice in self.poll.choices}

    def chosen_by(self, voter: str | None) -> str | None:
        """What a voter said last."""
        answer = self.answers.get(voter or "")
        return answer.choice if answer else None

    def check_teacher(self, token: str) -> None:
        """Raises NotTheTeacher."""
        if not secrets.compare_digest(token.encode(), self.teacher.encode()):
            raise NotTheTeacher("This is not the address the vote was opened with: only its teacher may close it")

    def close(self) -> None:
        """No more answers; a second time changes nothing."""
        if self.status == "open":
            self.status = "closed"

    def reveal(self) -> None:
        """Raises VoteClosed while answers are still taken, or the race has not decided it."""
        if self.status == "open":
            raise VoteClosed("The vote is still open: close it before you show the truth")
        truth = self.truth or self.poll.truth or self.decide()
        if truth is None:
            raise VoteClosed("The race has not decided this: there is no truth to show yet")
        self.status, self.truth = "revealed", truth


class Votes:
    """All votes of a server. For one event loop, which all its callers share."""

    def __init__(self, settings: Settings, clock: Callable[[], float]):
        self._settings = settings
        self._clock = clock
        self._votes: dict[str, Vote] = {}

    def open(self, poll: Poll, client: str) -> Vote:
        """Raises VotesBusy: too many are open, on the server or from this address."""
        self._forget_the_old()
        limits = self._settings
        is_open = [vote for vote in self._votes.values() if vote.status == "open"]
        if len(is_open) >= limits.max_votes:
            raise VotesBusy(f"{limits.max_votes} votes are open, the most this server keeps; try again later")
        if sum(vote.client == client for vote in is_open) >= limits.max_votes_per_client:
            raise VotesBusy(f"{limits.max_votes_per_client} votes from this address are open; close one first")
        finished = [vote.code for vote in self._votes.values() if vote.status != "open"]
        for code in finished[: max(0, len(self._votes) + 1 - limits.max_votes)]:
            del self._votes[code]
        vote = Vote(self._new_code(), poll, secrets.token_urlsafe(16), client, self._clock())
        self._votes[vote.code] = vote
        return vote

    def find(self, code: str) -> Vote:
        """By its code, in capitals or not. Raises UnknownName."""
        self._forget_the_old()
        vote = self._votes.get(code.strip().upper())
        if vote is None:
            hours = self._settings.vote_lifetime_seconds / 3600
            letters = f"Codes have {CODE_LENGTH} of the characters {ALPHABET}"
            raise UnknownName(
                f"There is no vote {code[:16]!a}. {letters}; a vote is kept for {hours:g} hours at most", param="code"
            )
        return vote

    def answer(self, vote: Vote, voter: str, choice: str, client: str) -> None:
        """Once for each voter, whose answer may change until the vote is closed.

        Raises:
            OutOfRange: no such choice; not what a voter is called.
            VoteClosed: it comes too late.
            VotesBusy: too many have answered, in all or from this address.
        """
        slugs = [known.slug for known in vote.poll.choices]
        if choice not in slugs:  # not UnknownName: the vote is there
            raise outside("choice", f"one of {', '.join(slugs)}", f"{choice[:32]!a}", param="choice")
        if not VOTER.fullmatch(voter):
            raise outside("voter", "16 to 64 letters, digits, - or _", f"{voter[:32]!a}", param="voter")
        if vote.status != "open":
            raise VoteClosed("The vote is closed: no more answers are taken")
        if voter not in vote.answers:
            limits = self._settings
            if vote.count >= limits.max_voters:
                raise VotesBusy(f"{limits.max_voters} have answered, the most that a vote takes")
            if sum(answer.client == client for answer in vote.answers.values()) >= limits.max_voters_per_client:
                raise VotesBusy(f"{limits.max_voters_per_client} answers came from this address, the most it may give")
        vote.answers[voter] = Answer(choice, client)

    def _new_code(self) -> str:
        while True:
            code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
            if code not in self._votes:
                return code

    def _forget_the_old(self) -> None:
        """Votes stand in the order of their opening."""
        oldest = self._clock() - self._settings.vote_lifetime_seconds
        for code in [vote.code for vote in self._votes.values() if vote.opened < oldest]:
            del self._votes[code]


def new_voter() -> str:
    return secrets.token_urlsafe(16)
