"""From rows to a report in one process: what the worker runs for a page.

In: rows as JSON values, a folder, a template, options. The command runs the same steps, in pieces, over any file.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from model.inspector.contract import StopContract
from model.inspector.conventions import Convention, find_convention
from model.inspector.conversations import Conversation
from model.inspector.dump_inspection import DumpInspector
from model.inspector.dumps import DumpRow, read_dump
from model.inspector.folders import TokenizerFolder
from model.inspector.formats import PlainText, RowFormat, detect_format, read_row
from model.inspector.inspection import Inspector, Order
from model.inspector.intents import INTENTS, Intent, Turns
from model.inspector.options import Options
from model.inspector.partial import Partial
from model.inspector.refusals import LimitHit, UnreadableInput
from model.inspector.report import Report, file_places, not_evaluated_labels
from model.inspector.survey import Survey
from model.inspector.template_rules import unevaluated

Row = TypeVar("Row")
DataRow = tuple[int, Conversation | PlainText]


def read_data(rows: Iterable[Any], known: RowFormat | None = None, first_row: int = 0) -> Iterator[DataRow]:
    """Rows of one shape, told by the first, numbered on from `first_row`. Raises UnreadableInput, naming the row."""
    for number, row in enumerate(rows, first_row):
        try:
            known = known or detect_format(row)
            yield number, read_row(row, known)
        except UnreadableInput as error:
            raise UnreadableInput(f"row {number + 1}: {error.message}", param=error.param) from error


def read_dumps(rows: Iterable[Any]) -> Iterator[tuple[int, DumpRow]]:
    """Rows numbered from 0; a line may hold a batch of them. Raises UnreadableInput, naming the row."""
    number = 0
    for line in rows:
        try:
            found = list(read_dump(line))
        except UnreadableInput as error:
            raise UnreadableInput(f"row {number + 1}: {error.message}", param=error.param) from error
        for row in found:
            yield number, row
            number += 1


def survey_data(rows: Iterable[DataRow]) -> Survey:
    survey = Survey()
    for _, row in rows:
        survey.add_data(row)
    return survey


def survey_dump(rows: Iterable[tuple[int, DumpRow]]) -> Survey:
    survey = Survey()
    for _, row in rows:
        survey.add_dump(row)
    return survey


def order_of(
    options: Options, folder: TokenizerFolder | None, survey: Survey, intent: Intent, convention: Convention | None
) -> Order:
    def number(one: int | str) -> int | None:
        if isinstance(one, int):
            return one
        return int(one) if one.isdigit() else folder.tokenizer.token_to_id(one) if folder else None

    stops = frozenset(found for one in options.server_stops if (found := number(one)) is not None)
    allowed = frozenset(found for one in options.allowed_tokens if (found := number(one)) is not None)
    return Order(intent, options.serving, convention, survey, stops, allowed, options.max_length, options.most_turns)


def intent_of_data(options: Options, survey: Survey, slug: str = "") -> Intent:
    """Given, or by what the rows are: switches, prompts with completions, texts."""
    if options.intent is not None:
        return options.intent
    if survey.has_switches:
        return Intent("declared", given=False, why="messages carry switches")
    if slug == "prompt-completion":
        return Intent("completion", given=False, why="rows are prompt and completion")
    if slug == "text":
        return Intent("full", given=False, why="rows are texts")
    return Intent(given=False, why="the default")


@dataclass(frozen=True)
class Prepared:
    """Rows read and surveyed, and the inspector that judges them. `dump` None: rows of data."""

    inspector: Inspector
    data: list[DataRow] | None
    dump: list[tuple[int, DumpRow]] | None
    convention: Convention | None

    def judge(self, most_tokens: int | None, beat: Callable[[], None]) -> Partial:
        """Raises LimitHit if there are more tokens than `most_tokens`. Says before each row that it is at work."""
        partial = self.inspector.template_partial()
        if self.dump is not None:
            check_tokens(sum(len(row.ids) for _, row in self.dump), most_tokens)
            against = iter(self.data) if self.data is not None else None
            partial.merge(DumpInspector(self.inspector).inspect_dump(_beating(self.dump, beat), against))
            return partial
        for row in _beating(self.data or (), beat):
            partial.merge(self.inspector.inspect_rows([row]))
            check_tokens(partial.tokens, most_tokens)
        return partial


def _beating(rows: Iterable[Row], beat: Callable[[], None]) -> Iterator[Row]:
    for row in rows:
        beat()
        yield row


def check_tokens(tokens: int, most: int | None) -> None:
    if most is not None and tokens > most:
        raise LimitHit(f"more than {most:,} tokens at once; the command line has no such limit", param="rows")


def prepare_data(
    rows: Sequence[Any], folder: TokenizerFolder | None, template: str | None, options: Options, now: datetime
) -> Prepared:
    """Rows as JSON values. Raises UnreadableInput, TemplateRefused or LimitHit."""
    slug = detect_format(rows[0]).slug if rows else ""
    data = list(read_data(rows))
    survey = survey_data(data)
    intent = intent_of_data(options, survey, slug)
    return Prepared(Inspector(folder, template, order_of(options, folder, survey, intent, None), now), data, None, None)


def prepare_dump(
    rows: Sequence[Any],
    against: Sequence[Any] | None,
    folder: TokenizerFolder | None,
    template: str | None,
    options: Options,
    now: datetime,
) -> Prepared:
    """Rows of a dump, beside the data they were made of if that is given."""
    dump = list(read_dumps(rows))
    survey = survey_dump(dump)
    data = list(read_data(against)) if against is not None else None
    if data is not None:
        survey.merge(replace_rows(survey_data(data)))
    convention = find_convention(survey.shifts) if survey.has_labels else None
    slug = detect_format(against[0]).slug if against else ""
    intent = choose_intent(dump[:SAMPLE], data, folder, template, options, survey, convention, slug, now)
    order = order_of(options, folder, survey, intent, convention)
    return Prepared(Inspector(folder, template, order, now), data, dump, convention)


def report_on(
    prepared: Prepared,
    options: Options,
    most_tokens: int | None = None,
    beat: Callable[[], None] = lambda: None,
) -> Report:
    partial, inspector = prepared.judge(most_tokens, beat), prepared.inspector
    return report_of(partial, opened(inspector), options, inspector.order.intent, prepared.convention)


SAMPLE = 200
"""Rows of a dump from which the intent is inferred."""
CANDIDATES: tuple[Turns, ...] = ("all-assistant", "last-assistant")


def choose_intent(
    dump: Sequence[tuple[int, DumpRow]],
    data: Iterable[DataRow] | None,
    folder: TokenizerFolder | None,
    template: str | None,
    options: Options,
    survey: Survey,
    convention: Convention | None,
    slug: str,
    now: datetime,
) -> Intent:
    """Given, declared by switches, or the one whose right mask fits the first rows best by F1."""
    known = intent_of_data(options, survey, slug)
    if known.given or known.turns != "all-assistant":
        return known
    inspector = Inspector(folder, template, order_of(options, folder, survey, Intent(), convention), now)
    scores = DumpInspector(inspector).intent_scores(dump, iter(data) if data is not None else None, CANDIDATES)
    ranked = sorted(CANDIDATES, key=lambda turns: -scores[turns])
    best, second = ranked[0], ranked[1]
    if scores[best] == scores[second]:
        return Intent(given=False, why="the default")
    why = f"it fits the first {len(dump)} rows best, F1 {scores[best]:.2f}; {INTENTS[second]}, {scores[second]:.2f}"
    return Intent(best, given=False, why=why)


def replace_rows(survey: Survey) -> Survey:
    """The data's survey, for a report on a dump: its rows are not the dump's."""
    return replace(survey, rows=0)


@dataclass(frozen=True)
class Opened:
    """What an inspector's template and folder are, for a report made elsewhere."""

    contract: StopContract
    missing: dict[str, str]


def opened(inspector: Inspector) -> Opened:
    missing = unevaluated(inspector.contract, inspector.folder)
    if inspector.reader is None:
        missing |= dict.fromkeys(("M07", "M17", "M18", "M31", "M32"), "there is no template")
    return Opened(inspector.contract, missing)


def report_of(
    partial: Partial, made: Opened, options: Options, intent: Intent, convention: Convention | None
) -> Report:
    partial.add(file_places(partial, convention, options.loss, intent))
    missing = made.missing | not_evaluated_labels(convention)
    if partial.abstained:
        missing["M30"] = f"O1 abstains on {sum(partial.abstained.values())} rows: {next(iter(partial.abstained))}"
    cannot = ""
    if convention is not None and convention.shift is None and not convention.few_and_aligned:
        cannot = convention.why
    return Report(partial, made.contract, intent, convention, missing, (), {}, options.serving, options.loss, cannot)
