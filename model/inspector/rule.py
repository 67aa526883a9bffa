"""What a rule is: what it says of itself, how grave it is, and what it needs to be evaluated.

Tiers say what a rule needs: T0 ids and labels, T1 a tokenizer, T2 messages or a template, T3 a batch, T4 serving files.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Rule:
    """`severity` is the worst it says. `matters` and `mend` are sentences; `report` a public one; `bug` one of ours."""

    id: str
    name: str
    severity: Severity
    tier: str
    matters: str
    mend: str
    report: str
    bug: str = ""

    def as_plain(self) -> dict[str, str]:
        return dict(vars(self))
