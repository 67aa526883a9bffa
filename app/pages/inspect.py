"""Inspect (`/inspect`): one's own rows, template, tokenizer. What is pasted is never in the address."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from app.charts.dock import Dock, draw_dock, walk_data
from app.charts.serving import Switch, draw_switches
from app.charts.token_map import TokenMap, draw_map
from app.charts.tokens import LaneCut, MessageBand, cut_lanes, draw_row
from app.deps import InspectionsDep
from app.forms import Form, read_form
from app.templating import is_partial, render_view
from app.workers.inspection_orders import ARGUMENTS, SHOWN
from app.workers.inspections import Asked, Inspections
from model.errors import MaskscopeError, check_known
from model.inspector.arguments import read_serving
from model.inspector.examples import MISTAKES, NAME
from model.inspector.folders import FILES
from model.inspector.intents import INTENTS, Intent
from model.inspector.options import Options
from model.inspector.refusals import LimitHit, TemplateRefused, UnreadableInput
from model.inspector.shown import Lane, ShownRow

router = APIRouter(include_in_schema=False)

FOUND, OWN, PASTED = "found", "own", "pasted"
REFUSED: tuple[type[MaskscopeError], ...] = (LimitHit, TemplateRefused, UnreadableInput)
EXAMPLES = {mistake.slug: mistake.title for mistake in MISTAKES} | {"rows": "rows, no dump", "marker": "a marker typed"}
CHOICES = {
    FOUND: "as found",
    "all-assistant": "every answer",
    "last-assistant": "the last answer",
    "completion": "the completion",
    "declared": "what switches say",
    "full": "all tokens",
}
"""What is meant to be trained: INTENTS in a word or two."""
SAYS = {"train": "trained", "ignore": "ignored"}
SWITCH = "arg."
"""In front of an argument's name, in the form."""
MOST_BESIDE, LONGEST_BESIDE = 6, 400
"""Templates side by side, and tokens up to which the text of each is shown."""


class State(BaseModel):
    """What the address may say. `args`: what the server renders with, as JSON."""

    example: str = MISTAKES[0].slug
    tokenizer: str = NAME
    template: str = OWN
    intent: str = FOUND
    thoughts: str = "train"
    calls: str = "train"
    args: Annotated[str, Field(max_length=2_000)] = ""
    row: Annotated[int, Field(ge=1, le=10_000)] = 1
    token: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class Pasted(State):
    """The whole form, of which the rest comes in a body only."""

    rows: str = ""
    against: str = ""
    template_text: str = ""
    tokenizer_json: str = ""
    folder_files: Mapping[str, str] = {}
    switched: Mapping[str, str] = {}

    @property
    def serving(self) -> dict[str, Any]:
        """Raises UnreadableInput."""
        return read_serving(self.args, self.switched)

    @property
    def address(self) -> str:
        """Of this page with the options, and without anything pasted."""
        said = self.model_copy(update={"args": json.dumps(self.serving) if self.serving else ""})
        names = State.model_fields.items()
        given = {name: value for name, field in names if (value := getattr(said, name)) != field.default}
        return f"/inspect?{urlencode(given)}" if given else "/inspect"


@dataclass(frozen=True)
class InspectContext:
    """What the form offers, and what is chosen."""

    state: Pasted
    examples: Mapping[str, str]
    tokenizers: tuple[str, ...]
    templates: Mapping[str, str]
    intents: Mapping[str, str]
    says: Mapping[str, str]
    most_bytes: int


@dataclass(frozen=True)
class Beside:
    """The same conversation under another template; without `drawn` it was refused."""

    title: str
    drawn: TokenMap | None
    bands: tuple[MessageBand, ...] = ()
    stop: str = ""
    findings: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True)
class View:
    report: Mapping[str, Any]
    headline: str
    shown: ShownRow | None
    drawn: TokenMap | None
    dock: Dock | None
    walk: str
    bands: tuple[MessageBand, ...]
    places: Mapping[str, list[Mapping[str, Any]]]
    """Of each rule and severity, where it fired."""
    cuts: tuple[LaneCut, ...]
    silent: tuple[Lane, ...]
    beside: tuple[Beside, ...]
    switches: tuple[Switch, ...]
    other_args: str
    errors: int
    warnings: int
    shifted: bool


@router.api_route("/inspect", methods=["GET", "HEAD"])
async def page(request: Request, state: Annotated[State, Query()], inspections: InspectionsDep) -> Response:
    """An example, as the address has it, or an empty form for one's own."""
    check_known(state.example, {**EXAMPLES, OWN: ""}, "example")
    filled = Pasted.model_validate(state.model_dump() | inspections.example_of(state.example))
    return await _answer(request, filled, inspections, asks=state.example != OWN)


@router.post("/inspect")
async def pasted(request: Request, inspections: InspectionsDep) -> Response:
    """What was pasted or chosen as files. It comes in the body, and is in no address and no log."""
    state = _state_of(await read_form(request), inspections)
    if state.example != OWN and not is_partial(request):
        return RedirectResponse(state.address, 303)
    response = await _answer(request, state, inspections)
    if response.status_code == 200:
        response.headers["HX-Replace-Url"] = state.address
    return response


def _state_of(form: Form, inspections: Inspections) -> Pasted:
    """Files come before what is pasted. Raises UnreadableInput."""
    fields = {name: value.replace("\r\n", "\n") for name, value in form.fields.items()}
    switched = {name.removeprefix(SWITCH): value for name, value in fields.items() if name.startswith(SWITCH)}
    row, token = _number(fields.pop("show", fields.pop("row", ""))) or 1, _number(fields.pop("token", ""))
    given: dict[str, Any] = fields | {"row": row, "token": token, "switched": switched}
    for name in ("rows", "against"):
        if files := form.files.get(f"{name}_file"):
            given[name] = next(iter(files.values()))
    if files := form.files.get("template_file"):
        given |= {"template_text": next(iter(files.values())), "template": PASTED}
    given["folder_files"] = _folder_files(form.files.get("tokenizer_files", {}))
    state = Pasted.model_validate(given)
    example = inspections.example_of(state.example) if state.example in EXAMPLES else {}
    same = all(getattr(state, name).strip() == example.get(name, "").strip() for name in ("rows", "against"))
    is_own = not same or state.template == PASTED or state.tokenizer_json.strip() or state.folder_files
    return state.model_copy(update={"example": OWN}) if is_own else state


def _number(text: str) -> int | None:
    return min(int(text), 10_000) if text.isdecimal() and len(text) < 8 else None


def _folder_files(files: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(files) - set(FILES))
    if unknown:
        raise UnreadableInput(f"{unknown[0]!r} is no file of a tokenizer; allowed: {', '.join(FILES)}")
    return dict(files)


async def _answer(request: Request, state: Pasted, inspections: Inspections, asks: bool = True) -> Response:
    templates = {OWN: "its own"} | {name: name for name in inspections.templates} | {PASTED: "pasted"}
    for value, known, name in (
        (state.tokenizer, inspections.tokenizers, "tokenizer"),
        (state.template, templates, "template"),
        (state.intent, CHOICES, "intent"),
        (state.thoughts, SAYS, "thoughts"),
        (state.calls, SAYS, "calls"),
    ):
        check_known(value, known, name)
    tokenizers, most = tuple(inspections.tokenizers), request.app.state.settings.inspection_body_limit_bytes
    context = InspectContext(state, EXAMPLES, tokenizers, templates, CHOICES, SAYS, most)
    name = "inspect/_view.html" if is_partial(request) else "inspect/page.html"
    return await render_view(request, name, context, _view(state, inspections) if asks else _nothing(), REFUSED)


async def _nothing() -> None:
    """An empty form."""


def _asked(state: Pasted, inspections: Inspections, template: str | None) -> Asked:
    turns = next((turns for turns in INTENTS if turns == state.intent), None)
    wanted = Intent(turns or "all-assistant", state.thoughts == "train", state.calls == "train")
    files = dict(state.folder_files) or (
        {"tokenizer.json": state.tokenizer_json} if state.tokenizer_json.strip() else None
    )
    if files is not None and template is None and "chat_template" not in "".join((*files, files.get(FILES[1], ""))):
        template = inspections.own_template(NAME)
    options = Options(None if turns is None and wanted == Intent() else wanted, state.serving)
    against = state.against if state.against.strip() else None
    return Asked(state.rows, against, None, state.tokenizer, files, template, options, state.row - 1)


def _template(state: Pasted, inspections: Inspections) -> str | None:
    return state.template_text if state.template == PASTED else inspections.templates.get(state.template)


async def _view(state: Pasted, inspections: Inspections) -> View:
    """Raises what REFUSED names."""
    answer = await inspections.inspect(_asked(state, inspections, _template(state, inspections)))
    report, shown = answer["report"], SHOWN.validate_python(answer["shown"])
    places: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in report["findings"]:
        places[f"{one['rule']} {one['severity']}"].append(one)
    rules = _rules_at(report, shown)
    severities = [one["severity"] for one in report["summary"]]
    switches, other = draw_switches(ARGUMENTS.validate_python(answer["arguments"]), state.serving)
    return View(
        report,
        answer["headline"],
        shown,
        draw_map(shown) if shown else None,
        draw_dock(shown, rules, state.token) if shown else None,
        walk_data(shown, rules) if shown else "",
        draw_row(shown, {at: [rule for rule, place in found if place] for at, found in rules.items()}) if shown else (),
        places,
        cut_lanes(shown) if shown else (),
        tuple(lane for lane in shown.lanes if not lane.mask) if shown else (),
        await _beside(state, inspections) if shown else (),
        switches,
        other,
        severities.count("error"),
        severities.count("warning"),
        any(one["rule"] == "M10" for one in report["summary"]),
    )


def _rules_at(report: Mapping[str, Any], shown: ShownRow | None) -> dict[int, list[tuple[str, bool]]]:
    """Of each token of the row shown, the rules that name it, and whether they name it first."""
    found: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for one in report["findings"]:
        if shown is not None and one["row"] == shown.number:
            for place, at in enumerate(one["positions"]):
                found[at].append((one["rule"], place == 0))
    return found


async def _beside(state: Pasted, inspections: Inspections) -> tuple[Beside, ...]:
    """The same row under the templates that ship and those of all tokenizers offered, each with its own tokenizer."""
    rows = state.against if state.against.strip() else state.rows
    plain = state.model_copy(update={"rows": rows, "against": "", "token": None})
    if rows is state.rows and '"messages"' not in rows[:2_000] and '"conversations"' not in rows[:2_000]:
        return ()
    wanted: list[tuple[str, str, str | None]] = [(f"{state.tokenizer}, its own", state.tokenizer, None)]
    wanted += [
        (f"{name}, with {state.tokenizer}", state.tokenizer, text) for name, text in inspections.templates.items()
    ]
    wanted += [(f"{name}, its own", name, None) for name in inspections.tokenizers if name != state.tokenizer]
    return tuple([await _one_beside(plain, inspections, *one) for one in wanted[:MOST_BESIDE]])


async def _one_beside(
    state: Pasted, inspections: Inspections, title: str, tokenizer: str, template: str | None
) -> Beside:
    same = tokenizer == state.tokenizer
    other = {} if same else {"tokenizer": tokenizer, "tokenizer_json": "", "folder_files": {}}
    try:
        asked = _asked(state.model_copy(update=other), inspections, template)
        answer = await inspections.inspect(replace(asked, alone=True))
    except REFUSED as error:
        return Beside(title, None, refused=error.message)
    report, shown = answer["report"], SHOWN.validate_python(answer["shown"])
    if shown is None:
        return Beside(title, None, refused="; ".join(one["says"] for one in report["summary"]) or "no tokens")
    stops = [one["stop"] for one in report["stop_contract"] if one["stop"]]
    findings = tuple(f"{one['severity']} {one['rule']}: {one['says']}" for one in report["summary"])
    bands = draw_row(shown, {}) if shown.tokens <= LONGEST_BESIDE else ()
    return Beside(title, draw_map(shown), bands, stops[0] if stops else "", findings)
