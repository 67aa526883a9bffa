"""What a project has accepted: a report of before, or rules that it ignores for a reason that it gives."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from model.inspector.catalogue import RULES
from model.inspector.refusals import UnreadableInput
from model.inspector.report import Finding


@dataclass(frozen=True)
class Ignored:
    rule: str
    reason: str


def read_ignored(path: Path) -> tuple[Ignored, ...]:
    """Lines `M17: why`; empty lines and comments are passed over. Raises UnreadableInput for one without a reason."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        read = re.fullmatch(r"\s*(M\d\d)\s*:\s*(\S.*)", line)
        if not read or read[1] not in RULES:
            raise UnreadableInput(
                f"{path.name}, line {number}: `M17: reason` is expected, with a known rule", param="ignore"
            )
        found.append(Ignored(read[1], read[2]))
    return tuple(found)


def read_baseline(path: Path) -> dict[str, int]:
    """Rows by rule and severity of an earlier report. Raises UnreadableInput."""
    try:
        summary = json.loads(path.read_text("utf-8"))["summary"]
        return {f"{one['rule']} {one['severity']}": int(one["rows"]) for one in summary}
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableInput(f"{path.name}: no report of ours: {error!r}", param="baseline") from error


def new_or_risen(finding: Finding, known: dict[str, int]) -> bool:
    return finding.rows > known.get(f"{finding.rule} {finding.severity}", 0)
