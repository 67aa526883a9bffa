"""What an inspection says: findings with counts and first places, conventions, the stop contract, the loss budget.

Plain values only, for the command, the page and JSON alike. Rows are counted from 1 in sentences, from 0 in values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.inspector.catalogue import RULES
from model.inspector.contract import StopContract
from model.inspector.conventions import SHIFT_NAMES, Convention, Loss
from model.inspector.intents import INTENTS, Intent
from model.inspector.labelled import Place, plural
from model.inspector.partial import Partial, key_of
from model.inspector.rule import SEVERITIES, Severity

SCHEMA_VERSION = 1
ODD_LOW, ODD_HIGH = 0.01, 0.95

EXPECTED_SHIFT: dict[Loss, int] = {"shifts": 0, "does-not-shift": 1}


@dataclass(frozen=True)
class Finding:
    """One rule at one severity: how often, where first, what it says there."""

    rule: str
    severity: Severity
    places: int
    rows: int
    first: Place

    @property
    def sentence(self) -> str:
        if self.first.row is None:
            return self.first.says
        where = _where(self.first)
        return f"{self.first.says} In {where if self.rows == 1 else f'{self.rows:,} rows, first in {where}'}."


def _where(place: Place) -> str:
    if place.row is None:
        return "the template"
    turn = "" if place.turn is None else f", message {place.turn + 1}"
    token = f", token {place.positions[0]}" if place.positions else ""
    return f"row {place.row + 1}{turn}{token}"


@dataclass(frozen=True)
class Report:
    partial: Partial
    contract: StopContract
    intent: Intent
    convention: Convention | None
    not_evaluated: Mapping[str, str]
    notes: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)
    loss: Loss = "shifts"
    cannot_tell: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Errors first, then by rule."""
        found = [
            Finding(kept[0].rule, kept[0].severity, self.partial.counted[key], self.partial.rows_with[key], kept[0])
            for key, kept in self.partial.places.items()
            if kept
        ]
        return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.rule)))

    def has(self, *severities: Severity) -> bool:
        return any(one.severity in severities for one in self.findings)

    def exit_code(self, fail_on: Sequence[Severity] = ("error",)) -> int:
        if self.has(*fail_on) and not (self.partial.limits and self._limits_alone(fail_on)):
            return 1
        if self.partial.limits:
            return 4
        return 3 if self.cannot_tell else 0

    def _limits_alone(self, fail_on: Sequence[Severity]) -> bool:
        """Each place that fails is one where a limit was hit."""
        failing = {key: times for key, times in self.partial.counted.items() if key.split()[1] in fail_on}
        return failing == {key_of("M31", "error"): self.partial.limits}

    def places(self) -> Iterator[Place]:
        for one in self.findings:
            yield from self.partial.places[key_of(one.rule, one.severity)]

    def as_plain(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "findings": [_plain_place(place) for place in self.places()],
            "summary": [
                {
                    "rule": one.rule,
                    "name": RULES[one.rule].name,
                    "severity": one.severity,
                    "places": one.places,
                    "rows": one.rows,
                    "says": one.sentence,
                    "matters": RULES[one.rule].matters,
                    "mend": RULES[one.rule].mend,
                    "report": RULES[one.rule].report,
                    "bug": RULES[one.rule].bug or None,
                }
                for one in self.findings
            ],
            "not_evaluated": [{"rule": rule, "why": why} for rule, why in sorted(self.not_evaluated.items())],
            "convention": None if self.convention is None else {**self.convention.as_plain(), "loss": self.loss},
            "intent": self.intent.as_plain(),
            "serving_arguments": dict(self.serving),
            "stop_contract": [one.as_plain() for one in self.contract.transitions],
            "counts": {
                "rows": self.partial.rows,
                "tokens": self.partial.tokens,
                "trained": self.partial.trained,
                "by_owner": dict(self.partial.owners),
                "trained_by_owner": dict(self.partial.owners_trained),
                "abstained": dict(self.partial.abstained),
            },
            "notes": list(self.notes),
            "cannot_tell": self.cannot_tell or None,
            "hashes": dict(self.hashes),
        }

    def headline(self) -> str:
        """Which conventions and intent were found: the first line of every output."""
        said = [f"{plural(self.partial.rows, 'row')} with {plural(self.partial.tokens, 'token')}"]
        if self.convention is not None:
            known = self.convention.shift is not None
            ignore = "none" if self.convention.ignore_index is None else str(self.convention.ignore_index)
            read_as = SHIFT_NAMES[self.convention.read_as]
            said += [f"labels {read_as}" if known else f"cannot tell how labels lie, read as {read_as}"]
            said += [f"ignore index {ignore}"]
            said += [f"the loss {'shifts' if self.loss == 'shifts' else 'does not shift'}"]
        given = "given" if self.intent.given else f"found: {self.intent.why}" if self.intent.why else "found"
        said.append(f"meant to be trained: {INTENTS[self.intent.turns]} ({given})")
        return "; ".join(said)


def _plain_place(place: Place) -> dict[str, Any]:
    return {
        "rule": place.rule,
        "name": RULES[place.rule].name,
        "severity": place.severity,
        "row": place.row,
        "turn": place.turn,
        "positions": list(place.positions),
        "says": place.says,
        "mend": RULES[place.rule].mend,
    }


def file_places(partial: Partial, convention: Convention | None, loss: Loss, intent: Intent) -> Iterator[Place]:
    """What only all rows together tell: M10 and M27."""
    if convention is not None and convention.shift is not None and convention.shift != EXPECTED_SHIFT[loss]:
        does = (
            "shifts them again"
            if convention.shift == 1
            else f"{'shifts' if loss == 'shifts' else 'does not shift'} them"
        )
        lies = "shifted already" if convention.shift == 1 else SHIFT_NAMES[convention.shift]
        says = f"The labels come {lies}, and the loss {does}: {convention.why}."
        yield Place("M10", "error", says, count=convention.targets)
    if partial.tokens and intent.turns != "full":
        share = partial.trained / partial.tokens
        if partial.trained and not ODD_LOW <= share <= ODD_HIGH:
            says = f"{share:.1%} of all tokens have a label: {partial.trained:,} of {partial.tokens:,}."
            yield Place("M27", "info", says)


def not_evaluated_labels(convention: Convention | None) -> dict[str, str]:
    if convention is not None and convention.shift is None:
        return {"M10": convention.why}
    return {}
