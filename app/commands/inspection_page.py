"""A report as one HTML file: the page's chips and style, everything in it, no network and no script."""

from collections.abc import Sequence

from markupsafe import Markup

from app.charts.tokens import draw_row
from app.templating import ENVIRONMENT, STATIC_FOLDER
from model.inspector.report import Report
from model.inspector.shown import ShownRow

STYLES = ("app.css", "inspect.css")
MOST_ROWS = 8
"""That are shown token by token."""
MOST_LINKS = 12
"""Of one finding."""


def page_of(report: Report, rows: Sequence[ShownRow], name: str) -> str:
    """`rows`: those that are shown, of which findings link their tokens."""
    plain = report.as_plain()
    drawn = {row.number: len(row.ids) for row in rows}
    links: dict[str, list[tuple[int, int]]] = {f"{one['rule']} {one['severity']}": [] for one in plain["summary"]}
    named: dict[int, dict[int, list[str]]] = {number: {} for number in drawn}
    for one in plain["findings"]:
        if one["row"] in drawn and one["positions"] and one["positions"][0] < drawn[one["row"]]:
            named[one["row"]].setdefault(one["positions"][0], []).append(one["rule"])
            links[f"{one['rule']} {one['severity']}"].append((one["row"], one["positions"][0]))
    return ENVIRONMENT.get_template(
        "inspect/_report.html"
    ).render(
        name=name,
        css=Markup("".join((STATIC_FOLDER / name).read_text("utf-8") for name in STYLES)),  # ours: needs no escaping
        headline=report.headline(),
        report=plain,
        errors=sum(one["severity"] == "error" for one in plain["summary"]),
        warnings=sum(one["severity"] == "warning" for one in plain["summary"]),
        links={key: found[:MOST_LINKS] for key, found in links.items()},
        rows=[(row, draw_row(row, named[row.number])) for row in rows],
    )
