"""Tasks: what the user asks and what the right answer is. In: a seed. Out: prompts and conversations.

A prompt is held out by a hash of its letters, so the split is the same for every run, seed and machine, and no training
batch can hold a held-out prompt. Knows nothing of tokens and masks.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from model.errors import InvalidText
from model.text.chat_template import Message

HELD_OUT_ONE_IN = 10
SPLIT = (
    f"a word is unseen if blake2b(word, 8 bytes, big-endian) mod {HELD_OUT_ONE_IN} is 0: "
    "it is never trained on, and what is measured is measured on different unseen words"
)
TURN_SEPARATOR = " "
REQUEST_SHARE = 0.5


@dataclass(frozen=True)
class Task:
    """Prompts of turns of `min_length` to `max_length` characters of `alphabet`, and the answers to them.

    What is asked is one text: the user's turns, a space between them. Most tasks have one turn.
    """

    slug: str
    title: str
    alphabet: str
    min_length: int
    max_length: int
    solve: Callable[[Sequence[str]], str]
    """The whole answer to the last of the user's turns."""
    example: str
    """The prompt to begin with."""
    answer_length: int | None = None
    """Only the first so many characters of the answer are asked for; None: all."""
    most_turns: int = 1
    """Conversations have two to so many turns, or one."""
    single_share: float = 0.0
    """Of conversations that could have several turns, so many have one."""
    request: str = ""
    """The character that, alone in a later turn, asks for the first word."""
    answer_alphabet: str = ""
    """What answers alone may hold beside it."""
    longest: str = ""
    """A prompt whose answer is the longest; empty: any of the greatest length."""
    draw: Callable[[random.Random], str] | None = None
    """Draws a turn; None: letters of the alphabet, lengths drawn evenly."""
    check: Callable[[str], None] | None = None
    """Raises InvalidText for a prompt that has a length the task knows and is none of its prompts all the same."""
    taught: tuple[str, ...] = ()
    untaught: tuple[str, ...] = ()
    """Where there are few prompts, all of them: the ones may be trained on, the others are held out, not by hash."""
    split: str = SPLIT
    """Which prompts are never trained on."""
    holds_out: Callable[[str], bool] = lambda prompt: is_held_out(prompt)
    """Whether a prompt is never trained on, where not all of them are listed."""

    def characters(self) -> str:
        """All that a turn may hold."""
        return self.alphabet + self.request + self.answer_alphabet

    def answer(self, prompt: str) -> str:
        """The right answer to the last turn."""
        return self.solve(self.turns(prompt))[: self.answer_length]

    def turns(self, prompt: str) -> list[str]:
        """The user's turns. A task of one turn knows no separator."""
        return prompt.split(TURN_SEPARATOR) if self.most_turns > 1 else [prompt]

    def longest_answer(self) -> int:
        return len(self.answer(self.longest or self.alphabet[0] * self.max_length))

    def conversation(self, prompt: str, response: str | None = None) -> tuple[Message, ...]:
        """The user's turns and the assistant's right answers; `response` stands in the last one's place."""
        return (*self.question(prompt), Message("assistant", self.answer(prompt) if response is None else response))

    def question(self, prompt: str) -> tuple[Message, ...]:
        """The conversation up to the answer that is asked for."""
        turns = self.turns(prompt)
        messages: list[Message] = []
        for place, turn in enumerate(turns, 1):
            messages.append(Message("user", turn))
            if place < len(turns):
                messages.append(Message("assistant", self.solve(turns[:place])[: self.answer_length]))
        return tuple(messages)

    def describe_lengths(self) -> str:
        """`1 to 10 letters`"""
        return f"{describe_range(self.min_length, self.max_length)} letters"

    def fits(self, turn: str) -> bool:
        """Whether a turn has a length that the task knows."""
        return self.min_length <= len(turn) <= self.max_length

    def check_prompt(self, prompt: str) -> None:
        """Raises InvalidText unless the prompt, or each of its turns, is one the task knows."""
        if self.most_turns > 1:
            self._check_turns(self.turns(prompt))
        elif not self.fits(prompt):
            allowed = describe_range(self.min_length, self.max_length)
            raise InvalidText(f"Write {allowed} characters; you wrote {len(prompt)}", param="prompt")
        if self.check:
            self.check(prompt)

    def prompts(self, seed: int, *, held_out: bool) -> Iterator[str]:
        """An endless seeded stream of prompts from one side of the split."""
        draw = random.Random(f"{self.slug} {seed} {held_out}")
        while self.taught:
            yield draw.choice(self.untaught if held_out else self.taught)
        while True:
            prompt = self._draw_turn(draw) if self.most_turns == 1 else self._draw_turns(draw)
            if self.holds_out(prompt) == held_out:
                yield prompt

    def _draw_turn(self, draw: random.Random) -> str:
        if self.draw:
            return self.draw(draw)
        length = draw.randint(self.min_length, self.max_length)
        return "".join(draw.choices(self.alphabet, k=length))

    def _draw_turns(self, draw: random.Random) -> str:
        """A word, then words and requests, each as likely as the other."""
        turns = [self._draw_turn(draw)]
        if self.single_share and draw.random() < self.single_share:
            return turns[0]
        for _ in range(draw.randint(2, self.most_turns) - 1):
            turns.append(self.request if draw.random() < REQUEST_SHARE else self._draw_turn(draw))
        return TURN_SEPARATOR.join(turns)

    def _check_turns(self, turns: Sequence[str]) -> None:
        if len(turns) > self.most_turns:
            raise InvalidText(f"Write 1 to {self.most_turns} turns; you wrote {len(turns)}", param="prompt")
        for place, turn in enumerate(turns, 1):
            if not (turn == self.request and place > 1) and not self.fits(turn):
                request = f" (or {self.request} alone, to ask for the first word)" if place > 1 else ""
                message = f"Turn {place} needs {self.describe_lengths()}{request}; it has {len(turn)}"
                raise InvalidText(message, param="prompt")

    def held_out_prompts_at_most(self) -> int:
        """How many different held-out prompts can be drawn without going through most of them."""
        return len(self.untaught) or int(len(self.alphabet) ** self.max_length // (4 * HELD_OUT_ONE_IN))

    def held_out_prompts(self, n: int, seed: int = 0) -> tuple[str, ...]:
        """n different held-out prompts. Short ones are few, so they take a smaller share than of those in training."""
        assert 0 < n <= self.held_out_prompts_at_most(), n
        prompts = self.prompts(seed, held_out=True)
        found: dict[str, None] = {}
        while len(found) < n:
            found.setdefault(next(prompts))
        return tuple(found)


def is_held_out(prompt: str) -> bool:
    """True for one prompt in ten, by hash: never trained on."""
    digest = hashlib.blake2b(prompt.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_ONE_IN == 0


def describe_range(lowest: int, highest: int) -> str:
    return f"exactly {lowest}" if lowest == highest else f"{lowest} to {highest}"


def _reversed(turns: Sequence[str]) -> str:
    return turns[-1][::-1]


FIRST_WORD = "1"


def _reversed_or_recalled(turns: Sequence[str]) -> str:
    """A word's reversal; to the request FIRST_WORD, that of the conversation's first word."""
    return (turns[0] if turns[-1] == FIRST_WORD else turns[-1])[::-1]


TASKS: dict[str, Task] = {
    task.slug: task
    for task in (
        Task("reverse4", "Reverse a word of four letters", ascii_lowercase, 4, 4, _reversed, "abcd"),
        Task("reverse", "Reverse a word of 1 to 10 letters", ascii_lowercase, 1, 10, _reversed, "hello"),
        Task(
            "dialogue",
            "Reverse words, and earlier words when asked for",
            ascii_lowercase,
            2,
            4,
            _reversed_or_recalled,
            "abc de 1",
            most_turns=4,
            request=FIRST_WORD,
        ),
    )
}
