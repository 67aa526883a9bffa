"""How the visualizer stands on a screen: presented or not, what is hidden, which keys act; nothing of what is shown.

Literal tables, and the state that an address says.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from pydantic import BaseModel

from model.errors import unknown


@dataclass(frozen=True)
class Part:
    """What `?hide=` can take from the page."""

    name: str
    what: str


PARTS = {
    part.name: part
    for part in (
        Part("word", "the field for the word"),
        Part("examples", "the examples"),
        Part("switch", "the mask switch"),
        Part("gradient", "the row of gradients"),
        Part("predictions", "what both models predict"),
        Part("answers", "what both models write"),
        Part("curve", "the curve, its slider and the buttons beside it"),
        Part("seeds", "what all seeds say"),
        Part("counters", "the counters"),
        Part("details", "everything under the figure"),
    )
}


@dataclass(frozen=True)
class Key:
    """One key of the page; `<key-list>` does what it says."""

    names: tuple[str, ...]
    what: str
    is_character: bool = True
    """Acts only while single keys are on; all others act while presenting."""


KEYS = (
    Key(("m",), "mask on or off"),
    Key(("p",), "train, or pause"),
    Key(("g",), "next gradient"),
    Key(("n",), "next example"),
    Key(("f",), "present, or leave"),
    Key(("q",), "an address for the room"),
    Key(("v",), "a vote: ask the class about this word"),
    Key(("?",), "this list"),
    Key(("←", "→"), "another position", is_character=False),
    Key(("↓", "↑"), "a step back, a step on", is_character=False),
    Key(("Esc",), "leave", is_character=False),
)


class ScreenState(BaseModel):
    """What the address says of it."""

    present: Literal["on", "off"] = "off"
    keys: Literal["on", "off"] = "on"
    hide: str = ""
    """Names of PARTS, with commas between them."""


@dataclass(frozen=True)
class Screen:
    presents: bool = False
    has_keys: bool = True
    hidden: tuple[Part, ...] = ()
    """In the table's order."""
    parts: tuple[Part, ...] = tuple(PARTS.values())
    keys: tuple[Key, ...] = KEYS

    @property
    def query(self) -> dict[str, str]:
        """Parameters of an address; none for what is so anyway."""
        hidden = ",".join(part.name for part in self.hidden)
        said = {"hide": hidden, "keys": "" if self.has_keys else "off", "present": "on" if self.presents else ""}
        return {name: value for name, value in said.items() if value}

    @property
    def suffix(self) -> str:
        """`&hide=switch,curve`: what an address of this page must end in to leave the screen as it is."""
        return "&" + urlencode(self.query, safe=",") if self.query else ""


def read_screen(state: ScreenState) -> Screen:
    """Raises UnknownName for a part that cannot be hidden."""
    named = {name.strip() for name in state.hide.split(",")} - {""}
    for name in sorted(named - PARTS.keys()):
        raise unknown("part to hide", name, PARTS, param="hide")
    hidden = tuple(part for part in PARTS.values() if part.name in named)
    return Screen(presents=state.present == "on", has_keys=state.keys == "on", hidden=hidden)
