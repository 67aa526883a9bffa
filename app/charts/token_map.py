"""All tokens of a row on one line: in their order, and by whose they are, each with what of it is trained.

In: a shown row. Out: stretches and shares for a template.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from app.charts.tokens import FRAME
from model.inspector.owners import ANSWER, CALL, CONTEXT, INJECTED, PART_WORDS, REASONING, STOP
from model.inspector.shown import ShownRow

PUT_IN = PART_WORDS["injected"]
NAMES = {ANSWER: "answer", REASONING: "reasoning", CALL: "tool call", STOP: "stop", INJECTED: PUT_IN}
ORDER = (
    "template",
    "system",
    "developer",
    "user",
    "tool",
    "text",
    "reasoning",
    "tool call",
    PUT_IN,
    "answer",
    "stop",
)


@dataclass(frozen=True)
class Run:
    """`kind`: "tr" trained, "ig" ignored, "su" supplied, "x" not as intended."""

    start: int
    length: int
    kind: str
    name: str = ""


@dataclass(frozen=True)
class Share:
    """Of `tokens` in all, those of one owner; `wrong`: they should not be trained."""

    name: str
    tokens: int
    start: int
    kind: str
    share: float


@dataclass(frozen=True)
class TokenMap:
    """`runs` and `wrong` in tokens from 0 to `tokens`; `all` and `loss`: what all tokens and the loss are made of."""

    tokens: int
    runs: tuple[Run, ...]
    wrong: tuple[Run, ...]
    all: tuple[Share, ...]
    loss: tuple[Share, ...]
    trained: int
    missing: int
    surplus: int


def draw_map(row: ShownRow) -> TokenMap:
    length = len(row.ids)
    kinds = [_kind(row, at) for at in range(length)]
    wrong = [bool(row.right) and row.right[at] != row.trained[at] for at in range(length)]
    names = list(_names(row))
    kept = [at for at in range(length) if row.trained[at] == "1"]
    surplus = sum(wrong[at] for at in kept)
    return TokenMap(
        length,
        tuple(_runs(kinds)),
        tuple(run for run in _runs(["x" if one else "" for one in wrong]) if run.kind),
        _shares([(names[at], "su" if names[at] == "template" else "ig") for at in range(length)]),
        _shares([(names[at], "x" if wrong[at] else "tr") for at in kept]),
        len(kept),
        sum(wrong) - surplus,
        surplus,
    )


def _kind(row: ShownRow, at: int) -> str:
    if row.trained[at] == "1":
        return "tr"
    return "su" if row.right and row.parts[at] in FRAME else "ig"


def _names(row: ShownRow) -> Iterator[str]:
    """Of each token whose it is, as a reader would say it."""
    for message in row.messages:
        for at in range(message.start, message.stop):
            part = row.parts[at]
            if not row.right:
                yield "text"
            elif part in FRAME:
                yield "template"
            else:
                yield NAMES.get(part, (message.role or "text") if part == CONTEXT else "text")


def _runs(kinds: list[str]) -> Iterator[Run]:
    start = 0
    for kind, group in groupby(kinds):
        length = len(list(group))
        yield Run(start, length, kind)
        start += length


def _shares(owned: list[tuple[str, str]]) -> tuple[Share, ...]:
    """Those that are wrong first, then in ORDER."""
    counted, start = Counter(owned), 0
    shares = []

    def place(one: tuple[str, str]) -> tuple[bool, int, str]:
        return one[1] != "x", ORDER.index(one[0]) if one[0] in ORDER else ORDER.index("text"), one[0]

    for name, kind in sorted(counted, key=place):
        tokens = counted[name, kind]
        shares.append(Share(name, tokens, start, kind, tokens / len(owned)))
        start += tokens
    return tuple(shares)
