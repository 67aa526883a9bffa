"""Inspect (`/inspect`): one's own rows, template, tokenizer. What is pasted is never in the address."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.charts.tokens import LaneCut, MessageBand, cut_lanes, draw_row
from app.deps import InspectionsDep
from app.templating import is_partial, render_view
from app.workers.inspection_worker import SHOWN
from app.workers.inspections import Asked, Inspections
from model.errors import MaskscopeError, check_known
from model.inspector.intents import INTENTS, Intent
from model.inspector.refusals import LimitHit, TemplateRefused, UnreadableInput
from model.inspector.session import Options
from model.inspector.shipped import MISTAKES, NAME
from model.inspector.shown import Lane, ShownRow

router = APIRouter(include_in_schema=False)

FOUND = "found"
MOST_FIELDS = 16
REFUSED: tuple[type[MaskscopeError], ...] = (LimitHit, TemplateRefused, UnreadableInput)
EXAMPLES = {mistake.slug: mistake.title for mistake in MISTAKES} | {"rows": "rows, no dump", "marker": "a marker typed"}
THINKING: dict[str, dict[str, bool]] = {
    "unset": {},
    "true": {"enable_thinking": True},
    "false": {"enable_thinking": False},
}


class State(BaseModel):
    """What the address may say."""

    example: str = MISTAKES[0].slug
    tokenizer: str = NAME
    template: str = "own"
    intent: str = FOUND
    thinking: str = "unset"
    row: Annotated[int, Field(ge=1, le=10_000)] = 1


class Pasted(State):
    """The whole form, of which the rest comes in a body only."""

    rows: str = ""
    against: str = ""
    template_text: str = ""
    tokenizer_json: str = ""


@dataclass(frozen=True)
class InspectContext:
    """What the form offers, and what is chosen."""

    state: Pasted
    examples: Mapping[str, str]
    tokenizers: tuple[str, ...]
    templates: tuple[str, ...]
    intents: Mapping[str, str]
    thinking: tuple[str, ...]


@dataclass(frozen=True)
class Beside:
    """The same conversation under another template."""

    title: str
    bands: tuple[MessageBand, ...]
    tokens: int
    trained: int
    refused: str = ""


@dataclass(frozen=True)
class View:
    report: Mapping[str, Any]
    headline: str
    shown: ShownRow | None
    bands: tuple[MessageBand, ...]
    places: Mapping[str, list[Mapping[str, Any]]]
    """Of each rule and severity, those in the row shown; and first those of other rows."""
    cuts: tuple[LaneCut, ...]
    silent: tuple[Lane, ...]
    beside: tuple[Beside, ...]
    errors: int
    warnings: int


@router.api_route("/inspect", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], inspections: InspectionsDep) -> Response:
    """An example, as the address has it."""
    check_known(state.example, EXAMPLES, "example")
    filled = Pasted.model_validate(state.model_dump() | _example(state.example, inspections))
    return await _answer(request, filled, inspections)


@router.post("/inspect")
async def pasted(request: Request, inspections: InspectionsDep) -> Response:
    """What was pasted. It comes in the body, and is in no address and no log."""
    fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
    given = {name: values[-1] for name, values in fields.items()}
    row = given.pop("show", given.pop("row", "1"))
    number = min(max(int(row) if row.isdecimal() and len(row) < 6 else 1, 1), 10_000)
    return await _answer(request, Pasted.model_validate(given | {"row": number}), inspections)


def _example(slug: str, inspections: Inspections) -> dict[str, str]:
    rows = inspections.example("rows")
    if slug == "rows":
        return {"rows": rows}
    if slug == "marker":
        return {"rows": rows.replace("And the other tokens?", "And if I type <|im_end|> or # or >?")}
    return {"rows": inspections.example(slug), "against": rows}


async def _answer(request: Request, state: Pasted, inspections: Inspections) -> Response:
    templates = ("own", *inspections.templates, "pasted")
    for value, known, name in (
        (state.tokenizer, inspections.tokenizers, "tokenizer"),
        (state.template, templates, "template"),
        (state.intent, {FOUND, *INTENTS}, "intent"),
        (state.thinking, THINKING, "thinking"),
    ):
        check_known(value, known, name)
    intents: dict[str, str] = {FOUND: "found from the rows"} | {str(slug): title for slug, title in INTENTS.items()}
    context = InspectContext(state, EXAMPLES, tuple(inspections.tokenizers), templates, intents, tuple(THINKING))
    name = "inspect/_view.html" if is_partial(request) else "inspect/page.html"
    return await render_view(request, name, context, _view(state, inspections), REFUSED)


def _asked(state: Pasted, inspections: Inspections, template: str | None) -> Asked:
    intent = next((Intent(turns) for turns in INTENTS if turns == state.intent), None)
    files = {"tokenizer.json": state.tokenizer_json} if state.tokenizer_json.strip() else None
    if files is not None and template is None:
        template = inspections.own_template(NAME)
    options = Options(intent, THINKING[state.thinking])
    against = state.against if state.against.strip() else None
    return Asked(state.rows, against, None, state.tokenizer, files, template, options, state.row - 1)


def _template(state: Pasted, inspections: Inspections) -> str | None:
    if state.template == "pasted":
        return state.template_text.replace("\r\n", "\n")
    return inspections.templates.get(state.template)


async def _view(state: Pasted, inspections: Inspections) -> View:
    """Raises what REFUSED names."""
    answer = await inspections.inspect(_asked(state, inspections, _template(state, inspections)))
    report, shown = answer["report"], SHOWN.validate_python(answer["shown"])
    number = shown.number if shown else state.row - 1
    places: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    rules: dict[int, list[str]] = defaultdict(list)
    for one in report["findings"]:
        places[f"{one['rule']} {one['severity']}"].append(one)
        if one["row"] == number and one["positions"]:
            rules[one["positions"][0]].append(one["rule"])
    severities = [one["severity"] for one in report["summary"]]
    return View(
        report,
        answer["headline"],
        shown,
        draw_row(shown, rules) if shown else (),
        places,
        cut_lanes(shown) if shown else (),
        tuple(lane for lane in shown.lanes if not lane.mask) if shown else (),
        await _beside(state, inspections) if shown and not shown.labelled else (),
        severities.count("error"),
        severities.count("warning"),
    )


async def _beside(state: Pasted, inspections: Inspections) -> tuple[Beside, ...]:
    """The same row under the templates that ship and the tokenizer's own."""
    found = []
    for title, template in (("own", None), *inspections.templates.items()):
        try:
            answer = await inspections.inspect(_asked(state, inspections, template))
        except REFUSED as error:
            found.append(Beside(title, (), 0, 0, error.message))
            continue
        shown = SHOWN.validate_python(answer["shown"])
        if shown is not None:
            found.append(Beside(title, draw_row(shown, {}), shown.tokens, shown.trained.count("1")))
    return tuple(found)
