"""Who follows races: places of their own, apart from those of requests, so that followers and visitors never compete.

In: how many. At the limit a follower of the address that follows most is let go for one of an address that follows
less: his browser comes back by itself, and finds a place once there is one. Knows neither HTTP nor races.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from app.shares import greediest
from model.errors import MaskscopeError


class FollowersBusy(MaskscopeError, ConnectionError):
    """No place for one more follower. Trying again later helps."""

    code = "busy"


@dataclass(eq=False)
class Follower:
    """One of an address. `wake` tells him to look whether he was let go."""

    share: str
    wake: Callable[[], None]
    let_go: bool = False


class Followers:
    """All of a server."""

    def __init__(self, places: int, each: int):
        self.places, self.each = places, each
        self._held: Counter[str] = Counter()
        self._all: dict[Follower, None] = {}

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, share: str, wake: Callable[[], None]) -> Follower:
        """Raises FollowersBusy."""
        if self._held[share] >= self.each:
            raise FollowersBusy(f"{self.each} followers of races have this address; try again")
        if len(self) >= self.places:
            self._make_room(share)
        follower = Follower(share, wake)
        self._all[follower] = None
        self._held[share] += 1
        return follower

    def leave(self, follower: Follower) -> None:
        """He has ended, or was let go: the second time changes nothing."""
        if follower in self._all:
            del self._all[follower]
            self._held[follower.share] -= 1
            self._held += Counter()

    def _make_room(self, share: str) -> None:
        greedy = greediest(self._held, share)
        if greedy is None:
            raise FollowersBusy(f"All {self.places} places of followers are taken; try again")
        oldest = next(follower for follower in self._all if follower.share == greedy)
        self.leave(oldest)
        oldest.let_go = True
        oldest.wake()
