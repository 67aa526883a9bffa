"""What is counted while a server is under load: how long right answers took, and what the others were."""

import math
from collections import Counter
from dataclasses import dataclass, field

RIGHT_STATUSES = ("200", "304")


@dataclass(frozen=True)
class Answers:
    """Times of right answers in milliseconds (None: there was none); statuses of all, with words for what broke.

    `memory_mib`: the server's at its highest, processes that it started included; None: they could not be seen.
    """

    scenario: str
    name: str
    per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    statuses: dict[str, int]
    memory_mib: float | None
    goal_ms: float | None
    """For p95; it is met only if every answer was right."""

    @property
    def verdict(self) -> str:
        if self.goal_ms is None:
            return ""
        met = self.p95_ms is not None and self.p95_ms <= self.goal_ms and not set(self.statuses) - set(RIGHT_STATUSES)
        return f"p95 {self.goal_ms:g} ms, no error: {'met' if met else 'missed'}"

    @property
    def told_statuses(self) -> str:
        """`200: 9,120, 503: 3`, the most frequent first."""
        counted = sorted(self.statuses.items(), key=lambda one: -one[1])
        return ", ".join(f"{status}: {count:,}" for status, count in counted) or "none"

    def line(self) -> str:
        p50, p95, p99 = map(told_ms, (self.p50_ms, self.p95_ms, self.p99_ms))
        memory = "" if self.memory_mib is None else f"   {self.memory_mib:,.0f} MiB"
        goal = f"   (goal {self.verdict})" if self.verdict else ""
        name = f"{self.scenario}: {self.name}"
        times = f"p50 {p50}   p95 {p95}   p99 {p99}"
        return f"{name:96} {self.per_second:7.1f} per second   {times}   {self.told_statuses}{memory}{goal}"


def told_ms(milliseconds: float | None) -> str:
    return "no answer" if milliseconds is None else f"{milliseconds:,.0f} ms"


@dataclass
class Tally:
    name: str
    goal_ms: float | None = None
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def count(self, status: str, seconds: float) -> None:
        """`seconds` are kept if the status is a right one."""
        self.statuses[status] += 1
        if status in RIGHT_STATUSES:
            self.milliseconds.append(1e3 * seconds)

    def answers(self, scenario: str, seconds: float, memory_mib: float | None) -> Answers:
        p50, p95, p99 = (self.percentile(share) for share in (0.5, 0.95, 0.99))
        rate = len(self.milliseconds) / seconds
        statuses = dict(self.statuses)
        return Answers(scenario, self.name, rate, p50, p95, p99, statuses, memory_mib, self.goal_ms)

    def percentile(self, share: float) -> float | None:
        """The shortest time within which this share of the right answers came; None without any."""
        ordered = sorted(self.milliseconds)
        return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
