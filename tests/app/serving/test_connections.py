"""app/serving/connections.py: who finds a place, and who gives way."""

from app.serving.connections import REFUSALS, Connections


class Connection:
    def __init__(self, share: str):
        self.share = share
        self.gone = False

    def give_way(self) -> None:
        self.gone = True


def admitted(connections: Connections, share: str, count: int) -> list[Connection]:
    made = [Connection(share) for _ in range(count)]
    assert all(connections.admit(connection) for connection in made)
    return made


def test_at_the_limit_the_address_that_idles_most_gives_up_its_oldest() -> None:
    connections = Connections(5, 5)
    first_few, many = admitted(connections, "few", 2), admitted(connections, "many", 3)
    admitted(connections, "new", 1)
    assert [c.gone for c in first_few + many] == [False, False, True, False, False]
    assert len(connections) == 5


def test_idle_connections_of_one_address_shut_nobody_out() -> None:
    connections = Connections(10, 10)
    idle = admitted(connections, "attacker", 1000)
    visitor = admitted(connections, "visitor", 1)[0]
    admitted(connections, "attacker", 1000)
    assert not visitor.gone
    assert sum(not c.gone for c in idle) == 0
    assert len(connections) == 10


def test_an_address_at_its_own_limit_gives_up_its_own() -> None:
    connections = Connections(10, 2)
    other, own = admitted(connections, "other", 1)[0], admitted(connections, "own", 3)
    assert [c.gone for c in own] == [True, False, False]
    assert not other.gone


def test_what_is_being_answered_never_gives_way() -> None:
    connections = Connections(4, 4)
    busy = admitted(connections, "a", 2)
    for connection in busy:
        connections.begin(connection)
    assert not connections.admit(Connection("a"))
    others = admitted(connections, "b", 3)
    assert not any(c.gone for c in busy)
    assert [c.gone for c in others] == [True, False, False]
    for connection in busy:
        connections.rest(connection)
    admitted(connections, "a", 1)


def test_a_place_is_free_again_when_its_connection_is_gone_in_whatever_state() -> None:
    connections = Connections(2, 2)
    for state in ("idle", "busy", "rested"):
        connection = admitted(connections, "a", 1)[0]
        if state != "idle":
            connections.begin(connection)
        if state == "rested":
            connections.rest(connection)
        connections.leave(connection)
        connections.leave(connection)
        assert len(connections) == 0


def test_so_many_are_told_that_there_is_no_place_and_no_more() -> None:
    connections = Connections(1, 1)
    told = [Connection("a") for _ in range(REFUSALS + 1)]
    assert [connections.refuse(c) for c in told] == [True] * REFUSALS + [False]
    connections.leave(told[0])
    assert connections.refuse(told[-1])
