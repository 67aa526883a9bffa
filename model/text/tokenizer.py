"""Characters and special tokens <-> ids. In: text of one alphabet. Out: ids. Refuses every other character.

Ids follow the lesson: the alphabet first, then `<` USER_START, `>` ASSISTANT_START, `#` END_OF_TURN, and one pad id
where a recipe pads. With a-z and no pad this is the lesson's vocabulary of 29.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase, digits

from model.errors import InvalidText
from model.writing import ordinal

USER_START = "<"
ASSISTANT_START = ">"
END_OF_TURN = "#"
PAD = "[pad]"

RUNS = (("letters a to z", ascii_lowercase), ("digits 0 to 9", digits))
"""Stretches of an alphabet that have a name."""
NAMES = {" ": "a space", "\n": "a line end", "\t": "a tab"}
PLURALS = {" ": "spaces", "\n": "line ends"}
"""What characters that cannot be seen are called, one of them and as members of an alphabet."""


@dataclass(frozen=True)
class Tokenizer:
    """One token per character of `alphabet`, plus the template's specials, plus a pad token if `pads`."""

    alphabet: str
    pads: bool = False

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Token strings by id."""
        return (*self.alphabet, USER_START, ASSISTANT_START, END_OF_TURN, *((PAD,) if self.pads else ()))

    @cached_property
    def ids(self) -> dict[str, int]:
        """Ids by token string."""
        return {token: i for i, token in enumerate(self.tokens)}

    @cached_property
    def _alphabet_ids(self) -> dict[str, int]:
        return {character: self.ids[character] for character in self.alphabet}

    @property
    def vocab_size(self) -> int:
        return len(self.tokens)

    @property
    def pad_id(self) -> int | None:
        return self.ids.get(PAD)

    @property
    def end_of_turn_id(self) -> int:
        return self.ids[END_OF_TURN]

    def encode(self, text: str, *, param: str | None = None) -> tuple[int, ...]:
        """Ids of a message's text. A template character in it is an error: it would forge a turn.

        Raises:
            InvalidText: at the first character outside the alphabet; names it, its place and what is allowed.
        """
        try:
            return tuple([self._alphabet_ids[character] for character in text])
        except KeyError as error:
            raise _foreign(text, error.args[0], self.alphabet, param) from None

    def encode_marked(self, text: str, *, param: str | None = None) -> tuple[int, ...]:
        """Ids of a text as a model reads it, template characters included: `<hello>` forges a turn on purpose.

        Raises:
            InvalidText: as `encode`.
        """
        marked = self.alphabet + USER_START + ASSISTANT_START + END_OF_TURN
        foreign = next((character for character in text if character not in marked), None)
        if foreign is not None:
            raise _foreign(text, foreign, marked, param)
        return tuple(self.ids[character] for character in text)

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of ids, specials included."""
        return "".join(self.tokens[i] for i in token_ids)


def _foreign(text: str, character: str, alphabet: str, param: str | None) -> InvalidText:
    place, allowed = ordinal(text.index(character) + 1), describe_alphabet(alphabet)
    return InvalidText(f"Use {allowed} only: the {place} character is {name_character(character)}", param=param)


def describe_alphabet(alphabet: str) -> str:
    """`letters a to z, digits 0 to 9, + and spaces`"""
    parts = []
    rest = alphabet
    for title, run in RUNS:
        if run in rest:
            parts.append(title)
            rest = rest.replace(run, "")
    parts += [PLURALS.get(character, character) for character in rest]
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def name_character(character: str) -> str:
    """A character as one says it, in printable ASCII: `a space`, `H`, `U+00E9 (latin small letter e with acute)`."""
    if character in NAMES:
        return NAMES[character]
    if character.isascii() and character.isprintable():
        return character
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")
