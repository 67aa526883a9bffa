"""A report as people and other programs read it: a table, Markdown, annotations for GitHub, SARIF."""

import hashlib
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from model.inspector.catalogue import RULES
from model.inspector.contract import WHERE
from model.inspector.labelled import Place, plural
from model.inspector.owners import PART_WORDS
from model.inspector.report import Finding, Report

MOST_RESULTS = 100
"""Of one rule, in SARIF."""
SARIF_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
GITHUB_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}


def print_report(report: Report, console: Console) -> None:
    def say(text: str, indent: int = 0) -> None:
        console.print(f"{' ' * indent}{text}", markup=False, highlight=False)

    say(report.headline())
    for note in report.notes:
        say(note)
    for one in report.findings:
        rule = RULES[one.rule]
        say(f"\n{one.severity}: {one.rule} {rule.name}")
        say(one.sentence, 2)
        say(f"Why it matters: {rule.matters}", 2)
        say(f"How to mend it: {rule.mend}", 2)
    if not report.findings:
        say("\nNothing found.")
    _print_budget(report, console)
    _print_stops(report, console)
    for slug, why in sorted(report.not_evaluated.items()):
        say(f"Not evaluated: {slug} {RULES[slug].name}, because {why}")
    if report.cannot_tell:
        say(f"Cannot tell how labels lie: {report.cannot_tell}")


def _print_budget(report: Report, console: Console) -> None:
    partial = report.partial
    if not partial.tokens:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("tokens of", "all", "trained"):
        table.add_column(name, justify="left" if name == "tokens of" else "right")
    for name, count in sorted(partial.owners.items(), key=lambda item: -item[1]):
        table.add_row(PART_WORDS.get(name, name), f"{count:,}", f"{partial.owners_trained[name]:,}")
    console.print(table)


def _print_stops(report: Report, console: Console) -> None:
    if not report.contract.transitions:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("where", "with", "stop", "ids", "shared", "server stops there"):
        table.add_column(name)
    for one in report.contract.transitions:
        given = ", ".join(name for name, there in (("system", one.system), ("tools", one.tools)) if there)
        stop = "refused" if one.refused else "answer lost" if one.lost else ascii(one.stop)[1:-1] or "none"
        server = {None: "not known", True: "yes", False: "no"}[one.server_stops]
        ids = " ".join(map(str, one.stop_ids))
        table.add_row(WHERE[one.name], given, stop.replace("[", "\\["), ids, "yes" if one.shared else "", server)
    console.print(table)


def markdown_of(report: Report) -> str:
    lines = [report.headline(), "", "| severity | rule | rows | what | how to mend it |", "|---|---|---:|---|---|"]
    for one in report.findings:
        rule = RULES[one.rule]
        cells = (one.severity, f"{one.rule} {rule.name}", f"{one.rows:,}", one.sentence, rule.mend)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    if not report.findings:
        lines = [report.headline(), "", "Nothing found."]
    return "\n".join(lines)


def github_lines(report: Report, name: str) -> Iterator[str]:
    for one in report.findings:
        line = "" if one.first.row is None else f",line={one.first.row + 1}"
        title = f"{one.rule} {RULES[one.rule].name}"
        yield f"::{GITHUB_LEVELS[one.severity]} file={name}{line},title={title}::{_escaped(one.sentence)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def sarif_of(report: Report, name: str) -> dict[str, Any]:
    """SARIF 2.1.0: a result for each place kept, at the line of its row."""
    found: list[Finding] = list(report.findings)
    results = [_result(place, name) for place in report.places()]
    rules = [
        {
            "id": rule,
            "name": RULES[rule].name,
            "shortDescription": {"text": RULES[rule].matters},
            "help": {"text": RULES[rule].mend},
        }
        for rule in dict.fromkeys(one.rule for one in found)
    ]
    tool = {"driver": {"name": "maskscope", "rules": rules}}
    run = {"tool": tool, "results": results, "properties": {"rows": plural(report.partial.rows, "row")}}
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _result(place: Place, name: str) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": name}}
    if place.row is not None:
        location["region"] = {"startLine": place.row + 1}
    key = hashlib.sha256(f"{place.rule} {place.row} {place.turn}".encode()).hexdigest()
    return {
        "ruleId": place.rule,
        "level": SARIF_LEVELS[place.severity],
        "message": {"text": place.says},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"maskscope/v1": key},
    }
