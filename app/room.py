"""How a room gets to a view: short codes for addresses of this site, and hosts by which other machines reach it.

Nothing is sent to find those; what a request says of its host is only believed if `security.py` let it through.
"""

import re
import socket
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address

from starlette.datastructures import URL

from app.codes import ALPHABET, CODE_LENGTH
from app.shares import asking
from model.errors import InvalidText, UnknownName

MOST_ASKERS = 8
"""That are remembered of a code."""
VIEW_LIMIT = 500
"""Characters of an address that gets a code."""
LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""Path and query of this site: a browser reads `//host` and `/\\host` as another one."""
ELSEWHERE = {
    socket.AF_INET: ("192.0.2.1", "10.254.254.254", "172.31.254.254", "192.168.254.254"),
    socket.AF_INET6: ("2001:db8::1", "fdff::1"),
}
"""An address that is nobody's, and one of each private range: the way to each leaves by an interface of ours."""


class ShortAddresses:
    """So many addresses that were given a code. The same address has the same code, unless two collide.

    When there are more, of those for which the greediest visitor alone has asked the one longest not used leaves.
    """

    def __init__(self, limit: int = 1000):
        self.limit = limit
        self._views: OrderedDict[str, str] = OrderedDict()
        self._askers: dict[str, set[str]] = {}
        """Of each code, the first of those who asked for it."""

    def code_of(self, view: str) -> str:
        """The code of an address of this site, such as `/?prompt=live`.

        Raises:
            InvalidText: it is too long, of another site, or a short address itself.
        """
        if len(view) > VIEW_LIMIT:
            raise InvalidText(f"view: an address of {len(view)} characters; {VIEW_LIMIT} at most", param="view")
        if not LOCAL.fullmatch(view) or view.startswith("/r/"):
            raise InvalidText("view: only an address of this site gets a code: a path that begins with /", param="view")
        code = next(code for code in _codes(view) if self._views.get(code, view) == view)
        askers = self._askers.setdefault(code, set())
        if len(askers) < MOST_ASKERS:
            askers.add(asking.get())
        self._views[code] = view
        self._views.move_to_end(code)
        if len(self._views) > self.limit:
            self._forget_one()
        return code

    def view_of(self, code: str) -> str:
        """Raises UnknownName."""
        known = code.upper()
        if known not in self._views:
            raise UnknownName(f"There is no code {code[:12]!a} here. Ask for it again: codes end with the server")
        self._views.move_to_end(known)
        return self._views[known]

    def _forget_one(self) -> None:
        held = Counter(share for askers in self._askers.values() for share in askers)
        ((greediest, _),) = held.most_common(1)
        own = (code for code in self._views if self._askers[code] == {greediest})
        code = next(own, next(iter(self._views)))
        del self._views[code], self._askers[code]


def _codes(view: str) -> Iterator[str]:
    """Without end, the same for the same address."""
    number, count = 0, 0
    while True:
        if number < len(ALPHABET) ** CODE_LENGTH:
            number, count = int.from_bytes(sha256(f"{count} {view}".encode()).digest()), count + 1
        letters = []
        for _ in range(CODE_LENGTH):
            number, letter = divmod(number, len(ALPHABET))
            letters.append(ALPHABET[letter])
        yield "".join(letters)


@dataclass(frozen=True)
class Reach:
    """By which hosts others get to this server."""

    hosts: tuple[str, ...]
    """The likeliest first, an IPv6 address in brackets; none if it listens on this machine only, or has no network."""
    is_asked: bool
    """Whether it is the host that the request came by: then that one works for others too."""
    listens_here_only: bool

    def sites(self, scheme: str, port: int | None) -> tuple[str, ...]:
        """`http://192.168.1.20:8000`, for each host."""
        return tuple(f"{scheme}://{host}{f':{port}' if port else ''}" for host in self.hosts)


def reach(asked: str, listens_on: str) -> Reach:
    """`asked`: the host of the request; `listens_on`: the address of the server's socket."""
    if not _is_this_machine(asked):
        return Reach((_in_address(asked),), is_asked=True, listens_here_only=False)
    if listens_on in ("0.0.0.0", "::", ""):
        families = [socket.AF_INET] * (listens_on != "::") + [socket.AF_INET6] * (listens_on != "0.0.0.0")
        found = tuple(_in_address(host) for family in families for host in own_addresses(family))
        return Reach(found, is_asked=False, listens_here_only=False)
    if _is_this_machine(listens_on):
        return Reach((), is_asked=False, listens_here_only=True)
    return Reach((_in_address(listens_on),), is_asked=False, listens_here_only=False)


def sites_for_others(url: URL, listens_on: str) -> tuple[str, ...]:
    """Where others reach what a request's address `url` shows, without its path; none if they cannot."""
    return reach(url.hostname or "", listens_on).sites(url.scheme, url.port)


def own_addresses(family: socket.AddressFamily) -> tuple[str, ...]:
    """This machine's addresses in its networks. A datagram socket that is connected chooses one, and sends nothing."""
    found = []
    for target in ELSEWHERE[family]:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            found.append(str(probe.getsockname()[0]))
    usable = (host for host in found if not (_is_this_machine(host) or ip_address(host).is_link_local))
    return tuple(dict.fromkeys(usable))


def _is_this_machine(host: str) -> bool:
    """Means the machine itself, whoever says it: localhost, a loopback address, the unspecified address."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
