"""Tasks: what the user asks and what the right answer is. In: a seed. Out: words and conversations.

A word is held out by a hash of its letters, so the split is the same for every run, seed and machine, and no training
batch can hold a held-out word. Knows nothing of tokens and masks.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from string import ascii_lowercase

from model.chat import Message
from model.errors import InvalidText

HELD_OUT_ONE_IN = 10


@dataclass(frozen=True)
class Task:
    """Words of `min_length` to `max_length` characters of `alphabet`; `solve` maps a word to its whole answer."""

    slug: str
    title: str
    alphabet: str
    min_length: int
    max_length: int
    solve: Callable[[str], str]
    example: str
    """The word to begin with."""
    answer_length: int | None = None
    """Only the first so many characters of the answer are asked for; None: all."""

    def answer(self, word: str) -> str:
        """The right answer."""
        return self.solve(word)[: self.answer_length]

    def longest_answer(self) -> int:
        return self.max_length if self.answer_length is None else min(self.max_length, self.answer_length)

    def conversation(self, word: str, response: str | None = None) -> tuple[Message, Message]:
        """The user's word and the assistant's answer: the right one unless `response` is given."""
        return Message("user", word), Message("assistant", self.answer(word) if response is None else response)

    def describe_lengths(self) -> str:
        """`1 to 10 letters`"""
        return f"{describe_range(self.min_length, self.max_length)} letters"

    def check_prompt(self, word: str) -> None:
        """Raises InvalidText unless the word's length is one the task knows."""
        if not self.min_length <= len(word) <= self.max_length:
            allowed = describe_range(self.min_length, self.max_length)
            raise InvalidText(f"the prompt has {len(word)} characters; allowed: {allowed}", param="prompt")

    def words(self, seed: int, *, held_out: bool) -> Iterator[str]:
        """An endless seeded stream of words from one side of the split, lengths drawn evenly."""
        draw = random.Random(f"{self.slug} {seed} {held_out}")
        while True:
            length = draw.randint(self.min_length, self.max_length)
            word = "".join(draw.choices(self.alphabet, k=length))
            if is_held_out(word) == held_out:
                yield word

    def held_out_words_at_most(self) -> int:
        """How many different held-out words can be drawn without going through most of them."""
        return int(len(self.alphabet) ** self.max_length // (4 * HELD_OUT_ONE_IN))

    def held_out_words(self, n: int, seed: int = 0) -> tuple[str, ...]:
        """n different held-out words. Short words are few, so they take a smaller share than of the training words."""
        assert 0 < n <= self.held_out_words_at_most(), n
        found: dict[str, None] = {}
        for word in self.words(seed, held_out=True):
            found.setdefault(word)
            if len(found) == n:
                return tuple(found)
        raise AssertionError("the stream of words is endless")


def is_held_out(word: str) -> bool:
    """True for one word in ten, by hash: never trained on."""
    digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_ONE_IN == 0


def describe_range(lowest: int, highest: int) -> str:
    return f"exactly {lowest}" if lowest == highest else f"{lowest} to {highest}"


def _reversed(word: str) -> str:
    return word[::-1]


TASKS: dict[str, Task] = {
    task.slug: task
    for task in (
        Task("reverse4", "Reverse a word of four letters", ascii_lowercase, 4, 4, _reversed, "abcd"),
        Task("reverse", "Reverse a word of 1 to 10 letters", ascii_lowercase, 1, 10, _reversed, "hello"),
    )
}
