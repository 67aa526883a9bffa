"""Characters and special tokens <-> ids. In: text of one alphabet. Out: ids. Refuses every other character.

Ids follow the lesson: the alphabet first, then `<` USER_START, `>` ASSISTANT_START, `#` END_OF_TURN, and one pad id
where a recipe pads. With a-z and no pad this is the lesson's vocabulary of 29.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from model.errors import InvalidText

USER_START = "<"
ASSISTANT_START = ">"
END_OF_TURN = "#"
PAD = "[pad]"


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
            character = error.args[0]
            raise InvalidText(
                f"character {text.index(character) + 1} is {character!a} (U+{ord(character):04X}); "
                f"allowed: {describe_alphabet(self.alphabet)}",
                param=param,
            ) from None

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of ids, specials included."""
        return "".join(self.tokens[i] for i in token_ids)


def describe_alphabet(alphabet: str) -> str:
    """`a-z` for a run of characters, the characters themselves otherwise."""
    codes = [ord(character) for character in alphabet]
    if len(codes) > 2 and codes == list(range(codes[0], codes[0] + len(codes))):
        return f"{alphabet[0]}-{alphabet[-1]}"
    return " ".join(alphabet)
