"""/api/v1/inspect: rows of data, or of a dump, inspected as the command does; and what the rules are."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from app.api.schemas import ERRORS, Answer, Request
from app.deps import InspectionsDep
from app.workers.inspections import MOST_ROWS, MOST_TOKENS, Asked
from model.inspector.catalogue import RULES
from model.inspector.examples import NAME
from model.inspector.intents import Intent, Turns
from model.inspector.options import Options

router = APIRouter(prefix="/api/v1/inspect", tags=["inspect"], responses=ERRORS)

MOST_NAMES = 64
FileName = Literal[
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "config.json",
    "chat_template.jinja",
]
"""Of a tokenizer's folder, that may be given as texts."""


class IntentRequest(Request):
    turns: Turns = "all-assistant"
    reasoning: Literal["train", "ignore"] = "train"
    tool_calls: Literal["train", "ignore"] = "train"
    supplied: Literal["train", "ignore"] = "ignore"
    separator: Literal["any", "ignore", "train"] = "any"
    roles: list[str] = Field(default=[], max_length=MOST_NAMES, description="Other roles that are meant to be trained.")


class InspectRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": [
                        {
                            "messages": [
                                {"role": "user", "content": "What is a loss mask?"},
                                {"role": "assistant", "content": "It says which tokens are trained."},
                            ]
                        }
                    ]
                }
            ]
        }
    )

    rows: list[Any] = Field(
        min_length=1,
        max_length=MOST_ROWS,
        description=f"Rows of data in any known shape, or of a dump; {MOST_TOKENS:,} tokens at most in all.",
    )
    against: list[Any] | None = Field(None, max_length=MOST_ROWS, description="The rows that a dump was made of.")
    dump: bool | None = Field(None, description="Default: told by the first row.")
    template: str | None = Field(None, description="A chat template; default: the tokenizer's own.")
    tokenizer: str | dict[FileName, str] | None = Field(
        NAME, description="The name of one that this server offers, or its files' texts by name; null: none."
    )
    intent: IntentRequest | None = Field(None, description="Default: found from the rows.")
    serving: dict[str, Any] = Field({}, max_length=MOST_NAMES, description="Arguments that the server renders with.")
    loss: Literal["shifts", "does-not-shift"] = "shifts"
    stops: list[int | str] = Field([], max_length=MOST_NAMES, description="Stops that the server is given.")
    allowed_tokens: list[str] = Field([], max_length=MOST_NAMES, description="Control tokens that contents may hold.")
    max_length: int | None = Field(None, ge=1, le=10_000_000, description="Tokens at which the trainer cuts rows.")


class FindingAnswer(Answer):
    rule: str
    name: str
    severity: Literal["error", "warning", "info"]
    row: int | None
    turn: int | None
    positions: list[int]
    says: str
    mend: str


class InspectAnswer(Answer):
    """The report of `maskscope inspect --json`."""

    schema_version: int
    findings: list[FindingAnswer]
    summary: list[dict[str, Any]]
    not_evaluated: list[dict[str, str]]
    convention: dict[str, Any] | None
    intent: dict[str, Any]
    serving_arguments: dict[str, Any]
    stop_contract: list[dict[str, Any]]
    counts: dict[str, Any]
    notes: list[str]
    cannot_tell: str | None
    hashes: dict[str, str]


class RuleAnswer(Answer):
    id: str
    name: str
    severity: Literal["error", "warning", "info"]
    tier: str
    matters: str
    mend: str
    report: str
    bug: str


class RulesAnswer(Answer):
    rules: list[RuleAnswer]


@router.post("")
async def inspect(request: InspectRequest, inspections: InspectionsDep) -> InspectAnswer:
    """What is wrong with the rows, by which rule and where; conventions, intent, stop contract, counts."""
    given = request.intent
    intent = None
    if given is not None:
        intent = Intent(
            given.turns,
            given.reasoning == "train",
            given.tool_calls == "train",
            given.supplied == "train",
            given.separator,
            frozenset(given.roles),
        )
    options = Options(
        intent, request.serving, request.loss, tuple(request.stops), tuple(request.allowed_tokens), request.max_length
    )
    given_files = request.tokenizer if isinstance(request.tokenizer, dict) else None
    named = request.tokenizer if isinstance(request.tokenizer, str) else None
    files = None if given_files is None else {str(name): text for name, text in given_files.items()}
    asked = Asked(request.rows, request.against, request.dump, named, files, request.template, options)
    return InspectAnswer.model_validate((await inspections.inspect(asked))["report"])


@router.get("/rules")
async def rules() -> RulesAnswer:
    """All rules with what each says of itself; `bug` is the model on `/bugs` that was trained so, if there is one."""
    return RulesAnswer(rules=[RuleAnswer.model_validate(rule.as_plain()) for rule in RULES.values()])
