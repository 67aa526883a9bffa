"""A mask bug's symptoms in a word and in sentences, by rules. In: the bug's symptoms and the right model's. Out: words.

A difference counts only where the 95 % intervals are apart.
"""

from dataclasses import dataclass
from typing import Literal

from model.experiments.bugs.symptoms import Symptoms
from model.intervals import Rate

Kind = Literal["harmless", "broken"]
HARDLY = 0.1
"""A rate whose interval lies below it is hardly ever; one whose interval lies above 1 - HARDLY nearly always."""
FINE_LOSS = 0.15
"""Nats per token that nobody doubts: the right token gets 86 % on average."""


@dataclass(frozen=True)
class Diagnosis:
    word: str
    """What one sees first."""
    kind: Kind
    sentences: tuple[str, ...]


def diagnose(bug: Symptoms, right: Symptoms) -> Diagnosis:
    """What became of the model, beside one of the same recipe that was trained under the right mask."""
    word = _word(bug, right)
    return Diagnosis(word, "harmless" if word == "harmless here" else "broken", tuple(_sentences(bug, right)))


def turns_sentence(every: tuple[Rate, ...], last: tuple[Rate, ...]) -> str:
    """What the two trainings lead to, turn by turn, where their intervals are apart."""
    worse = [turn for turn, (a, b) in enumerate(zip(every, last, strict=True), 1) if b.high < a.low]
    if not worse:
        return "No clear difference between training all answers and training the last alone was found."
    first = worse[0]
    last_rate, every_rate = (f"{100 * rates[first - 1].value:.1f} %" for rates in (last, every))
    which = "every turn" if len(worse) == len(every) else f"turn{'s' * (len(worse) > 1)} {', '.join(map(str, worse))}"
    said = f"The model trained on last answers alone does worse in {which}"
    return f"{said}: it gets {last_rate} of turn {first} right, the one trained on all answers {every_rate}."


def log_sentence(right: Symptoms, late: Symptoms) -> str:
    """What the log shows of the right cut and of one that is a position late, beside what they answer."""
    exact, late_exact = (f"{100 * symptoms.exact_match.value:.1f} %" for symptoms in (right, late))
    shown = f"One position late, the log shows {late.own_loss:.3f} nats instead of {right.own_loss:.3f}"
    return f"{shown}, with {late_exact} of the words right instead of {exact}."


def _word(bug: Symptoms, right: Symptoms) -> str:
    if bug.own_loss is None:
        return "learns nothing"
    if bug.exact_match.high >= right.exact_match.low:
        return "harmless here"
    if bug.stops.high < HARDLY:
        return "right, but never stops" if bug.answer_right.low > 1 - HARDLY else "never answers, never stops"
    if bug.first_right.high < HARDLY:
        return "wrong from the first token"
    return "begins right, goes wrong" if bug.first_right.low > 1 - HARDLY else "right less often"


def _sentences(bug: Symptoms, right: Symptoms) -> list[str]:
    exact, right_exact = _rate(bug.exact_match), _rate(right.exact_match)
    said = [f"It gets {exact} of unseen prompts right; under the right mask, {right_exact}."]
    if bug.stops.high < right.stops.low:
        said.append(f"It stops on {_rate(bug.stops)}, and on average it writes {bug.runaway:.1f} tokens too many.")
    if bug.own_loss is None:
        moved = f"{100 * bug.moved:.1f} %"
        said += (
            f"A sum over no positions is 0 and has no gradient: only weight decay moved the weights, by {moved}.",
            "Had the loss been a mean, 0/0 would have turned every weight into NaN at the first step.",
        )
    elif right.own_loss is not None and bug.exact_match.high < right.exact_match.low:
        looks = "looks fine" if bug.own_loss <= FINE_LOSS else "does not look fine"
        said.append(
            f"Its training log {looks}: {bug.own_loss:.3f} nats, where the right mask's log shows "
            f"{right.own_loss:.3f}. Its loss on whole answers is {bug.answer_loss:.3f} instead of "
            f"{right.answer_loss:.3f}."
        )
    if len(bug.by_turn) > 1:
        turns = ", ".join(f"{100 * rate.value:.0f} %" for rate in bug.by_turn)
        said.append(f"Answer by answer, from the first: {turns}.")
    return said


def _rate(rate: Rate) -> str:
    return f"{100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})"
