"""The memory of a server process and all that it started, as Linux tells it under /proc. Elsewhere: nothing."""

import re
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"


def listening(port: int) -> frozenset[int]:
    """The processes that accept connections at this port: none if this user may not see them."""
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _inodes(PROC / "net" / table, port)}
    return frozenset(int(process.name) for process in PROC.glob("[0-9]*") if sockets & _open_files(process))


def resident_mib(pids: frozenset[int]) -> float:
    """Of these processes and their descendants now; pages that several share count for each."""
    found, new = set(pids), set(pids)
    while new:
        new = {child for pid in new for child in children_of(pid)} - found
        found |= new
    return sum(status_kib(pid, "VmRSS") for pid in found) / 1024


def children_of(pid: int) -> set[int]:
    """Of each thread: a process is its child that started it."""
    found: set[int] = set()
    with suppress(OSError):
        for thread in (PROC / str(pid) / "task").iterdir():
            found |= set(map(int, (thread / "children").read_text().split()))
    return found


def status_kib(pid: int, name: str) -> int:
    """VmRSS: the memory that a process holds now; VmHWM: the most that it ever held. 0 if it has gone."""
    with suppress(OSError):
        match = re.search(rf"^{name}:\s+(\d+) kB", (PROC / str(pid) / "status").read_text(), re.M)
        return int(match[1]) if match else 0
    return 0


def _inodes(table: Path, port: int) -> list[str]:
    with suppress(OSError):
        lines = [line.split() for line in table.read_text().splitlines()[1:]]
        return [line[9] for line in lines if line[3] == LISTENING and int(line[1].rpartition(":")[2], 16) == port]
    return []


def _open_files(process: Path) -> set[str]:
    found: set[str] = set()
    with suppress(OSError):
        for entry in (process / "fd").iterdir():
            with suppress(OSError):
                found.add(str(entry.readlink()))
    return found
